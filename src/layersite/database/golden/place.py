"""What a golden of a site's database is made with: its contract, and URIs and key from their variables."""

import os
from datetime import timedelta
from pathlib import Path

from layersite.database.contract import load_contract
from layersite.database.golden.api import Engine
from layersite.database.golden.make import Wish, subkey
from layersite.model.database import variable_of
from layersite.model.errors import DatabaseError
from layersite.model.site import database_of

__all__ = ["engine_of", "wish_of"]

_SHORTEST_KEY = 32


def wish_of(root: Path, database: str, fresh: timedelta = timedelta(0), workers: int = 2) -> Wish:
    """Return the wish for a golden of `database` in the site at `root`.

    Raises:
        UnknownNameError: the site has no such database.
        InvalidInputError: its contract is wrong.
        DatabaseError: a variable is not set.
    """
    settings = database_of(root, database)
    contract, document = load_contract(root, database)
    engine, key = engine_of(root, database, workers)
    return Wish(database, contract, document, engine, key, settings.keep, settings.migrations, fresh)


def engine_of(root: Path, database: str, workers: int = 2) -> tuple[Engine, str]:
    """Return the engine of `database` and its masking key. Raises UnknownNameError, DatabaseError."""
    settings = database_of(root, database)
    source = _variable(variable_of(database, "SOURCE"), "the URI of the database to mask, for a role that only reads")
    elsewhere = os.environ.get(variable_of(database, "GOLDENS"))
    server = elsewhere or _variable(variable_of(database, "SERVER"), "the URI of the server that holds goldens")
    key = _variable(variable_of(database, "KEY"), "the masking key")
    if len(key) < _SHORTEST_KEY:
        raise DatabaseError(
            f"{variable_of(database, 'KEY')} is too short; give it {_SHORTEST_KEY} random characters or more"
        )
    if settings.engine == "mariadb":  # each brings a client along
        from layersite.database.mariadb.engine import MariaDB

        return MariaDB(database, source, server, subkey(key, "mask")), key
    from layersite.database.golden.postgresql.engine import PostgreSQL

    return PostgreSQL(database, source, server, subkey(key, "mask"), workers), key


def _variable(name: str, what: str) -> str:
    if not (value := os.environ.get(name, "")):
        raise DatabaseError(f"the variable {name} is not set; put {what} into it")
    return value
