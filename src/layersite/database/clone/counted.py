"""Tell a reflink from a copy: a PostgreSQL server is asked for the one, and makes the other without a word.

Its process's own count of written bytes shows what happened, on file systems that count; others share no blocks.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["shares_blocks", "verdict", "written"]

_SHARING = ("bcachefs", "btrfs", "ocfs2", "xfs", "zfs")
_WRITTEN = r"SELECT (regexp_match(pg_read_file('/proc/self/io'), '(?n)^write_bytes: (\d+)'))[1]::bigint"
_MOUNTS = "SELECT pg_read_file('/proc/self/mountinfo'), current_setting('data_directory')"


def written(connection: "Connection") -> int | None:
    """Return the bytes that the server's process has written until now, None if it may not be known."""
    found = _answer(connection, _WRITTEN)
    return int(str(found[0])) if found else None


def shares_blocks(connection: "Connection") -> bool | None:
    """Whether the file system of the data directory may share blocks between files, None if it may not be known."""
    found = _answer(connection, _MOUNTS)
    if found is None:
        return None
    folder = PurePosixPath(str(found[1]))
    mounts = {place: kind for place, kind in _mounts(str(found[0])) if folder.is_relative_to(place)}
    return bool(mounts) and mounts[max(mounts, key=len)] in _SHARING


def verdict(size: int, before: int | None, after: int | None) -> str:
    """Say how `size` bytes were copied: a reflink writes next to nothing."""
    if before is None or after is None:
        return "file copy, by reflink where the server's file system can"
    return "reflink" if after - before < size // 2 else "file copy"


def _mounts(text: str) -> Iterator[tuple[str, str]]:
    """Yield mount point and type of each line of proc(5)'s mountinfo."""
    for line in text.splitlines():
        head, _, tail = line.partition(" - ")
        yield head.split()[4].replace("\\040", " "), tail.split()[0]


def _answer(connection: "Connection", query: str) -> tuple[object, ...] | None:
    import psycopg

    try:
        return connection.execute(query.encode()).fetchone()
    except psycopg.Error:  # these functions are for superusers, and there is no /proc everywhere
        return None
