"""Make PostgreSQL databases that their owner alone may enter."""

import psycopg
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

__all__ = ["alike", "create_private"]

_SHAPE = """
SELECT pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider::text,
    coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') FROM pg_database d WHERE datname = %s"""
_PROVIDERS = {
    "i": SQL(" LOCALE_PROVIDER icu ICU_LOCALE {}"),
    "b": SQL(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}"),
}


def alike(connection: psycopg.Connection, database: str) -> Composed:
    """Return the options that give an empty database the encoding and collation of `database`. Raises psycopg.Error."""
    ((*shape, provider, locale),) = connection.execute(_SHAPE, (database,)).fetchall()
    options = SQL("TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(*map(Literal, shape))
    return options + _PROVIDERS[provider].format(Literal(locale)) if provider in _PROVIDERS else options


def create_private(connection: psycopg.Connection, name: str, options: Composable) -> None:
    """Make a database that its owner alone may enter; until that is so, nobody may. Raises psycopg.Error."""
    for statement in (
        SQL("CREATE DATABASE {name} {options} ALLOW_CONNECTIONS false"),
        SQL("REVOKE ALL ON DATABASE {name} FROM PUBLIC"),
        SQL("ALTER DATABASE {name} ALLOW_CONNECTIONS true"),
    ):
        connection.execute(statement.format(name=Identifier(name), options=options))
