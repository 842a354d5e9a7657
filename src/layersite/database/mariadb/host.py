"""The host on which clones have servers of their own: where those are, how they are set, and how they are reached.

They are set like the shared server where apps would notice, and let its administrator in, from this host alone.
"""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from layersite.database.mariadb import ledger
from layersite.database.mariadb.clone import MariaDBClones
from layersite.database.mariadb.connect import identifier
from layersite.database.mariadb.daemon import Daemon, program
from layersite.database.mariadb.ports import held
from layersite.model.database import Instance
from layersite.model.errors import DatabaseError, ToolError
from layersite.model.site import Instances
from layersite.process import run

__all__ = ["Host", "local"]

_PATIENCE = 60
_HERE = "127.0.0.1"
_OWNER = "layersite-server"
"""The file that says which shared server's clones a folder is for: the one whose ledger knows the same mark."""
_ALIKE = (
    "sql_mode",
    "character_set_server",
    "collation_server",
    "lower_case_table_names",
    "innodb_page_size",
    "innodb_strict_mode",
    "max_allowed_packet",
    "ft_min_word_len",
    "innodb_ft_min_token_size",
    "explicit_defaults_for_timestamp",
)
_FROM_THE_START = ("lower_case_table_names", "innodb_page_size")
"""What can be set only as a server is made."""
_OTHERS = """
SELECT user, host FROM mysql.user WHERE user NOT IN ('mariadb.sys', 'mysql.sys', 'mysql.session', 'mysql.infoschema')"""


def local(uri: str, port: int) -> str:
    """Return the URI of the server at `port` of this host for who signs in at `uri`."""
    parts = urlsplit(uri)
    return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{_HERE}:{port}").geturl()


