"""Remove a PostgreSQL database, whoever is in it."""

import psycopg
from psycopg.sql import SQL, Identifier

__all__ = ["drop_database"]

_END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename IS NOT NULL"


def drop_database(connection: psycopg.Connection, name: str) -> None:
    """Remove the database `name`, if it is there. Raises psycopg.Error.

    FORCE would end autovacuum too, which only a superuser may; to a DROP without it autovacuum yields by itself.
    """
    drop = SQL("DROP DATABASE IF EXISTS {}").format(Identifier(name))
    try:
        connection.execute(drop + SQL(" WITH (FORCE)"))
    except psycopg.errors.InsufficientPrivilege:
        connection.execute(_END_SESSIONS, (name,))
        connection.execute(drop)
