"""A run that is killed at any statement leaves nothing that counts as a clone, and the next run ends right."""

import json
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict, replace

import psycopg
import pytest

from layersite.database.clone import Order, admit, provide, reap
from layersite.database.clone.postgresql import PostgreSQL
from layersite.model.contract import Quiet
from layersite.model.database import Clone, Golden
from tests.database.goldens import publish
from tests.database.server import Server
from tests.database.tap import tapped

MAKE = """
import json, sys
from layersite.database.clone import Order, provide, reap
from layersite.database.clone.postgresql import PostgreSQL
from layersite.model.contract import Quiet
what, uri, order = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
engine = PostgreSQL(uri, "V")
print("ready", flush=True)
sys.stdin.readline()
if what == "provide":
    provide(engine, Order(**{**order, "quiet": Quiet(**order["quiet"])}))
else:
    [reap(engine, each) for each in engine.taken(order["site"], order["prefix"])]
"""


@pytest.fixture(scope="module")
def golden(postgres: Server) -> Golden:
    return publish(postgres)


def run_until(server: Server, order: Order, what: str, last: int) -> tuple[int, int]:
    """Run `what` in a process that dies with statement `last` (0: never); return its exit code, and the statements."""
    with tapped(server.port) as tap:
        uri = server.uri().replace(f":{server.port}/", f":{tap.port}/") + "?sslmode=disable"
        given = json.dumps({**asdict(order), "quiet": order.quiet.model_dump(mode="json")})
        argv = [sys.executable, "-c", MAKE, what, uri, given]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            process.stdout.readline()
            tap.victim, tap.last, tap.statements = process.pid, last, 0
            process.stdin.write(b"go\n")
            process.stdin.close()
            code = process.wait(60)
        return code, tap.statements


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


@pytest.mark.parametrize("is_there", [False, True], ids=["first", "reset"])
def test_a_clone_that_was_killed_at_any_statement_is_made_by_the_next_run(
    postgres: Server, golden: Golden, is_there: bool
) -> None:
    order = Order("site.git", "killed-", "web-1", "shop", golden.name, Quiet(empty=("outbox",)), reset=is_there)
    with closing(PostgreSQL(postgres.uri(), "V")) as engine:
        if is_there:
            provide(engine, order)
        code, total = run_until(postgres, order, "provide", 0)
        assert (code, total > 10) == (0, True)
        for last in range(total - 6 if is_there else 1, total + 1):  # only in the end does the old one play a part
            if not is_there:
                reap_all(engine, order)
            assert run_until(postgres, order, "provide", last)[0] == -signal.SIGKILL
            with engine.locked(order.name):  # once the server has ended what the dead process asked for
                names = set(engine.records())
            if order.name in names:  # what bears the name is complete
                with psycopg.connect(postgres.uri(order.name)) as found:
                    assert found.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
            provide(engine, replace(order, reset=False))
            is_right(postgres, engine, order)
        reap_all(engine, order)
        assert left(engine, order) == []


def test_reaping_that_was_killed_at_any_statement_is_finished_by_the_next_run(postgres: Server, golden: Golden) -> None:
    order = Order("site.git", "reaped-", "web-1", "shop", golden.name)
    with closing(PostgreSQL(postgres.uri(), "V")) as engine:
        provide(engine, order)
        total = run_until(postgres, order, "reap", 0)[1]
        for last in range(1, total + 1):
            provide(engine, order)
            assert run_until(postgres, order, "reap", last)[0] == -signal.SIGKILL
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