class Host:
    """This host, for clones of the shared `server` at `uri`. Every method raises DatabaseError."""

    def __init__(self, server: MariaDBClones, uri: str, settings: Instances) -> None:
        self._server, self._uri, self._settings = server, uri, settings
        self.root = Path(settings.directory)

    def claim(self) -> None:
        """Make sure that the folder of all servers is there, and for those of this shared server alone."""
        if not self.root.is_dir() or self.root.stat().st_uid == 0 or os.geteuid() not in (0, self.root.stat().st_uid):
            text = f"`instances` needs the folder {self.root} here, its owner the user that runs the servers, not root"
            raise DatabaseError(f"{text}; make it so, and run this as that user or as root")
        file = self.root / _OWNER
        with held(self.root):
            if not file.exists():
                known = secrets.token_hex(16)
                ledger.claim(self._server.session, known)
                file.write_text(known, "utf-8")
        if not self.is_claimed:
            text = f"the folder {self.root} is for clones of another server, by the mark in {file}"
            raise DatabaseError(f"{text}; give this one another `directory`")

    @property
    def is_claimed(self) -> bool:
        """Whether the folder of all servers is there, and for those of this shared server."""
        file = self.root / _OWNER
        return file.is_file() and ledger.has_claimed(self._server.session, file.read_text("utf-8"))

    def daemon(self, name: str) -> Daemon:
        """Return the server in the folder `name`, whether it is there or not."""
        return Daemon(self.root / name)

    def left(self) -> list[Daemon]:
        """Return the servers of goldens, and those that were begun to be one."""
        found = (*self.root.glob("*.golden"), *self.root.glob("*.making")) if self.is_claimed else ()
        return [daemon for path in found if (daemon := Daemon(path)).is_ours]

    def port_of(self, name: str, known: Instance | None) -> int:
        """Return the port of the finished server: the one that is known, if it may still be that, or its own."""
        first, last = self._settings.port_range
        return known.port if known and first <= known.port <= last else self.daemon(name).port

    def make(self, name: str) -> Daemon:
        """Make the folder of a server, in place of what a run left that was killed."""
        daemon = self.daemon(name)
        daemon.remove()
        daemon.make(self._settings.port_range, int(sha256(name.encode()).hexdigest(), 16))
        return daemon

    def install(self, daemon: Daemon) -> None:
        """Fill the folder with a new server's data."""
        settings = {name: value for name, value in self._alike().items() if name in _FROM_THE_START}
        options = [f"--datadir={daemon.home / 'data'}", f"--tmpdir={daemon.home / 'tmp'}"]
        options += [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        if self._server.session.is_mysql:
            daemon.install([self._program, "--no-defaults", "--initialize-insecure", *options])
        else:
            ways = ["--auth-root-authentication-method=normal", "--skip-test-db"]
            daemon.install([program("mariadb-install-db", "mariadb-server-core"), "--no-defaults", *options, *ways])

    def start(self, daemon: Daemon, port: int, *, is_public: bool = False) -> None:
        """Start a server and wait until it answers; without `is_public` this host alone reaches it."""
        daemon.configure("*" if is_public else _HERE, port, self._alike(), self._admit())
        is_asked = is_public and self._ask("start", daemon)
        if not is_asked:
            daemon.start(self._program)
        end = time.monotonic() + _PATIENCE
        while not self.answers(daemon, port):
            if time.monotonic() > end or not (is_asked or daemon.is_running()):
                raise DatabaseError(f"the server in {daemon.home} does not start; `error.log` there says why")
            time.sleep(0.02)

    def end(self, daemon: Daemon) -> None:
        """Stop a server that others may use."""
        self._ask("stop", daemon)
        daemon.stop()

    @contextmanager
    def inside(self, daemon: Daemon, port: int) -> Iterator[MariaDBClones]:
        """Give a session on a server; one of another folder is refused."""
        with closing(MariaDBClones(local(self._uri, port), str(daemon.home))) as server:
            if (found := server.session.one("SELECT @@datadir").rstrip("/")) != f"{daemon.home}/data":
                raise DatabaseError(f"the port {port} of {daemon.home} is used by the server in {found}; end that")
            yield server

    def answers(self, daemon: Daemon, port: int) -> bool:
        """Whether a server runs and lets us in."""
        try:
            with self.inside(daemon, port):
                return True
        except DatabaseError:
            return False

    def others(self, server: MariaDBClones) -> list[tuple[str, str]]:
        """Return the users of a server who are not ours and not its own."""
        return [(user, host) for user, host in server.session.ask(_OTHERS) if (user, host) != (self._login[0], _HERE)]

    @property
    def _login(self) -> tuple[str, str]:
        parts = urlsplit(self._uri)
        return unquote(parts.username or ""), unquote(parts.password or "")

    @property
    def _program(self) -> str:
        is_mysql = self._server.session.is_mysql
        return program(*(("mysqld", "mysql-server-core-8.0") if is_mysql else ("mariadbd", "mariadb-server-core")))

    def _ask(self, what: Literal["start", "stop"], daemon: Daemon) -> bool:
        """Run the site's own command for it; return whether there is one."""
        argv = self._settings.start if what == "start" else self._settings.stop
        known = {"{name}": daemon.home.name, "{directory}": str(daemon.home)}
        for old, new in known.items():
            argv = tuple(each.replace(old, new) for each in argv)
        try:
            return bool(argv) and run(argv) is not None
        except ToolError as error:
            raise DatabaseError(f"the command to {what} the server in {daemon.home} does not work: {error}") from error

    def _alike(self) -> dict[str, str]:
        names = ", ".join(f"'{name}'" for name in _ALIKE)
        return dict(self._server.session.ask(f"SHOW GLOBAL VARIABLES WHERE variable_name IN ({names})"))

    def _admit(self) -> list[str]:
        name, password = self._login
        user = f"{identifier(name)}@'{_HERE}'"
        return [
            f"CREATE USER IF NOT EXISTS {user}",
            f"ALTER USER {user} IDENTIFIED {self._server.verifier(password)}",
            f"GRANT ALL ON *.* TO {user} WITH GRANT OPTION",
            "DROP USER IF EXISTS root@localhost",
        ]
