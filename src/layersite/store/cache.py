"""Where the clones are: kept between runs, for one process at a time, made anew beside itself when one is broken."""

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pygit2

from layersite.model.errors import StoreError
from layersite.store.clone import BrokenCloneError, Clone
from layersite.store.refusal import explain

__all__ = ["Cache"]

T = TypeVar("T")


class Cache:
    """The folder with the clones: `<key of url and branch>-<number>.git`, of which the highest number counts."""

    def __init__(self, folder: Path, url: str, branch: str) -> None:
        self._folder, self._url, self._branch = folder, url, branch
        self._key = hashlib.sha256(f"{url}\0{branch}".encode()).hexdigest()[:12]

    def use(self, operation: Callable[[Clone], T]) -> T:
        """Run `operation` on the clone while no other process uses it; on a broken one, again on a new one.

        Raises:
            StoreError: the cache folder cannot be used.
        """
        with self._locked():
            try:
                return self._use(operation)
            except BrokenCloneError as error:
                raise StoreError(str(error)) from error
            except (pygit2.GitError, OSError) as error:
                text = f"the cache folder `{self._folder}` cannot be used: {explain(str(error)).message}"
                raise StoreError(text) from error

    def _use(self, operation: Callable[[Clone], T]) -> T:
        try:
            return operation(self._open(self._paths()[-1:]))
        except (pygit2.GitError, KeyError, BrokenCloneError):
            broken = self._paths()
        result = operation(self._open([]))
        # Only now: a clone made right after removing a large one is ten times slower on ext4.
        for path in broken:
            shutil.rmtree(path, ignore_errors=True)
        return result

    def beside(self, kind: str) -> Path:
        """Return the path of a file of this `kind` beside the clones, to be used while `use` runs."""
        return self._folder / f"{self._key}.{kind}"

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(f"{self._key}-*.git"))

    def _open(self, paths: list[Path]) -> Clone:
        """Open the clone among `paths`, or make one under the next number."""
        if not paths:
            number = 1 + max((int(path.stem.rpartition("-")[2]) for path in self._paths()), default=0)
            paths = [self._folder / f"{self._key}-{number:06}.git"]
            pygit2.init_repository(str(paths[0]), bare=True)
        return Clone(paths[0], self._url, self._branch)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the folder's lock, which the kernel drops with the process that holds it, however that ends."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = self.beside("lock").open("wb")
        except OSError as error:
            text = f"the cache folder `{self._folder}` cannot be used ({error.strerror}); make it writable"
            raise StoreError(text) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
