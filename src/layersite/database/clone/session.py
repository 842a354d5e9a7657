"""A session on a PostgreSQL server: its lock ends with it, so a run that is killed holds up nobody."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Composed

from layersite.database.golden.postgresql.connect import parts_of, say
from layersite.model.errors import DatabaseError

__all__ = ["Session"]

_PATIENCE = "60s"


class Session:
    """The server at `uri`, which is in `variable`. Every method raises DatabaseError."""

    def __init__(self, uri: str, variable: str) -> None:
        self._variable = variable
        self.address = make_conninfo("", **{"dbname": "postgres", "connect_timeout": 10, **parts_of(uri, variable)})
        with self._talking():
            self._session = self._connect()

    def close(self) -> None:
        """End the session and with it the locks that it holds."""
        self._session.close()

    @contextmanager
    def locked(self, name: str, patience: str = _PATIENCE) -> Iterator[None]:
        """Keep every other run from the clone or golden `name` meanwhile."""
        key = [f"layersite {name}"]
        with self._talking(f"another run is at work on `{name}`, for more than {patience}"):
            self._session.execute("SELECT set_config('lock_timeout', %s, false)", [patience])
            self._session.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", key)
            self._session.execute("SELECT set_config('lock_timeout', %s, false)", [_PATIENCE])
        try:
            yield
        finally:
            if not self._session.closed:
                self._session.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", key)

    def settle(self, database: str) -> None:
        """Freeze a database's rows and read its statistics, so that no clone has to."""
        with self._talking(), self._connect(dbname=database) as inside:
            inside.execute("VACUUM (FREEZE, ANALYZE, TRUNCATE false)")

    def ask(self, query: LiteralString, *values: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401  what SQL takes and gives
        """Return the rows of a query."""
        with self._talking():
            return self._session.execute(query, values).fetchall()

    def run(self, *statements: Composed) -> None:
        """Run statements that give no rows, all of them or none."""
        with self._talking(), self._session.transaction():
            for statement in statements:
                self._session.execute(statement)

    @property
    def user(self) -> str:
        """Who is signed in."""
        return self._session.info.user

    def _connect(self, **changed: Any) -> psycopg.Connection:  # noqa: ANN401  what a connection string may hold
        connection = psycopg.connect(make_conninfo(self.address, **changed), autocommit=True)
        connection.execute(SQL("SET lock_timeout = {}").format(_PATIENCE))
        return connection

    @contextmanager
    def _talking(self, busy: str = "somebody holds a lock on it for too long") -> Iterator[None]:
        """Turn what the server or the network refuses into a DatabaseError of one line."""
        try:
            yield
        except psycopg.errors.LockNotAvailable:
            raise DatabaseError(f"{busy}; run this again later") from None
        except psycopg.Error as error:
            raise DatabaseError(f"the server in {self._variable} says: {say(error)}") from None
