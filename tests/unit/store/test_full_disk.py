"""A disk that is full, on the host or here: it is said, nothing is half-written, and with room again all is done."""

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from layersite.model.errors import StoreError
from layersite.store import Store

from .conftest import Remote
from .test_commit import blobs_of
from .writer import adding


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of its own, of 4 MB."""
    (tmp_path / "small").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path / "small")], check=False)
    if mounted.returncode != 0:
        pytest.skip("a disk of its own needs Linux and a user who may mount")
    yield tmp_path / "small"
    subprocess.run(["umount", "--lazy", str(tmp_path / "small")], check=True)


@contextmanager
def filled(disk: Path, left: int) -> Iterator[None]:
    """Leave so many bytes of the disk."""
    found = os.statvfs(disk)
    (disk / "filler").write_bytes(bytes(found.f_bavail * found.f_frsize - left))
    yield
    (disk / "filler").unlink()


def said_by_a_run(kind: type[Store], remote: Remote, cache: Path, name: str) -> str:
    """Read, add an environment and return the error, if there is one."""
    store = kind(remote.url, "main", cache, random=random.Random(1), attempts=3)  # noqa: S311 - not a secret
    try:
        store.read()
        store.commit(adding(name), "add")
    except StoreError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("full", ["host", "cache"])
@pytest.mark.parametrize("kept", [[], ["keep"]], ids=["first commit", "later commit"])
def test_with_ever_more_room_all_or_nothing_is_written(
    full: str, kept: list[str], kind: type[Store], small: Path, tmp_path: Path
) -> None:
    """Until there is enough; each time the next run, with room again, does what the one before could not."""
    for left in range(0, 200_000, 12_000):
        remote = Remote((small if full == "host" else tmp_path) / f"host-{left}.git")
        cache = (small if full == "cache" else tmp_path) / f"cache-{left}"
        assert [said_by_a_run(kind, remote, cache, name) for name in kept] == [""] * len(kept)
        before = remote.git("for-each-ref")
        with filled(small, left):
            said = said_by_a_run(kind, remote, cache, "web-42")
        assert "a disk is full; free space where the" in said or said == ""
        assert said == "" or remote.git("for-each-ref") == before
        assert said_by_a_run(kind, remote, cache, "web-42") == ""
        assert remote.blobs() == {path: blob for name in [*kept, "web-42"] for path, blob in blobs_of(name).items()}
        assert remote.commits() == len(kept) + 1
        remote.git("fsck", "--strict")
        if not said:
            break
    assert (left, said) == (max(left, 12_000), "")  # it was too little at first, and enough in the end
