"""Connections to PostgreSQL that can harm nothing and tell nothing: read-only where they should be, and without values
in their errors.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from layersite.model.errors import DatabaseError

__all__ = ["Connection", "address", "connect", "explained", "without_password"]

Connection = psycopg.Connection[tuple[Any, ...]]

_PLAIN: Mapping[str, str] = {
    "timezone": "UTC",
    "datestyle": "ISO,YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "search_path": "pg_catalog",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "row_security": "off",
    "jit": "off",
}
"""How values are written the same everywhere; with row security off a hidden row is an error instead of a gap.

Compiling the expressions of a mask takes longer than a range of rows does.
"""

_SILENT = ("22", "23", "P0", "XX")
"""SQLSTATE classes whose messages quote the data."""


def connect(uri: str, database: str | None = None, *, read_only: bool = False, **settings: str) -> Connection:
    """Return a connection that commits each statement; `settings` never show in a statement or a log.

    They go with the connection's start, which neither `pg_stat_activity` nor the server's log quotes.

    Raises:
        DatabaseError: the server cannot be reached or does not let us in.
    """
    given = {**_PLAIN, **({"default_transaction_read_only": "on"} if read_only else {}), **settings}
    options = " ".join(f"-c {name}={_escape(value)}" for name, value in given.items())
    parts = _parts(uri) | {"application_name": "layersite", "client_encoding": "UTF8"}
    parts["options"] = f"{parts.get('options', '')} {options}".strip()
    if database is not None:
        parts["dbname"] = database
    with explained(f"{address(uri)} cannot be used"):
        return psycopg.connect(make_conninfo(**parts), autocommit=True)


def _parts(uri: str) -> dict[str, Any]:
    """Return what `uri` consists of. Raises DatabaseError, which does not quote it, for there is a password in it."""
    try:
        return dict(conninfo_to_dict(uri))
    except psycopg.ProgrammingError:
        raise DatabaseError(
            "the URI of a database cannot be read; write postgresql://user:password@host/name"
        ) from None


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def address(uri: str) -> str:
    """Return where `uri` leads to, for people: no user, no password."""
    parts = _parts(uri)
    return f"the database {parts.get('dbname', '')} at {parts.get('host', 'localhost')}:{parts.get('port', 5432)}"


def without_password(uri: str, database: str | None = None) -> tuple[str, dict[str, str]]:
    """Return what a program may have on its command line to reach `uri`, and in its environment."""
    parts = _parts(uri)
    password = parts.pop("password", None)
    if database is not None:
        parts["dbname"] = database
    return make_conninfo(**parts), {"PGPASSWORD": password} if password else {}


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn an error of the server into a DatabaseError that begins with `what` and quotes no value."""
    try:
        yield
    except psycopg.Error as error:
        raise DatabaseError(f"{what}: {_say(error)}") from None


def _say(error: psycopg.Error) -> str:
    state, told = error.sqlstate, error.diag
    if state is None:
        return str(error).strip().splitlines()[0] if str(error) else type(error).__name__
    where = [f"{kind} {name}" for kind, name in _places(told) if name]
    if state.startswith(_SILENT):
        return " ".join([f"{type(error).__name__} (SQLSTATE {state})", *where])
    return " ".join([f"{told.message_primary} (SQLSTATE {state})", *where])


def _places(told: psycopg.errors.Diagnostic) -> list[tuple[str, str | None]]:
    return [("table", told.table_name), ("column", told.column_name), ("constraint", told.constraint_name)]
