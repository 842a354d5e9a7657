"""Connections to PostgreSQL that can harm nothing and tell nothing: read-only where they should be, and without values
in their errors.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from layersite.model.errors import DatabaseError

__all__ = ["Connection", "address", "connect", "explained", "parts_of", "say", "without_password"]

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

_SPOKEN = ("08", "0A", "0P", "25", "28", "2B", "3D", "3F", "40", "42", "53", "54", "55", "57", "58")
"""SQLSTATE classes whose messages are about names, rights, locks and the server itself; others may quote the data."""


def connect(uri: str, database: str | None = None, *, read_only: bool = False, **settings: str) -> Connection:
    """Return a connection that commits each statement; `settings` never show in a statement or a log.

    They go with the connection's start, which neither `pg_stat_activity` nor the server's log quotes.

    Raises:
        DatabaseError: the server cannot be reached or does not let us in.
    """
    given = {**_PLAIN, **({"default_transaction_read_only": "on"} if read_only else {}), **settings}
    options = " ".join(f"-c {name}={_escape(value)}" for name, value in given.items())
    parts = parts_of(uri) | {"application_name": "layersite", "client_encoding": "UTF8"}
    parts["options"] = f"{parts.get('options', '')} {options}".strip()
    if database is not None:
        parts["dbname"] = database
    with explained(f"{address(uri)} cannot be used"):
        return psycopg.connect(make_conninfo(**parts), autocommit=True)


def parts_of(uri: str, what: str = "the address of a database") -> dict[str, Any]:
    """Return what `uri` consists of.

    Raises:
        DatabaseError: it cannot be read, or a part of its password stands where no password does, for want of an
            escape. The message quotes nothing of it.
    """
    with suppress(psycopg.ProgrammingError):
        parts = dict(conninfo_to_dict(uri))
        places = [str(parts.get(name) or "") for name in ("host", "dbname")]
        if not any("@" in place[1:] for place in places) and re.fullmatch(r"[\d,]*", str(parts.get("port") or "")):
            return parts
    text = f"{what} is no URI of a PostgreSQL server; it looks like postgresql://user:password@host:5432/name"
    raise DatabaseError(f"{text}, and a password has %40 for @ and %2F for /")


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def address(uri: str) -> str:
    """Return where `uri` leads to, for people: no user, no password."""
    parts = parts_of(uri)
    return f"the database {parts.get('dbname', '')} at {parts.get('host', 'localhost')}:{parts.get('port', 5432)}"


def without_password(uri: str, database: str | None = None) -> tuple[str, dict[str, str]]:
    """Return what a program may have on its command line to reach `uri`, and in its environment."""
    parts = parts_of(uri) | ({} if database is None else {"dbname": database})
    hidden = {each.keyword.decode(): each.envvar for each in Conninfo.get_defaults() if each.dispchar == b"*"}
    secret = {name: parts.pop(name) for name in hidden if name in parts}
    if shown := [name for name in secret if not hidden[name]]:
        text = f"`{shown[0]}` in the URI of a database would show among the processes"
        raise DatabaseError(f"{text}; put it into a service file")
    return make_conninfo(**parts), {(hidden[name] or b"").decode(): str(value) for name, value in secret.items()}


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn an error of the server into a DatabaseError that begins with `what` and quotes no value."""
    try:
        yield
    except psycopg.Error as error:
        raise DatabaseError(f"{what}: {say(error)}") from None


def say(error: psycopg.Error) -> str:
    """Return what a server or the way there says, in one line without a value.

    What a function of the database raises, or a line that is copied, has a context, whatever its SQLSTATE.
    """
    state, told, name = error.sqlstate, error.diag, type(error).__name__
    if state is None:
        is_told = isinstance(error, psycopg.OperationalError)
        return next(iter(str(error).strip().splitlines() if is_told else ()), name)
    where = [f"{kind} {name}" for kind, name in _places(told) if name]
    is_told = state.startswith(_SPOKEN) and not told.context
    return " ".join([f"{told.message_primary if is_told else name} (SQLSTATE {state})", *where])


def _places(told: psycopg.errors.Diagnostic) -> list[tuple[str, str | None]]:
    return [("table", told.table_name), ("column", told.column_name), ("constraint", told.constraint_name)]
