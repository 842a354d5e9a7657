"""What tests of real ledgers share: files as the bot reads them, and a ledger as the build of a golden reads it."""

import os
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from layersite.database.fit import of_postgresql, read_applied
from layersite.database.mariadb.connect import Session
from tests.database.mariadb import MariaDBServer
from tests.database.server import Server

__all__ = ["Tool", "applied", "files", "running_tool"]

Tool = Callable[..., str]
"""Runs a tool with arguments in its folder and returns what it said; it must exit with `code`."""


def files(folder: Path) -> dict[str, str]:
    """Return the text of every file below `folder` by its path there."""
    return {str(path.relative_to(folder)): path.read_bytes().decode() for path in folder.rglob("*") if path.is_file()}


def applied(server: Server | MariaDBServer, database: str, tool: str) -> tuple[str, ...]:
    """Return what a ledger in `database` holds."""
    if isinstance(server, MariaDBServer):
        with closing(Session(server.uri(database))) as session:
            return read_applied(session.ask, tool)
    with server.connect(database) as connection:
        return read_applied(of_postgresql(connection), tool)


def running_tool(argv: Sequence[str], folder: Path, **environment: str) -> Tool:
    """Return how to run `argv` in `folder` with more of an `environment`."""

    def run(*arguments: str, code: int = 0) -> str:
        whole = [*argv, *arguments]
        done = subprocess.run(whole, cwd=folder, env=os.environ | environment, capture_output=True, check=False)
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == code, said
        return said

    return run
