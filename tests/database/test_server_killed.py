"""A server that is killed in the middle is started again, and the next run ends right on what it has left."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.sql import SQL, Literal

from layersite.database.clone import Order, provide, reap
from layersite.database.clone.postgresql import PostgreSQL
from layersite.database.golden.make import build
from layersite.database.mariadb.clone import MariaDBClones
from layersite.model.contract import Quiet
from tests.database import goldens, test_clone_killed, test_killed, test_mariadb_clone
from tests.database import test_mariadb_killed as on_mariadb
from tests.database.building import wish
from tests.database.mariadb import MariaDBServer, running_mariadb, start_again
from tests.database.server import Server
from tests.database.tap import MariaDBTap, every, run_until

DURABLE = "--innodb-flush-log-at-trx-commit=1"
"""What the server was told to have written is written, as it is by default."""


def crash(server: Server, last: int, work: Callable[..., object], *arguments: object) -> int:
    """Kill one of the server's processes at a moment of `work`, at which the server forgets what it has not written."""
    with closing(server.connect()) as held:
        moments = run_until(last, work, test_killed.uri(server), *arguments, victim=held.info.backend_pid)[1]
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with suppress(psycopg.OperationalError), server.connect():
            return moments
        time.sleep(0.05)
    raise AssertionError(server.log[-3000:])


@pytest.mark.parametrize("step", every(25))
def test_a_clone_is_made_by_the_run_after_the_crash(postgres: Server, step: int) -> None:
    golden = goldens.publish(postgres)
    order = Order("site.git", "crash-", "web-1", "shop", golden.name, Quiet(empty=("outbox",)))
    with closing(PostgreSQL(postgres.uri(), "V")) as engine:
        provide(engine, order)
    total = crash(postgres, 0, test_clone_killed.provide_at, replace(order, reset=True))
    for last in range(total, 0, -step):
        crash(postgres, last, test_clone_killed.provide_at, replace(order, reset=True))
        with closing(PostgreSQL(postgres.uri(), "V")) as engine:
            provide(engine, order)
            test_clone_killed.is_right(postgres, engine, order)
            assert provide(engine, order)[1] is False
    with closing(PostgreSQL(postgres.uri(), "V")) as engine:
        test_clone_killed.reap_all(engine, order)


@pytest.mark.stress
def test_a_golden_is_built_by_the_run_after_the_crash(postgres: Server) -> None:
    postgres.create("killed", test_killed.SHOP)
    wished = replace(wish(postgres, test_killed.CONTRACT, "killed"), keep=1)
    test_killed.is_right(postgres, wished)
    total = crash(postgres, 0, test_killed.build_at, wished)
    assert total > 10
    for last in range(total, 0, -3):
        crash(postgres, last, test_killed.build_at, wished)
        test_killed.is_right(postgres, wished)


def leave_half(server: Server, name: str) -> None:
    """Leave of a database what a server does that crashes while it drops it: nothing can be done to it but that."""
    with server.connect() as admin:
        query = SQL("UPDATE pg_database SET datconnlimit = -2, datistemplate = false WHERE datname = {}")
        admin.execute(query.format(Literal(name)))
    with pytest.raises(psycopg.OperationalError, match=r"invalid database|not currently accepting"):
        psycopg.connect(server.uri(name))


def test_a_clone_that_was_half_dropped_counts_no_more(postgres: Server) -> None:
    golden = goldens.publish(postgres)
    order = Order("site.git", "half-", "web-1", "shop", golden.name, Quiet(empty=("outbox",)))
    with closing(PostgreSQL(postgres.uri(), "V")) as engine:
        provide(engine, order)
        leave_half(postgres, order.name)
        assert provide(engine, order)[1] is True
        test_clone_killed.is_right(postgres, engine, order)
        leave_half(postgres, order.name)
        (found,) = engine.taken(order.site, order.prefix)
        assert (found.databases, found.built) == ((order.name,), None)
        reap(engine, found)
        assert (engine.has(order.name), engine.taken(order.site, order.prefix)) == (False, [])


def test_a_golden_that_was_half_dropped_counts_no_more_and_goes_with_the_next_build(postgres: Server) -> None:
    postgres.create("killed", test_killed.SHOP)
    wished = wish(postgres, test_killed.CONTRACT, "killed")
    first = build(wished, datetime.now(UTC), lambda _: None)
    assert first is not None
    leave_half(postgres, first.golden.name)
    second = build(wished, datetime.now(UTC), lambda _: None)
    assert second is not None
    assert test_killed.databases(postgres, "golden_killed%") == [second.golden.name]


@dataclass
class Mortal:
    """A MariaDB server that is started again whenever it was killed."""

    server: MariaDBServer
    process: "subprocess.Popen[bytes] | None" = None

    def crash(self, last: int, work: Callable[..., object], *arguments: object) -> int:
        """Kill the server at a moment of `work`, and start it again."""
        pid = int((self.server.folder / "pid").read_text(encoding="utf-8"))
        moments = run_until(last, work, self.server.uri(""), *arguments, kind=MariaDBTap, victim=pid)[1]
        if last:
            os.kill(pid, signal.SIGKILL)  # if its moment did not come
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            self.end()
            self.process = start_again(self.server, DURABLE)
        return moments

    def end(self) -> None:
        """Wait for the process that was told to end."""
        if self.process is not None:
            self.process.wait(60)


@pytest.fixture
def mortal() -> Iterator[Mortal]:
    with running_mariadb(DURABLE) as server:
        mortal = Mortal(server)
        yield mortal
        if mortal.process is not None:
            mortal.process.terminate()
            mortal.end()


@pytest.mark.stress
def test_a_clone_on_mariadb_is_made_by_the_run_after_the_crash(mortal: Mortal) -> None:
    golden = test_mariadb_clone.publish(mortal.server, test_mariadb_clone.SHOP)
    order = Order("crash.git", "crash-", "web-1", "shop", golden.name, Quiet(empty=("outbox",)))
    with closing(MariaDBClones(mortal.server.uri(""), "V")) as engine:
        provide(engine, order)
    total = mortal.crash(0, on_mariadb.provide_at, replace(order, reset=True))
    for last in range(total - 1, 0, -2):
        mortal.crash(last, on_mariadb.provide_at, replace(order, reset=True))
        with closing(MariaDBClones(mortal.server.uri(""), "V")) as engine:
            on_mariadb.is_right(mortal.server, engine, order)


@pytest.mark.stress
def test_a_golden_on_mariadb_is_built_by_the_run_after_the_crash(mortal: Mortal) -> None:
    wished = on_mariadb.wished_on(mortal.server)
    on_mariadb.is_built_right(mortal.server, wished)
    total = mortal.crash(0, on_mariadb.build_at, wished)
    for last in range(total - 1, 0, -4):
        mortal.crash(last, on_mariadb.build_at, wished)
        on_mariadb.is_built_right(mortal.server, wished)
