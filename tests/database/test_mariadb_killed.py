"""A run on MariaDB that is killed leaves nothing that counts as a clone or a golden, and the next run ends right."""

import signal
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from layersite.database.clone import Order, admit, provide, reap
from layersite.database.golden.make import Wish, build
from layersite.database.mariadb.clone import MariaDBClones
from layersite.database.mariadb.engine import MariaDB
from layersite.database.mariadb.fetch import fetch
from layersite.model.contract import Quiet
from layersite.model.database import Clone
from tests.database.mariadb import MariaDBServer, running_mariadb
from tests.database.tap import MariaDBTap, every, run_until
from tests.database.test_mariadb_clone import SHOP as GOLDEN
from tests.database.test_mariadb_clone import publish
from tests.database.test_mariadb_golden import CONTRACT, SHOP, databases, wish


def provide_at(uri: str, order: Order) -> None:
    provide(MariaDBClones(uri, "V"), order)


def build_at(uri: str, wished: Wish) -> None:
    assert isinstance(wished.engine, MariaDB)
    build(replace(wished, engine=replace(wished.engine, server=uri)), datetime.now(UTC), lambda _: None)


def fetch_at(uri: str, source: str, golden: str) -> None:
    with closing(MariaDBClones(source, "G")) as there, closing(MariaDBClones(uri, "V")) as here:
        fetch(there, here, golden)


@pytest.mark.parametrize("step", every(12))
def test_a_clone_that_was_killed_is_made_by_the_next_run(mariadb: MariaDBServer, step: int) -> None:
    golden = publish(mariadb, GOLDEN)
    order = Order("killed.git", "killed-", "web-1", "shop", golden.name, Quiet(empty=("outbox",)), reset=True)
    with closing(MariaDBClones(mariadb.uri(""), "V")) as engine:
        provide(engine, order)
        code, total = run_until(0, provide_at, mariadb.uri(""), order, kind=MariaDBTap)
        assert (code, total > 20) == (0, True)
        for last in range(1, total + 1, step):
            assert run_until(last, provide_at, mariadb.uri(""), order, kind=MariaDBTap)[0] == -signal.SIGKILL
            with engine.locked(order.name):  # once the server has ended what the dead process asked for
                clone, _ = provide(engine, order)
                assert engine.records()[order.name] == clone
            password = admit(engine, order.name, None)
            counts = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM outbox), (SELECT count(*) FROM list)"
            assert mariadb.ask(counts, order.name, order.name, password) == [(100, 0, 100)]
            assert [each.databases for each in engine.taken(order.site, order.prefix)] == [(order.name,)]
        for each in engine.taken(order.site, order.prefix):
            reap(engine, each)
        assert {name for name in databases(mariadb) if "killed" in name} == set()
        assert not isinstance(engine.records().get(order.name), Clone)


@pytest.mark.parametrize("step", every(12))
def test_a_build_that_was_killed_leaves_nothing_once_the_next_has_run(mariadb: MariaDBServer, step: int) -> None:
    mariadb.create("source_of_killed", SHOP)
    wished = wish(mariadb, mariadb, "source_of_killed", CONTRACT)
    assert isinstance(wished.engine, MariaDB)
    wished = replace(wished, database="killed", engine=replace(wished.engine, database="killed"))
    code, total = run_until(0, build_at, mariadb.uri(""), wished, kind=MariaDBTap)
    assert (code, total > 10) == (0, True)
    for last in range(1, total + 1, step):
        assert run_until(last, build_at, mariadb.uri(""), wished, kind=MariaDBTap)[0] == -signal.SIGKILL
    assert run_until(0, build_at, mariadb.uri(""), wished, kind=MariaDBTap)[0] == 0
    with wished.engine.open_server() as server:
        assert server.clean() == []
    assert not [name for name in databases(mariadb) if name.startswith("layersite_draft_killed")]
    recorded = {name for (name,) in mariadb.ask("SELECT name FROM layersite.ledger WHERE record IS NOT NULL")}
    assert {name for name in databases(mariadb) if name.startswith("golden_killed_")} <= recorded


@pytest.mark.parametrize("step", every(12))
def test_a_golden_whose_bringing_was_killed_is_brought_by_the_next_run(mariadb: MariaDBServer, step: int) -> None:
    golden = publish(mariadb, GOLDEN).name
    with running_mariadb() as other, closing(MariaDBClones(other.uri(""), "V")) as target:
        code, total = run_until(0, fetch_at, other.uri(""), mariadb.uri(""), golden, kind=MariaDBTap)
        assert (code, total > 20) == (0, True)
        for last in range(1, total + 1, step):
            target.drop(golden)
            killed = run_until(last, fetch_at, other.uri(""), mariadb.uri(""), golden, kind=MariaDBTap)
            assert killed[0] == -signal.SIGKILL
            if golden in target.records():  # what is recorded is complete
                assert other.ask("SELECT count(*) FROM list", golden) == [(100,)]
            fetch_at(other.uri(""), mariadb.uri(""), golden)
            assert other.ask("SELECT count(*) FROM list", golden) == [(100,)]
            assert {name for name in databases(other) if "golden" in name} == {golden}
