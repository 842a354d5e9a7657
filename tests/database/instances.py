"""Servers of clones' own: a folder for them, what runs there, and what an app finds that knows its Secret."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql

from layersite.model.database import Clone
from layersite.model.site import Instances
from tests.database.server import UNPRIVILEGED, free_port

__all__ = ["ask", "directory_of", "instance_settings", "port_of", "running"]


@contextmanager
def instance_settings() -> Iterator[Instances]:
    """Give a folder of the user who shall run servers, which take little there; whatever runs there is ended."""
    folder, first = Path(tempfile.mkdtemp(prefix="layersite-instances-")), free_port()
    (folder / "my.cnf").write_text("[mysqld]\ninnodb-flush-method=nosync\nloose-innodb-log-file-size=8M\n")
    if os.geteuid() == 0:
        os.chown(folder, UNPRIVILEGED, UNPRIVILEGED)
    try:
        yield Instances(directory=str(folder), ports=f"{first}-{min(first + 40, 65535)}")
    finally:
        for number in running(folder):
            os.kill(number, signal.SIGKILL)
        shutil.rmtree(folder)


def running(folder: Path) -> list[int]:
    """Return the processes of servers below `folder`."""
    own = f"--defaults-file={folder}/".encode()
    found = [path for path in Path("/proc").glob("[0-9]*/cmdline") if own in _read(path)]
    return [int(path.parent.name) for path in found]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has just ended
        return b""


def port_of(clone: Clone) -> int:
    assert clone.instance is not None
    return clone.instance.port


def directory_of(clone: Clone) -> str:
    assert clone.instance is not None
    return clone.instance.directory


def ask(clone: Clone, password: str, sql: str, database: str | None = None) -> list[tuple[Any, ...]]:
    """Return the rows of a query that an app asks which knows its Secret."""
    port, name = port_of(clone), database or clone.name
    with (
        pymysql.connect(
            host="127.0.0.1", port=port, user=clone.name, password=password, database=name, autocommit=True
        ) as app,
        app.cursor() as cursor,
    ):
        cursor.execute(sql)
        return list(cursor.fetchall())
