"""PostgreSQL as an engine: how its source and its server are reached."""

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from layersite.database.golden.postgresql.connect import connect, explained
from layersite.database.golden.postgresql.masks import key_settings
from layersite.database.golden.postgresql.server import Server
from layersite.database.golden.postgresql.source import PostgreSQLSource

__all__ = ["PostgreSQL"]

_LOCK = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
_PATIENCE = "5s"
"""How long the session of a killed build may take to notice, before a lock is taken for somebody else's."""


@dataclass(frozen=True)
class PostgreSQL:
    """A source and a server for goldens of `database`; the URIs and the key go nowhere else."""

    database: str
    source: str = field(repr=False)
    server: str = field(repr=False)
    key: bytes = field(repr=False)
    workers: int = 2
    name: Literal["postgresql"] = "postgresql"

    @cached_property
    def _seed(self) -> dict[str, str]:
        """By which values are compared, other ones each time."""
        return {"layersite.seed": str(secrets.randbits(63))}

    def _explained(self) -> AbstractContextManager[None]:
        """Hold back what either server says wherever it is asked, for a traceback would quote it."""
        return explained(f"a server of {self.database} breaks off")

    @contextmanager
    def open_source(self) -> Iterator[PostgreSQLSource]:
        """Give the source as of now: one read-only transaction whose snapshot all others share."""
        settings = {**key_settings(self.key), **self._seed}
        with (
            self._explained(),
            connect(self.source, read_only=True, **settings) as connection,
            connection.transaction(),
        ):
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield PostgreSQLSource(self.source, connection, settings)

    @contextmanager
    def open_server(self, lock: bool = True) -> Iterator[Server]:
        """Give the server, with `lock` while nobody else builds goldens of this database there."""
        with self._explained(), connect(self.server, lock_timeout=_PATIENCE) as connection:
            if lock:
                with explained(f"somebody else builds a golden of {self.database} now; wait until that is done"):
                    connection.execute(_LOCK, (f"layersite golden {self.database}",))
            connection.execute("SET lock_timeout = 0")
            yield Server(self.server, connection, self.database, self._seed, self.workers)
