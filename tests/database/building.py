"""Build a golden of a few tables, and look into it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from layersite.database.contract import as_data, propose
from layersite.database.golden.make import Made, Wish, build, subkey
from layersite.database.golden.postgresql.engine import PostgreSQL
from layersite.model.contract import Contract
from layersite.model.document import read_document
from layersite.model.yaml import dump
from tests.database.server import Server

__all__ = ["KEY", "Build", "wish"]

KEY = "a made-up key of more than 32 characters"


def wish(
    server: Server,
    relations: Mapping[str, Any] | None,
    database: str = "shop",
    source: Server | None = None,
    user: tuple[str, str] | None = None,
    **more: Any,
) -> Wish:
    """Return the wish for a golden of the database `database`; without `relations` by the proposed contract."""
    engine = PostgreSQL(database, (source or server).uri(database, *(user or ())), server.uri(), subkey(KEY, "mask"))
    if relations is None:
        with engine.open_source() as opened:
            relations = as_data(propose(opened.schema, opened.samples))
            more = {"large_objects": "drop", **more} if opened.schema.large_objects else more
    document = read_document(Path("contract.yaml"), text=dump({"relations": dict(relations), **more}))
    return Wish(database, document.parse(Contract), document, engine, KEY)


@dataclass(frozen=True)
class Build:
    """Makes the source with `sql`, builds its golden and gives a copy of it to look into."""

    server: Server
    source: Server

    def __call__(self, sql: str, relations: Mapping[str, Any] | None = None, **more: Any) -> "Golden":
        """Build; the contract has `relations` and whatever `more` says."""
        self.source.create("shop", sql)
        return self.again(relations, **more)

    def again(self, relations: Mapping[str, Any] | None = None, **more: Any) -> "Golden":
        """Build from the source as it is now."""
        made = build(wish(self.server, relations, source=self.source, **more), datetime.now(UTC), lambda _: None)
        assert made is not None
        self.server.copy(made.golden.name, "look")
        return Golden(made, self.server)


@dataclass(frozen=True)
class Golden:
    """A golden and a copy of it, the database `look`."""

    made: Made
    server: Server

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the copy."""
        with psycopg.connect(self.server.uri("look"), autocommit=True) as copy:
            return copy.execute(query.encode()).fetchall()

    def value(self, query: str) -> Any:
        """Ask the copy for one value."""
        return self.rows(query)[0][0]
