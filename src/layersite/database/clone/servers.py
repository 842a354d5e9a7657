"""Find the servers of a database: their addresses are in variables, never in a file."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

from layersite.database.clone.api import Engine
from layersite.model.database import Clone, Golden, variable_of
from layersite.model.errors import DatabaseError
from layersite.model.site import Instances

__all__ = ["address_of", "engine_of", "fetcher", "goldens_of", "list_goldens"]


@contextmanager
def engine_of(database: str, kind: str, instances: Instances | None = None) -> Iterator[Engine]:
    """Give a session on the server that holds the clones of `database`, or their ledger where they are `instances`.

    It ends afterwards.

    Raises:
        DatabaseError: its variable is not set, or the server cannot be reached.
    """
    variable = variable_of(database, "SERVER")
    if instances is not None:
        from layersite.database.mariadb.instance import InstanceClones

        with closing(InstanceClones(_address(database, variable), variable, instances)) as beside:
            yield beside
        return
    with _engine(database, kind, variable) as engine:
        clones = (each for each in engine.records().values() if isinstance(each, Clone))
        if any(each.instance and each.database == database for each in clones):
            text = f"clones of `{database}` have servers of their own, and layersite.yaml no longer says where"
            raise DatabaseError(f"{text}; put its `instances` back until they are gone")
        yield engine


@contextmanager
def goldens_of(database: str, kind: str) -> Iterator[Engine]:
    """Give a session on the server that holds the goldens of `database`: that of its clones, or one of their own."""
    elsewhere = variable_of(database, "GOLDENS")
    variable = elsewhere if os.environ.get(elsewhere) else variable_of(database, "SERVER")
    with _engine(database, kind, variable) as engine:
        yield engine


def address_of(database: str, kind: str, name: str, instances: Instances | None) -> str:
    """Return the URI of the clone `name` for who makes clones of `database`. Raises DatabaseError."""
    uri = _address(database, variable_of(database, "SERVER"))
    with engine_of(database, kind, instances) as engine:
        record = engine.records().get(name)
    if isinstance(record, Clone) and record.instance:
        from layersite.database.mariadb.host import local

        uri = local(uri, record.instance.port)
    return urlsplit(uri)._replace(path=f"/{name}").geturl()


def list_goldens(database: str, kind: str) -> list[Golden]:
    """Return the goldens of `database`, the newest first. Raises DatabaseError."""
    with goldens_of(database, kind) as engine:
        records = engine.records().values()
    found = [each for each in records if isinstance(each, Golden) and each.database == database]
    return sorted(found, key=lambda golden: (golden.built, golden.name), reverse=True)


def fetcher(database: str, kind: str, golden: str) -> Callable[[], None] | None:
    """Return what brings `golden` from the server of the goldens to that of the clones; None if they are one."""
    if not os.environ.get(variable_of(database, "GOLDENS")):
        return None

    def bring() -> None:
        here = variable_of(database, "SERVER")
        with goldens_of(database, kind) as source, _engine(database, kind, here) as target:
            if kind == "mariadb":
                from layersite.database.mariadb.clone import MariaDBClones
                from layersite.database.mariadb.fetch import fetch as fetch_mariadb

                assert isinstance(source, MariaDBClones)  # noqa: S101  both are of one kind
                assert isinstance(target, MariaDBClones)  # noqa: S101
                fetch_mariadb(source, target, golden)
            else:
                from layersite.database.clone.postgresql import PostgreSQL
                from layersite.database.clone.restore import fetch

                assert isinstance(source, PostgreSQL)  # noqa: S101  both are of one kind
                assert isinstance(target, PostgreSQL)  # noqa: S101
                fetch(source, target, golden)

    return bring


def _address(database: str, variable: str) -> str:
    if not (uri := os.environ.get(variable, "")):
        text = f"the variable {variable} is not set; put the URI of the server that holds the clones of `{database}`"
        raise DatabaseError(f"{text} into it, such as postgresql://layersite@db.example.com/postgres")
    return uri


@contextmanager
def _engine(database: str, kind: str, variable: str) -> Iterator[Engine]:
    uri = _address(database, variable)
    if kind == "mariadb":  # each brings a client along
        from layersite.database.mariadb.clone import MariaDBClones

        with closing(MariaDBClones(uri, variable)) as mariadb:
            yield mariadb
    else:
        from layersite.database.clone.postgresql import PostgreSQL

        with closing(PostgreSQL(uri, variable)) as postgresql:
            yield postgresql
