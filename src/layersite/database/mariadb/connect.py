"""A session on a MariaDB server: every value as the server writes it, and no value in an error."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import pymysql
from pymysql.converters import encoders
from pymysql.cursors import SSCursor

from layersite.model.errors import DatabaseError

__all__ = ["Session", "identifier", "literal", "text_of"]

_MODE = "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION"
"""Strict about values that do not fit, and not about those that are there already: zero keys and zero dates."""
_PATIENCE = 60
_SIGNAL = 1644
"""The error of a trigger or routine that says what it likes."""


def identifier(name: str) -> str:
    """Return `name` as SQL names things, whatever it contains."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """Return `text` as SQL writes text."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def text_of(there: str) -> str:
    """Return the expression of a value as text, whatever its type."""
    return f"CONVERT(CAST({there} AS CHAR) USING utf8mb4)"


class Session:
    """A connection to `database` on the server of `uri`; each statement is committed. Raises DatabaseError."""

    def __init__(
        self,
        uri: str,
        database: str | None = None,
        what: str = "the server",
        signs_in: tuple[str, str] | None = None,
    ) -> None:
        self._what, self._uri = what, uri
        parts = _parts(uri, what)
        user, password = signs_in or (unquote(parts.username or ""), unquote(parts.password or ""))
        self.database = database if database is not None else parts.path.lstrip("/")
        with self._explained(f"{what} cannot be used"):
            self._connection = pymysql.connect(
                host=parts.hostname or "",
                port=parts.port or 3306,
                user=user,
                password=password,
                database=self.database or None,
                charset="utf8mb4",
                conv=dict(encoders.items()),  # without decoders: values come as the server writes them
                autocommit=True,
                connect_timeout=10,
                init_command=f"SET sql_mode = '{_MODE}', time_zone = '+00:00', lock_wait_timeout = {_PATIENCE}",
            )

        version = str(self.one("SELECT version()"))
        self.is_mysql = "MariaDB" not in version
        if self.is_mysql and version.startswith("5."):
            self.close()
            text = f"{what} is MySQL {version}, which `engine: mariadb` cannot use"
            raise DatabaseError(f"{text}; it needs 8.0 or newer, see docs/explanation/mariadb.md")

    def close(self) -> None:
        """End the session, and with it its locks."""
        self._connection.close()

    def another(self, database: str | None = None) -> "Session":
        """Return a further session on the same server."""
        return Session(self._uri, self.database if database is None else database, self._what)

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401  what SQL can be given
        """Return every row of a query, or nothing of another statement."""
        with self._explained(self._what), self._connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())

    def one(self, sql: str, *values: Any) -> Any:  # noqa: ANN401  what SQL can be given, and gives
        """Return the one value that a query has."""
        return self.ask(sql, *values)[0][0]

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Give the rows of a query while the server computes them."""
        with self._explained(self._what), SSCursor(self._connection) as cursor:
            cursor.execute(sql)
            yield from cursor

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[bytes]) -> None:
        """Insert rows that are written as a statement has them."""
        head = f"INSERT INTO {identifier(table)} ({', '.join(map(identifier, columns))}) VALUES ".encode()
        with self._explained(f"the rows of {table} cannot be written"):
            self._connection.query(head + b",".join(rows))

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turn an error of the server into a DatabaseError; what stands between quotes may be a value, and goes."""
        try:
            yield
        except pymysql.MySQLError as error:
            code, said = (*error.args, "")[:2]
            text = "…" if code == _SIGNAL else re.sub("'.*'", "…", str(said), flags=re.DOTALL)
            raise DatabaseError(f"{what}: {text} (error {code})") from None


def _parts(uri: str, what: str) -> SplitResult:
    """Return what `uri` consists of. Raises DatabaseError, which does not quote it, for there is a password in it."""
    with suppress(ValueError):
        parts = urlsplit(uri)
        if parts.scheme in ("mariadb", "mysql") and parts.hostname and parts.port != 0 and "@" not in parts.path:
            return parts
    raise DatabaseError(f"{what} has no URI of a MariaDB server; it looks like mariadb://user@host:3306/database")
