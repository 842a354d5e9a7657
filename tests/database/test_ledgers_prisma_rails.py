"""Ledgers that Prisma's engine and Active Record themselves write, against the migrations that they wrote them from."""

from pathlib import Path

import pytest

from layersite.database.fit import read_history
from layersite.model.errors import DatabaseError
from tests.database.ledgers import Tool, applied, files, running_tool
from tests.database.mariadb import MariaDBServer
from tests.database.server import Server
from tests.database.tools import prisma, rails

pytestmark = pytest.mark.stress

BOTH = pytest.mark.parametrize("engine", ["postgres", "mariadb"])
FIRST, SECOND, THIRD = "20260101000000_init", "20260102000000_two", "20260103000000_three"


@pytest.fixture
def server(request: pytest.FixtureRequest, engine: str) -> Server | MariaDBServer:
    found: Server | MariaDBServer = request.getfixturevalue(engine)
    return found


def prisma_on(server: Server, folder: Path) -> Tool:
    return running_tool(prisma(), folder, DATABASE_URL=server.create("prisma"))


def rails_on(server: Server | MariaDBServer, folder: Path) -> Tool:
    uri = server.create("rails").replace("mariadb:", "mysql2:")
    return running_tool(rails(), folder, DATABASE_URL=uri)


def lay(folder: Path, **scripts: str) -> None:
    for name, sql in scripts.items():
        (folder / name.strip("_")).mkdir(exist_ok=True)
        (folder / name.strip("_") / "migration.sql").write_text(sql)


def test_what_prisma_has_applied_is_pending_no_more(postgres: Server, tmp_path: Path) -> None:
    lay(tmp_path, **{f"_{FIRST}": "create table a (id int primary key);"})
    run = prisma_on(postgres, tmp_path)
    run("applyMigrations")
    lay(tmp_path, **{f"_{SECOND}": "create table b (id int primary key); selec;", f"_{THIRD}": "select 1;"})
    history = read_history("prisma", files(tmp_path))
    ledger = applied(postgres, "prisma", "prisma")
    assert (history.obstacle(ledger), history.pending(ledger)) == (None, (SECOND, THIRD))
    assert SECOND in run("applyMigrations", code=1)
    with pytest.raises(DatabaseError, match=f"stopped in the middle of `{SECOND}`; run `prisma migrate resolve`"):
        applied(postgres, "prisma", "prisma")
    run("markMigrationRolledBack", SECOND)
    assert history.pending(applied(postgres, "prisma", "prisma")) == (SECOND, THIRD)
    lay(tmp_path, **{f"_{SECOND}": "create table c (id int primary key);"})
    run("applyMigrations")
    assert history.pending(applied(postgres, "prisma", "prisma")) == ()


def test_what_prisma_is_told_was_applied_counts_and_an_edit_does_not(postgres: Server, tmp_path: Path) -> None:
    lay(tmp_path, **{f"_{FIRST}": "create table a (id int primary key);", f"_{SECOND}": "selec;"})
    run = prisma_on(postgres, tmp_path)
    run("applyMigrations", code=1)
    run("markMigrationApplied", SECOND)
    lay(tmp_path, **{f"_{FIRST}": "create table other (id int primary key);", f"_{THIRD}": "select 1;"})
    history = read_history("prisma", files(tmp_path))
    ledger = applied(postgres, "prisma", "prisma")
    assert (history.obstacle(ledger), history.pending(ledger)) == (None, (THIRD,))
    run("applyMigrations")
    assert history.pending(applied(postgres, "prisma", "prisma")) == ()


def migration(folder: Path, number: str, name: str, body: str) -> None:
    text = f"class {name.title().replace('_', '')} < ActiveRecord::Migration[6.1]\n  {body}\nend\n"
    (folder / f"{number}_{name}.rb").write_text(text)


@BOTH
def test_what_rails_has_run_is_pending_no_more_in_any_order(server: Server | MariaDBServer, tmp_path: Path) -> None:
    for number, name in (("001", "first"), ("20260102030405", "third"), ("20260101000000", "second")):
        migration(tmp_path, number, name, f"def change = create_table(:{name})")
    (tmp_path / "20260102030405_third.rb").rename(tmp_path / "20260102030405_third.engine.rb")
    run = rails_on(server, tmp_path)
    run("run", "up", "20260102030405")
    history = read_history("rails", files(tmp_path))
    ledger = applied(server, "rails", "rails")
    assert (history.obstacle(ledger), history.pending(ledger)) == (None, ("1", "20260101000000"))
    run("migrate")
    ledger = applied(server, "rails", "rails")
    assert (history.obstacle(ledger), history.pending(ledger)) == (None, ())
    run("rollback", "2")
    assert history.pending(applied(server, "rails", "rails")) == ("20260101000000", "20260102030405")
    migration(tmp_path, "20260103000000", "bad", "def change = execute('selec')")
    run("migrate", code=1)
    more = read_history("rails", files(tmp_path))
    assert more.pending(applied(server, "rails", "rails")) == ("20260103000000",)
    (tmp_path / "001_first.rb").unlink()
    migration(tmp_path, "20260103000000", "bad", "def change = execute('select 1')")
    run("migrate")
    fewer = read_history("rails", files(tmp_path))
    ledger = applied(server, "rails", "rails")
    assert (fewer.obstacle(ledger), fewer.pending(ledger)) == (None, ())
