"""MariaDB as an engine: how its source and its server are reached."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from layersite.database.mariadb.connect import Session
from layersite.database.mariadb.masks import set_key
from layersite.database.mariadb.server import MariaDBServer
from layersite.database.mariadb.source import MariaDBSource
from layersite.model.errors import DatabaseError

__all__ = ["MariaDB"]

_LOCK = "SELECT GET_LOCK(%s, %s)"
_PATIENCE = 5
"""How many seconds the session of a build that ended may take to go, before a lock is taken for somebody else's."""
_SNAPSHOT = (
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)


@dataclass(frozen=True)
class MariaDB:
    """A source and a server for goldens of `database`; the URIs and the key go nowhere else."""

    database: str
    source: str = field(repr=False)
    server: str = field(repr=False)
    key: bytes = field(repr=False)
    name: Literal["mariadb"] = "mariadb"

    @cached_property
    def _nonce(self) -> str:
        return secrets.token_hex(32)

    @contextmanager
    def open_source(self) -> Iterator[MariaDBSource]:
        """Give the source as of now: one read-only transaction."""
        with closing(Session(self.source, what=f"the source of {self.database}")) as session:
            set_key(session, self.key)
            session.ask("SET @layersite_nonce = UNHEX(%s)", self._nonce)
            for statement in _SNAPSHOT:
                session.ask(statement)
            yield MariaDBSource(session)

    @contextmanager
    def open_server(self, lock: bool = True) -> Iterator[MariaDBServer]:
        """Give the server, with `lock` while nobody else builds goldens of this database there."""
        with closing(Session(self.server, "", f"the server of {self.database}")) as session:
            if lock and session.one(_LOCK, f"layersite golden {self.database}"[:64], _PATIENCE) != "1":
                raise DatabaseError(f"somebody else builds a golden of {self.database} now; wait until that is done")
            yield MariaDBServer(session, self.database, self._nonce)
