"""Find the server of a database: its address is in a variable, never in a file."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

from layersite.database.clone.api import Engine
from layersite.model.database import variable_of
from layersite.model.errors import DatabaseError

__all__ = ["engine_of"]


@contextmanager
def engine_of(database: str, kind: str) -> Iterator[Engine]:
    """Give a session on the server that holds the goldens and clones of `database`; it ends afterwards.

    Raises:
        DatabaseError: its variable is not set, or this version has no adapter for its engine.
    """
    variable = variable_of(database, "SERVER")
    uri = os.environ.get(variable, "")
    if not uri:
        text = f"the variable {variable} is not set; put the URI of the server that holds the clones of `{database}`"
        raise DatabaseError(f"{text} into it, such as postgresql://layersite@db.example.com/postgres")
    if kind == "mariadb":  # each brings a client along
        from layersite.database.mariadb.clone import MariaDBClones

        with closing(MariaDBClones(uri, variable)) as mariadb:
            yield mariadb
    else:
        from layersite.database.clone.postgresql import PostgreSQL

        with closing(PostgreSQL(uri, variable)) as postgresql:
            yield postgresql
