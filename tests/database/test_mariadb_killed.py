"""A run on MariaDB that is killed leaves nothing that counts as a clone or a golden, and the next run ends right."""

import resource
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
from tests.database.mariadb import MariaDBServer, running_mariadb
from tests.database.tap import MariaDBTap, every, run_until, write_until
from tests.database.test_mariadb_clone import SHOP as GOLDEN
from tests.database.test_mariadb_clone import publish
from tests.database.test_mariadb_golden import CONTRACT, SHOP, databases, wish

PARTS = """
CREATE TABLE big (id int PRIMARY KEY, load_ longblob) PARTITION BY RANGE (id)
  (PARTITION low VALUES LESS THAN (41), PARTITION rest VALUES LESS THAN MAXVALUE);
INSERT INTO big SELECT seq, repeat(char(seq), 1 << 20) FROM seq_1_to_80;
"""


def provide_at(uri: str, order: Order) -> None:
    provide(MariaDBClones(uri, "V"), order)


def build_at(uri: str, wished: Wish) -> None:
    assert isinstance(wished.engine, MariaDB)
    build(replace(wished, engine=replace(wished.engine, server=uri)), datetime.now(UTC), lambda step: None)


def provide_cut_at(uri: str, order: Order) -> None:
    """Die within the first file that is larger than what may be written."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    provide_at(uri, order)


def fetch_at(uri: str, source: str, golden: str) -> None:
    with closing(MariaDBClones(source, "G")) as there, closing(MariaDBClones(uri, "V")) as here:
        fetch(there, here, golden)


def is_right(server: MariaDBServer, engine: MariaDBClones, order: Order) -> None:
    """Bring the clone, and see that it is complete, that nothing is beside it, and that it stays."""
    with engine.locked(order.name):  # once the server has ended what the dead process asked for
        provide(engine, order)
        password = admit(engine, order.name, None)
        assert provide(engine, order)[1] is False
    counts = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM outbox), (SELECT count(*) FROM list)"
    assert server.ask(counts, order.name, order.name, password) == [(100, 0, 100)]
    assert [each.databases for each in engine.taken(order.site, order.prefix)] == [(order.name,)]
    assert left(server, order) == {order.name}


def left(server: MariaDBServer, order: Order) -> set[str]:
    """Return what is there or noted of the site's clones."""
    noted = {str(name) for (name,) in server.ask("SELECT name FROM layersite.ledger")}
    return {name for name in databases(server) | noted if name.startswith(order.prefix.replace("-", "_"))}


def gone(server: MariaDBServer, engine: MariaDBClones, order: Order) -> bool:
    for each in engine.taken(order.site, order.prefix):
        reap(engine, each)
    return left(server, order) == set()


@pytest.mark.parametrize("step", every(30))
@pytest.mark.parametrize("is_there", [False, True], ids=["first", "reset"])
def test_a_clone_that_was_killed_is_made_by_the_next_run(mariadb: MariaDBServer, is_there: bool, step: int) -> None:
    golden = publish(mariadb, GOLDEN)
    order = Order("killed.git", "killed-", "web-1", "shop", golden.name, Quiet(empty=("outbox",)))
    killed = replace(order, reset=is_there)
    with closing(MariaDBClones(mariadb.uri(""), "V")) as engine:
        if is_there:
            provide(engine, order)
        code, total = run_until(0, provide_at, mariadb.uri(""), killed, kind=MariaDBTap)
        assert (code, total > 20) == (0, True)
        for last in range(total, 0, -step):
            assert is_there or gone(mariadb, engine, order)
            assert run_until(last, provide_at, mariadb.uri(""), killed, kind=MariaDBTap)[0] == -signal.SIGKILL
            is_right(mariadb, engine, order)
        assert gone(mariadb, engine, order)


def test_a_clone_whose_files_were_half_copied_is_made_by_the_next_run(mariadb: MariaDBServer) -> None:
    golden = publish(mariadb, GOLDEN)
    order = Order("cut.git", "cut-", "web-1", "shop", golden.name, Quiet(empty=("outbox",)))
    with closing(MariaDBClones(mariadb.uri(""), "V")) as engine:
        assert write_until(0, provide_cut_at, mariadb.uri(""), order)[0] == -signal.SIGXFSZ
        is_right(mariadb, engine, order)
        assert gone(mariadb, engine, order)


@pytest.mark.stress
def test_a_clone_that_was_killed_between_files_is_made_by_the_next_run(mariadb: MariaDBServer) -> None:
    order = Order("files.git", "files-", "web-1", "shop", publish(mariadb, GOLDEN + PARTS).name)
    with closing(MariaDBClones(mariadb.uri(""), "V")) as engine:
        code, total = write_until(0, provide_at, mariadb.uri(""), order)
        assert (code, total > 8) == (0, True)
        assert engine.records()[order.name].model_dump()["method"] == "tablespace files"
        for last in range(1, total + 1):
            assert gone(mariadb, engine, order)
            assert write_until(last, provide_at, mariadb.uri(""), order)[0] == -signal.SIGKILL
            provide(engine, order)
            assert mariadb.ask("SELECT count(*), max(id) FROM big", order.name) == [(80, 80)]
            assert left(mariadb, order) == {order.name}
        assert gone(mariadb, engine, order)


def wished_on(server: MariaDBServer) -> Wish:
    """Return the wish for one golden of `killed`."""
    server.create("source_of_killed", SHOP)
    wished = wish(server, server, "source_of_killed", CONTRACT)
    assert isinstance(wished.engine, MariaDB)
    return replace(wished, database="killed", keep=1, engine=replace(wished.engine, database="killed"))


def is_built_right(server: MariaDBServer, wished: Wish) -> None:
    """Build, and see that of all builds this one's golden alone is there."""
    with wished.engine.open_server() as opened:
        goldens = [golden.name for golden, _ in opened.goldens()]
        assert [each for name in goldens for each in opened.verify_again(name, wished.contract) if each.problems] == []
    made = build(wished, datetime.now(UTC), lambda step: None)
    assert made is not None
    assert server.ask("SELECT count(DISTINCT email) FROM customer", made.golden.name) == [(2,)]
    noted = server.ask("SELECT name FROM layersite.ledger WHERE name LIKE '%killed%' AND name NOT LIKE 'killed%'")
    found = {name for name in databases(server) if name.startswith(("golden_killed_", "layersite_draft_killed_"))}
    assert (found, noted) == ({made.golden.name}, [(made.golden.name,)])


@pytest.mark.parametrize("step", every(50))
def test_a_build_that_was_killed_leaves_nothing_once_the_next_has_run(mariadb: MariaDBServer, step: int) -> None:
    wished = wished_on(mariadb)
    is_built_right(mariadb, wished)
    code, total = run_until(0, build_at, mariadb.uri(""), wished, kind=MariaDBTap)
    assert (code, total > 10) == (0, True)
    for last in range(total, 0, -step):
        assert run_until(last, build_at, mariadb.uri(""), wished, kind=MariaDBTap)[0] == -signal.SIGKILL
        is_built_right(mariadb, wished)


@pytest.mark.parametrize("step", every(25))
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
