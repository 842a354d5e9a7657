"""Filling a database that was made empty may be killed at any statement: all rows and their number, or none of both."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from layersite.data.fill import complete
from layersite.database.clone import Order, engine_of, provide
from layersite.database.clone import reap as take_away
from layersite.model.database import Brought, Clone
from layersite.model.yaml import dump
from tests.database.mariadb import MariaDBServer
from tests.database.server import Server
from tests.database.tap import MariaDBTap, Tap, every, run_until

NAME = "filled_web_1__shop"
ORDER = Order("site.git", "filled-", "web-1", "shop", None)
SCHEMA = """
CREATE TABLE customer (id int PRIMARY KEY, mail varchar(60) NOT NULL UNIQUE, first_order int);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customer (id));
"""
COUNTS = "SELECT (SELECT count(*) FROM customer), (SELECT count(*) FROM orders JOIN customer ON customer.id = customer)"


def complete_at(uri: str, root: Path, brought: Brought) -> None:
    os.environ["LAYERSITE_DATABASE_SHOP_SERVER"] = uri
    complete(root, brought)


@dataclass(frozen=True)
class Empty:
    """A site with a server, on which a database was made empty."""

    root: Path
    server: Server | MariaDBServer
    engine: Literal["postgresql", "mariadb"]
    uri: str

    def make(self) -> Brought:
        """Make it anew, with the tables of an app and no rows."""
        with engine_of("shop", self.engine) as engine:
            for each in engine.taken(ORDER.site, ORDER.prefix):
                take_away(engine, each)
            clone, _ = provide(engine, ORDER)
        self.server.run(NAME, SCHEMA)
        return Brought.of(clone, None)

    def counts(self) -> tuple[Any, ...]:
        """Return how many rows there are, and how many are recorded."""
        with engine_of("shop", self.engine) as engine, engine.locked(NAME):
            record = engine.records()[NAME]
        assert isinstance(record, Clone)
        if isinstance(self.server, MariaDBServer):
            return (*self.server.ask(COUNTS, NAME)[0], record.filled)
        with self.server.connect(NAME) as inside:
            return (*inside.execute(COUNTS.encode()).fetchall()[0], record.filled)


@pytest.fixture(params=["postgresql", "mariadb"])
def empty(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Empty]:
    server = request.getfixturevalue("postgres" if request.param == "postgresql" else "mariadb")
    uri = server.uri() + "?sslmode=disable" if request.param == "postgresql" else server.uri("")
    site = {
        "organization": "acme",
        "environments": {"url": "site.git"},
        "cluster": {"baseline": {"namespace": "staging"}, "namespace_prefix": "filled-"},
        "exposure": {"domain": "preview.example.com"},
        "databases": {"shop": {"engine": request.param, "host": "127.0.0.1", "port": server.port}},
    }
    (tmp_path / "layersite.yaml").write_text(dump(site), encoding="utf-8")
    monkeypatch.setenv("LAYERSITE_DATABASE_SHOP_SERVER", uri)
    yield Empty(tmp_path, server, request.param, uri)
    with engine_of("shop", request.param) as engine:
        for each in engine.taken(ORDER.site, ORDER.prefix):
            take_away(engine, each)


@pytest.mark.parametrize("step", every(40))
def test_rows_and_their_number_are_there_or_neither_is(empty: Empty, step: int) -> None:
    kind = Tap if empty.engine == "postgresql" else MariaDBTap
    code, total = run_until(0, complete_at, empty.uri, empty.root, empty.make(), kind=kind)
    assert (code, total > 6, empty.counts()) == (0, True, (50, 50, 100))
    for last in range(total - 2 if step > 1 else total, 0, -step):
        brought = empty.make()
        assert run_until(last, complete_at, empty.uri, empty.root, brought, kind=kind)[0] == -signal.SIGKILL
        assert empty.counts() in ((0, 0, None), (50, 50, 100))
        assert [complete(empty.root, brought).rows for _ in range(2)] == [100, 100]
        assert empty.counts() == (50, 50, 100)
