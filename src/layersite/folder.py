"""A folder for what only this user may read; one that a killed run left goes when the next run begins."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from layersite.model.errors import ToolError

__all__ = ["private_folder"]


_MEND = "remove it, or set TMPDIR to another place"


@contextmanager
def private_folder() -> Iterator[Path]:
    """Give a new folder of this run's own; it goes afterwards. Raises ToolError: there is no private place for it."""
    root = Path(os.environ.get("TMPDIR", "/tmp"), f"layersite-{os.geteuid()}")  # noqa: S108  it must be this user's alone
    with suppress(FileExistsError):
        root.mkdir(0o700)
    with ExitStack() as mine:
        with _held(root):
            for left in root.iterdir():
                with suppress(OSError, ToolError), _held(left, wait=False):  # whose run has ended, and its lock with it
                    shutil.rmtree(left, ignore_errors=True)
            folder = Path(tempfile.mkdtemp(dir=root))
            mine.enter_context(_held(folder))
        mine.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


@contextmanager
def _held(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a folder, which ends with the process; the programs that it runs do not inherit it."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise ToolError(f"{folder} cannot be used as a private folder ({error.strerror}); {_MEND}") from error
    try:
        found = os.fstat(opened)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise ToolError(f"{folder} is not this user's alone; {_MEND}")
        fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(opened)
