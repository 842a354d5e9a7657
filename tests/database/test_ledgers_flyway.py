"""Ledgers that Flyway itself writes, on both engines, against the files that it wrote them from."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from layersite.database.fit import read_history
from layersite.model.errors import DatabaseError
from tests.database.ledgers import Tool, applied, files, running_tool
from tests.database.mariadb import MariaDBServer
from tests.database.server import Server
from tests.database.tools import flyway

pytestmark = pytest.mark.stress

LOCATION = "flyway.locations=filesystem:db"
ODD = {
    "V1__plain.sql": b"create table a (id int);\n",
    "V1.1__windows.sql": b"\xef\xbb\xbfcreate table b (\r\n  id int\r\n);\r\n\r\n-- no end of line",
    "V1_2__words.sql": 'create table c ("Größe €" int); -- 🐘\n'.encode(),
    "V01.3.0__mac.sql": b"create table d (id int);\rcreate table e (id int);\r",
    "V2__placeholder.sql": b"create table ${flyway:defaultSchema}.f (id int);\n",
    "sub/V20260102030405__dots.in.name.sql": b"\n\ncreate table g (id int);\n\n",
    "V2__placeholder.sql.conf": b"executeInTransaction=true\n",
    "R__view.sql": b"create or replace view v as select 1 as one;\n",
}


def lay(folder: Path, scripts: Mapping[str, bytes]) -> None:
    for name, text in scripts.items():
        (folder / "db" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "db" / name).write_bytes(text)


@pytest.fixture
def on_postgres(postgres: Server, tmp_path: Path) -> Tool:
    postgres.create("flyway")
    url = f"jdbc:postgresql://127.0.0.1:{postgres.port}/flyway"
    where = {"FLYWAY_URL": url, "FLYWAY_USER": "postgres", "FLYWAY_PASSWORD": postgres.password}
    return running_tool(flyway(), tmp_path, **where)


def test_what_flyway_has_applied_is_pending_no_more_whatever_its_bytes(
    on_postgres: Tool, postgres: Server, tmp_path: Path
) -> None:
    lay(tmp_path, ODD)
    on_postgres("migrate", LOCATION, "flyway.target=1.2")
    history = read_history("flyway", files(tmp_path))
    ledger = applied(postgres, "flyway", "flyway")
    assert (history.obstacle(ledger), history.pending(ledger)) == (None, ("1.3", "2", "20260102030405"))
    on_postgres("migrate", LOCATION)
    ledger = applied(postgres, "flyway", "flyway")
    assert (history.obstacle(ledger), history.pending(ledger)) == (None, ())
    assert len([entry for entry in ledger if "#" in entry]) == 6
    for name in [name for name in ODD if name.endswith(".sql") and name[0] != "R"]:
        edited = read_history("flyway", files(tmp_path) | {f"db/{name}": "select 1;\n"})
        assert f"applied `db/{name}`, which the change edits" in str(edited.obstacle(ledger))


def test_flyway_refuses_where_it_is_said_that_it_would(on_postgres: Tool, postgres: Server, tmp_path: Path) -> None:
    lay(tmp_path, {"V1__a.sql": b"select 1;", "V3__c.sql": b"select 3;", "R__view.sql": b"select 1;"})
    on_postgres("migrate", LOCATION)
    ledger = applied(postgres, "flyway", "flyway")
    lay(tmp_path, {"V2__b.sql": b"select 2;"})
    assert "resolved migration not applied to database: 2" in on_postgres("migrate", LOCATION, code=1)
    assert "comes after `db/V2__b.sql`" in str(read_history("flyway", files(tmp_path)).obstacle(ledger))
    (tmp_path / "db" / "V2__b.sql").unlink()
    lay(tmp_path, {"V1__a.sql": b"select 0;"})
    assert "checksum mismatch for migration version 1" in on_postgres("migrate", LOCATION, code=1)
    assert "applied `db/V1__a.sql`, which the change edits" in str(
        read_history("flyway", files(tmp_path)).obstacle(ledger)
    )
    (tmp_path / "db" / "V1__a.sql").unlink()
    assert "applied migration not resolved locally: 1" in on_postgres("migrate", LOCATION, code=1)
    assert "has applied `1`" in str(read_history("flyway", files(tmp_path)).obstacle(ledger))
    on_postgres("repair", LOCATION)
    lay(tmp_path, {"R__view.sql": b"select 2;"})
    on_postgres("migrate", LOCATION)
    history = read_history("flyway", files(tmp_path))
    assert history.obstacle(applied(postgres, "flyway", "flyway")) is None


def test_a_baseline_of_flyway_stands_for_what_comes_before(on_postgres: Tool, postgres: Server, tmp_path: Path) -> None:
    scripts = {f"V{number}__t.sql": b"select %d;" % number for number in (1, 2, 3)}
    lay(tmp_path, {**scripts, "B2__all_until_2.sql": b"select 2;"})
    history = read_history("flyway", files(tmp_path))
    on_postgres("migrate", LOCATION, "flyway.target=2")
    ledger = applied(postgres, "flyway", "flyway")
    assert (history.obstacle(ledger), history.pending(ledger)) == (None, ("3",))
    postgres.create("flyway", "CREATE TABLE old ()")
    on_postgres("baseline", LOCATION, "flyway.baselineVersion=1.0")
    ledger = applied(postgres, "flyway", "flyway")
    assert (history.obstacle(ledger), history.pending(ledger)) == (None, ("2", "3"))
    on_postgres("migrate", LOCATION)
    ledger = applied(postgres, "flyway", "flyway")
    assert (history.obstacle(ledger), history.pending(ledger)) == (None, ())


def test_what_failed_in_a_transaction_of_flyway_is_as_if_it_had_not_been(
    on_postgres: Tool, postgres: Server, tmp_path: Path
) -> None:
    lay(tmp_path, {"V1__a.sql": b"select 1;", "V2__b.sql": b"create table b (); selec;"})
    on_postgres("migrate", LOCATION, code=1)
    ledger = applied(postgres, "flyway", "flyway")
    assert read_history("flyway", files(tmp_path)).pending(ledger) == ("2",)


def test_a_migration_of_flyway_that_stopped_half_way_is_an_error_until_it_is_repaired(
    mariadb: MariaDBServer, tmp_path: Path
) -> None:
    mariadb.create("flyway")
    url = f"jdbc:mariadb://127.0.0.1:{mariadb.port}/flyway"
    where = {"FLYWAY_URL": url, "FLYWAY_USER": "admin", "FLYWAY_PASSWORD": mariadb.password}
    run = running_tool(flyway(), tmp_path, **where)
    lay(tmp_path, {"V1__a.sql": b"create table a (id int);", "V2__b.sql": b"create table b (id int); selec;"})
    run("migrate", LOCATION, code=1)
    with pytest.raises(DatabaseError, match=r"flyway stopped in the middle of `V2__b\.sql`; run `flyway repair`"):
        applied(mariadb, "flyway", "flyway")
    run("repair", LOCATION)
    history = read_history("flyway", files(tmp_path))
    ledger = applied(mariadb, "flyway", "flyway")
    assert (history.obstacle(ledger), history.pending(ledger)) == (None, ("2",))
