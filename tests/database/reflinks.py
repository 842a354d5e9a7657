"""A file system that shares blocks between files, for as long as a test needs it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["sharing_blocks"]


@contextmanager
def sharing_blocks(place: Path) -> Iterator[Path]:
    """Give a folder on XFS, in a loop file in `place`."""
    if os.geteuid() != 0 or shutil.which("mkfs.xfs") is None:
        pytest.skip("a file system with reflinks needs root and mkfs.xfs")
    folder = Path(tempfile.mkdtemp(prefix="layersite-xfs-"))
    with (place / "image").open("wb") as image:
        image.truncate(2_000_000_000)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", str(place / "image")], check=True)
    if subprocess.run(["mount", "-o", "loop", str(place / "image"), str(folder)], check=False).returncode != 0:
        pytest.skip("this machine mounts no loop file")
    folder.chmod(0o755)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()
