"""A MariaDB server of a test's own, as a user who is not root: Debian's 10.11, started from its programs alone."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests.database.server import UNPRIVILEGED, free_port

__all__ = ["MariaDBServer", "await_server", "running_mariadb", "start_again"]

_PACKAGES = ("mariadb-server-core", "mariadb-client-core")
"""Debian's programs alone: these packages have no service that would start."""


def _mariadbd() -> str:
    """Return where the server's program is, installed first where that is possible; else the test is skipped."""
    path = f"/usr/sbin:/usr/bin:{os.environ['PATH']}"
    if shutil.which("mariadbd", path=path) is None and shutil.which("apt-get") and os.geteuid() == 0:
        for argv in (["update"], ["install", "--yes", "--no-install-recommends", *_PACKAGES]):
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", "-qq", *argv], check=False, capture_output=True, env=environment)
    found = shutil.which("mariadbd", path=path)
    if found is None:
        pytest.skip(f"MariaDB is not installed; on Debian: apt-get install {' '.join(_PACKAGES)}")
    return found


@dataclass(frozen=True)
class MariaDBServer:
    """A running server: its folder (`data`, `log`), and how its administrator reaches it."""

    folder: Path
    port: int
    password: str

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    @property
    def log(self) -> str:
        """What the server has logged until now."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def uri(self, database: str = "mysql", user: str = "admin", password: str | None = None) -> str:
        """Return the URI of `database`, by default for the administrator."""
        return f"mariadb://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def connect(
        self, database: str = "mysql", user: str = "admin", password: str | None = None
    ) -> "pymysql.Connection[Any]":
        """Return a connection that commits each statement."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=password or self.password,
            database=database,
            autocommit=True,
        )

    def ask(
        self, sql: str, database: str = "mysql", user: str = "admin", password: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self.connect(database, user, password) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def create(self, database: str, sql: str = "") -> str:
        """Make `database` anew, run the script `sql` in it, and return its URI."""
        self.ask(f"DROP DATABASE IF EXISTS `{database}`")
        self.ask(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4")
        self.run(database, sql)
        return self.uri(database)

    def run(self, database: str, sql: str) -> None:
        """Run a script with the server's own client, which knows `DELIMITER`; it stops at the first error."""
        options = self.folder / "client.cnf"
        options.write_text(f"[client]\nuser=admin\npassword={self.password}\nhost=127.0.0.1\nport={self.port}\n")
        argv = ["mariadb", f"--defaults-file={options}", "--default-character-set=utf8mb4", database]
        done = subprocess.run(argv, input=sql.encode(), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()

    def clear(self) -> None:
        """Remove every database that tests have made."""
        for (name,) in self.ask("SHOW DATABASES"):
            if name not in ("information_schema", "mysql", "performance_schema", "sys"):
                self.ask(f"DROP DATABASE `{name}`")


@contextmanager
def running_mariadb(*settings: str, data: Path | None = None) -> Iterator[MariaDBServer]:
    """Give a server with `settings` such as `--general-log=1`, on the files in `data` or new ones; then it goes."""
    program = _mariadbd()
    folder = Path(tempfile.mkdtemp(prefix="layersite-mariadb-"))
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    if user is not None:
        os.chown(folder, user, user)
    server = MariaDBServer(folder, free_port(), secrets.token_hex(12))
    statements = (
        "FLUSH PRIVILEGES",
        f"CREATE OR REPLACE USER admin@'%' IDENTIFIED BY '{server.password}'",
        "GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION",
    )
    (folder / "init.sql").write_text("".join(f"{each};\n" for each in statements), encoding="utf-8")
    _make_data(server, user, data, settings)
    process = _start(program, server, user, settings)
    try:
        await_server(server, process)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _make_data(server: MariaDBServer, user: int | None, data: Path | None, settings: tuple[str, ...]) -> None:
    if data is not None:
        shutil.copytree(data, server.data)
        for path in (server.data, *server.data.rglob("*")):
            os.chown(path, user if user is not None else -1, -1)
        return
    install = [
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={server.data}",
        "--skip-test-db",
        "--auth-root-authentication-method=normal",
        *(each for each in settings if each.startswith("--innodb-")),
    ]
    environment = {**os.environ, "TMPDIR": str(server.folder)}
    groups: list[int] | None = [] if user else None
    subprocess.run(
        install, user=user, group=user, extra_groups=groups, check=True, capture_output=True, cwd="/", env=environment
    )


def _start(program: str, server: MariaDBServer, user: int | None, settings: tuple[str, ...]) -> subprocess.Popen[bytes]:
    argv = [
        program,
        "--no-defaults",
        f"--datadir={server.data}",
        "--bind-address=127.0.0.1",
        f"--port={server.port}",
        f"--socket={server.folder / 'socket'}",
        f"--tmpdir={server.folder}",  # one that starts removes what others have begun there
        f"--pid-file={server.folder / 'pid'}",
        f"--init-file={server.folder / 'init.sql'}",
        "--innodb-buffer-pool-size=64M",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-flush-method=nosync",
        "--debug-no-sync",
        *settings,
    ]
    with (server.folder / "log").open("wb") as log:
        groups: list[int] | None = [] if user else None
        return subprocess.Popen(argv, user=user, group=user, extra_groups=groups, stdout=log, stderr=log, cwd="/")


def start_again(server: MariaDBServer, *settings: str) -> subprocess.Popen[bytes]:
    """Start a server that was killed, on the files that it has left."""
    process = _start(_mariadbd(), server, UNPRIVILEGED if os.geteuid() == 0 else None, settings)
    await_server(server, process)
    return process


def await_server(server: MariaDBServer, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        with suppress(pymysql.OperationalError), server.connect():
            return
        time.sleep(0.1)
    raise RuntimeError(f"the server does not start:\n{server.log[-3000:]}")
