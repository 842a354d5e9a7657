"""A run that is killed at any statement leaves nothing that counts as a clone, and the next run ends right."""

import os
import signal
import time
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from layersite.database.clone import Order, admit, provide, reap
from layersite.database.clone.postgresql import PostgreSQL
from layersite.model.contract import Quiet
from layersite.model.database import Clone, Golden
from tests.database.goldens import publish
from tests.database.server import Server
from tests.database.tap import every, run_until


def provide_at(uri: str, order: Order) -> None:
    provide(PostgreSQL(uri, "V"), order)


def reap_at(uri: str, order: Order) -> None:
    reap_all(PostgreSQL(uri, "V"), order)


@pytest.fixture(scope="module")
def golden(postgres: Server) -> Golden:
    return publish(postgres)


def uri(server: Server) -> str:
    return server.uri() + "?sslmode=disable"


def left(engine: PostgreSQL, order: Order) -> list[tuple[str, ...]]:
    return [each.databases for each in engine.taken(order.site, order.prefix)]


def reap_all(engine: PostgreSQL, order: Order) -> None:
    for each in engine.taken(order.site, order.prefix):
        reap(engine, each)


def is_right(server: Server, engine: PostgreSQL, order: Order) -> None:
    record = engine.records()[order.name]
    assert isinstance(record, Clone)
    assert left(engine, order) == [(order.name,)]
    with engine.locked(order.name):
        password = admit(engine, order.name, None)
    with psycopg.connect(server.uri(order.name, order.name, password)) as app:
        assert app.execute("SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM outbox)").fetchone() == (100, 0)
        app.execute("ALTER TABLE orders ADD IF NOT EXISTS paid bool")


@pytest.mark.parametrize("step", every(5))
@pytest.mark.parametrize("is_there", [False, True], ids=["first", "reset"])
def test_a_clone_that_was_killed_at_any_statement_is_made_by_the_next_run(
    postgres: Server, golden: Golden, is_there: bool, step: int
) -> None:
    order = Order("site.git", "killed-", "web-1", "shop", golden.name, Quiet(empty=("outbox",)), reset=is_there)
    with closing(PostgreSQL(postgres.uri(), "V")) as engine:
        if is_there:
            provide(engine, order)
        code, total = run_until(0, provide_at, uri(postgres), order)
        assert (code, total > 10) == (0, True)
        for last in range(total - 7 if is_there else 1, total + 1, step):  # only in the end does the old play a part
            if not is_there:
                reap_all(engine, order)
            assert run_until(last, provide_at, uri(postgres), order)[0] == -signal.SIGKILL
            with engine.locked(order.name):  # once the server has ended what the dead process asked for
                names = set(engine.records())
            if order.name in names:  # what bears the name is complete
                with psycopg.connect(postgres.uri(order.name)) as found:
                    assert found.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
            provide(engine, replace(order, reset=False))
            is_right(postgres, engine, order)
        reap_all(engine, order)
        assert left(engine, order) == []


@pytest.mark.parametrize("step", every(5))
def test_reaping_that_was_killed_at_any_statement_is_finished_by_the_next_run(
    postgres: Server, golden: Golden, step: int
) -> None:
    order = Order("site.git", "reaped-", "web-1", "shop", golden.name)
    with closing(PostgreSQL(postgres.uri(), "V")) as engine:
        provide(engine, order)
        total = run_until(0, reap_at, uri(postgres), order)[1]
        for last in range(1, total + 1, step):
            provide(engine, order)
            assert run_until(last, reap_at, uri(postgres), order)[0] == -signal.SIGKILL
            reap_all(engine, order)
            assert left(engine, order) == []


def test_what_a_killed_run_left_is_known_as_the_sites_and_goes(postgres: Server, golden: Golden) -> None:
    order = Order("site.git", "remains-", "web-1", "shop", golden.name)
    with closing(PostgreSQL(postgres.uri(), "V")) as engine:
        engine.ensure_role(order)
        engine.copy(golden.name, "remains__" + "0" * 24, order.name)  # of a site whose hash would be another
        assert provide(engine, order)[1]
        assert left(engine, order) == [(order.name,)]
        reap_all(engine, replace(order, site="another.git"))
        assert left(engine, order) == [(order.name,)]
        engine.drop("remains__" + "0" * 24)
        reap_all(engine, order)
        assert not engine.has(order.name)


def test_a_clone_that_was_reported_outlasts_a_crash_of_its_server(postgres: Server, golden: Golden) -> None:
    order = Order("site.git", "crashed-", "web-1", "shop", golden.name, Quiet(empty=("outbox",)))
    starts = "is ready to accept connections"
    with closing(PostgreSQL(postgres.uri(), "V")) as engine:
        backend, before = int(engine.ask("SELECT pg_backend_pid()")[0][0]), postgres.log.count(starts)
        provide(engine, order)
        os.kill(backend, signal.SIGKILL)  # at which the server forgets all that it has not written out
    while postgres.log.count(starts) == before:
        time.sleep(0.05)
    with closing(PostgreSQL(postgres.uri(), "V")) as engine:
        is_right(postgres, engine, order)
        reap_all(engine, order)
