"""Clones on another MariaDB server than the goldens: the golden is brought once, row by row, and is the same there."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from layersite.database.clone import Order, admit, engine_of, fetcher, provide
from layersite.database.mariadb.clone import MariaDBClones
from layersite.model.database import Clone
from layersite.model.errors import DatabaseError
from tests.database.mariadb import MariaDBServer, running_mariadb
from tests.database.test_mariadb_clone import SHOP, publish
from tests.database.test_mariadb_golden import CONTRACT, ODD, databases, make, wish
from tests.database.test_mariadb_golden import SHOP as SMALL

TYPES = """
CREATE TABLE types (id int PRIMARY KEY, p point, f float, b bit(9), raw blob, latin varchar(9) CHARACTER SET latin1,
  russian varchar(9) CHARACTER SET cp1251, u varchar(9) COLLATE utf8mb4_unicode_ci, d double, e enum ('a', 'it''s'),
  s set ('x', 'y'), y year, t time(3), at datetime(6), n decimal(30, 10), ip inet6, whose uuid, doc json);
INSERT INTO types VALUES (1, point(1, 2), 1.2345678, b'101', x'00ff27225c0a1a', 'é', 'ж', '日', 1e300, 'it''s', 'x,y',
  2026, '-11:22:33.5', '2026-01-01 00:00:00.123456', 1234567890123456789.0123456789, '::1', uuid(),
  '{"a": "\\\\u00e9"}');
INSERT INTO types (id) VALUES (2), (-3);
"""


@pytest.fixture(scope="module")
def other() -> Iterator[MariaDBServer]:
    with running_mariadb() as server:
        yield server


@pytest.fixture
def variables(mariadb: MariaDBServer, other: MariaDBServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSITE_DATABASE_SHOP_GOLDENS", mariadb.uri(""))
    monkeypatch.setenv("LAYERSITE_DATABASE_SHOP_SERVER", other.uri(""))


def clone(number: int, golden: str) -> tuple[Clone, str]:
    order = Order("site.git", "far-", f"web-{number}", "shop", golden)
    with engine_of("shop", "mariadb") as engine:
        made, _ = provide(engine, order, fetch=fetcher("shop", "mariadb", golden))
        return made, admit(engine, order.name, None)


@pytest.mark.usefixtures("variables")
def test_a_golden_of_another_server_is_brought_once_and_replaces_an_older_one(
    mariadb: MariaDBServer, other: MariaDBServer
) -> None:
    older, newer, newest = (publish(mariadb, SHOP).name for _ in range(3))
    made, password = clone(1, older)
    assert made.method == "parallel restore of the golden, then tablespace files"
    assert clone(2, older)[0].method == "tablespace files"
    own = (made.name, made.name, password)
    assert other.ask("SELECT count(*), max(name), max(upper) FROM customer", *own) == [
        (100, "customer 99", "CUSTOMER 99")
    ]
    assert other.ask("SELECT count(*) FROM list", *own) == [(100,)]
    assert other.ask("SELECT me()", *own) == [(f"{made.name}@%",)]
    for number in (1, 2):
        clone(number, newer)
    clone(1, newest)
    assert {name for name in databases(other) if name.startswith("golden")} == {newer, newest}
    with pytest.raises(DatabaseError, match="there is no golden `golden_shop_gone` on the server of the goldens"):
        clone(3, "golden_shop_gone")


@pytest.mark.usefixtures("variables")
def test_every_type_and_odd_name_comes_over_as_it_is(mariadb: MariaDBServer, other: MariaDBServer) -> None:
    golden = publish(mariadb, TYPES + ODD).name
    made, _ = clone(4, golden)
    for table in ("types", 'odd ``name\' "x" %s', "child", "log"):
        there, here = (
            server.ask(f"SELECT * FROM `{table}`", name) for server, name in ((mariadb, golden), (other, made.name))
        )
        assert sorted(map(repr, there)) == sorted(map(repr, here))
    floats = "SELECT count(*) FROM types WHERE CAST(f AS double) = 1.2345677614212036 OR f IS NULL"
    assert other.ask(floats, made.name) == [(3,)]


@pytest.mark.usefixtures("variables")
def test_what_was_attested_comes_along(mariadb: MariaDBServer, other: MariaDBServer) -> None:
    mariadb.create("shop", SMALL)
    built = make(wish(mariadb, mariadb, "shop", CONTRACT))
    clone(5, built.golden.name)
    with wish(mariadb, other, "shop", CONTRACT).engine.open_server() as server:
        assert server.goldens()[0] == (built.golden, built.attestation)


def test_a_copy_of_the_whole_instance_has_its_goldens_and_clones_are_made_there(
    mariadb: MariaDBServer, tmp_path: Path
) -> None:
    """As the how-to says, with `mariadb-backup`."""
    if shutil.which("mariadb-backup") is None:
        pytest.skip("mariadb-backup is not installed; on Debian: apt-get install mariadb-backup")
    golden = publish(mariadb, SHOP).name
    backup = [
        "mariadb-backup",
        f"--defaults-file={mariadb.folder / 'client.cnf'}",
        f"--datadir={mariadb.data}",
        f"--target-dir={tmp_path / 'copy'}",
    ]
    for step in (["--backup", f"--databases=mysql sys layersite {golden}"], ["--prepare"]):
        done = subprocess.run([*backup, *step], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()[-3000:]
    with running_mariadb(data=tmp_path / "copy") as copy, closing(MariaDBClones(copy.uri(""), "V")) as engine:
        assert golden in engine.records()
        made, _ = provide(engine, Order("site.git", "copied-", "web-1", "shop", golden))
        own = (made.name, made.name, admit(engine, made.name, None))
        assert copy.ask("SELECT count(*) FROM list", *own) == [(100,)]
