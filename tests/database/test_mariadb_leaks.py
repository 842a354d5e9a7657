"""What was masked on MariaDB is nowhere: not in files, logs, process lists, output or errors of either server."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from layersite.database.clone import Order, admit, provide
from layersite.database.golden.make import Made, subkey
from layersite.database.mariadb.clone import MariaDBClones
from layersite.database.mariadb.engine import MariaDB
from layersite.database.mariadb.fetch import fetch
from layersite.model.contract import Contract
from layersite.model.errors import DatabaseError
from tests.database.building import KEY
from tests.database.mariadb import MariaDBServer, running_mariadb
from tests.database.test_mariadb_golden import databases, make, wish
from tests.database.watch import watching

SHOP = """
CREATE TABLE customer (id int PRIMARY KEY, mail varchar(90), note text, plan varchar(9), number int AUTO_INCREMENT,
  UNIQUE (number), KEY (mail)) CONNECTION='mysql://app:federated-password@elsewhere/shop';
INSERT INTO customer (id, mail, note, plan) SELECT seq, CONCAT('anna', seq, '.mustermann@real.example'),
  CONCAT('called anna', seq, '.mustermann'), 'gold' FROM seq_0_to_5000;
UPDATE customer SET plan = 'silver' WHERE id % 2 = 0;
ALTER TABLE customer ADD gone varchar(90); UPDATE customer SET gone = mail; ALTER TABLE customer DROP COLUMN gone;
DELETE FROM customer WHERE id % 10 = 7;
ALTER TABLE customer AUTO_INCREMENT = 888888;
ANALYZE TABLE customer PERSISTENT FOR ALL;
"""
CONTRACT: dict[str, Any] = {
    "customer": {"id": "keep", "mail": {"mask": "email"}, "note": {"mask": "text"}, "plan": "keep", "number": "keep"}
}
RAW = r"anna\d+\.mustermann|real\.example|federated-password"
SECRETS = [KEY, subkey(KEY, "mask").hex()]
_LOGS = (
    "--general-log=1",
    "--general-log-file=general.log",
    "--slow-query-log=1",
    "--slow-query-log-file=slow.log",
    "--long-query-time=0",
    "--log-warnings=9",
)


@dataclass(frozen=True)
class Built:
    """A golden on a server that has never seen anything else, with clones there and on its source's server.

    `seen` is what others saw meanwhile, `passwords` are those of the clones.
    """

    source: MariaDBServer
    server: MariaDBServer
    made: Made
    seen: set[str]
    passwords: tuple[str, ...]

    @property
    def clone(self) -> str:
        return order(self.made.golden.name).name

    @property
    def own(self) -> str:
        """What was logged at the source since the test itself was at work there."""
        general, slow = (self.source.data.joinpath(f"{name}.log").read_bytes() for name in ("general", "slow"))
        _, _, own = general.decode("utf-8", "replace").partition("ANALYZE TABLE customer PERSISTENT")
        return own + slow.decode("utf-8", "replace").partition("ANALYZE TABLE customer PERSISTENT")[2]


def order(golden: str) -> Order:
    return Order("site.git", "leaks-", "web-1", "shop", golden)


@contextmanager
def statements(server: MariaDBServer) -> Iterator[Callable[[], list[str]]]:
    """Give a look at what the server shows of other sessions."""
    query = "SELECT info FROM information_schema.processlist WHERE info IS NOT NULL"
    with server.connect() as connection, connection.cursor() as cursor:

        def look() -> list[str]:
            cursor.execute(query)
            return [str(info) for (info,) in cursor.fetchall()]

        yield look


def cloned(server: MariaDBServer, other: MariaDBServer, golden: str) -> Iterator[str]:
    """Clone `golden` on its server, then on another to which it is brought, and give the passwords."""
    uris = (server.uri(""), other.uri(""))
    with closing(MariaDBClones(uris[0], "G")) as here, closing(MariaDBClones(uris[1], "V")) as there:
        for engine, bring in ((here, None), (there, partial(fetch, here, there, golden))):
            provide(engine, order(golden), fetch=bring)
            yield admit(engine, order(golden).name, None)


@pytest.fixture(scope="module")
def built() -> Iterator[Built]:
    with (
        running_mariadb(*_LOGS) as source,
        running_mariadb(*_LOGS, "--log-bin=log-bin", "--server-id=1", "--innodb-undo-tablespaces=3") as server,
    ):
        source.create("shop", SHOP)
        with statements(source) as there, statements(server) as here, watching(there, here) as seen:
            made = make(wish(source, server, "shop", CONTRACT))
            passwords = tuple(cloned(server, source, made.golden.name))
        yield Built(source, server, made, seen, passwords)


def test_no_raw_value_the_key_or_a_password_is_in_any_file_of_the_server_of_goldens(built: Built) -> None:
    wanted = re.compile("|".join([RAW, *SECRETS, *built.passwords]).encode())
    names = [f"{each}.customer" for each in (built.made.golden.name, built.clone)]
    with built.server.connect() as admin, admin.cursor() as cursor:
        cursor.execute(f"FLUSH TABLES {', '.join(names)} FOR EXPORT")
        files = [path for path in built.server.folder.rglob("*") if path.is_file()]
        assert [path for path in files if wanted.search(path.read_bytes())] == []
        assert {"ibdata1", "undo001"} <= {path.name for path in files}
        for name, count in {
            "customer.ibd": 2,
            "ib_logfile0": 1,
            "log-bin.000001": 1,
            "general.log": 1,
            "slow.log": 1,
        }.items():
            there = [path for path in files if path.name == name and b"@example.com" in path.read_bytes()]
            assert len(there) == count, f"{name} was not written to"


def test_neither_the_key_nor_a_password_is_in_any_file_of_the_source(built: Built) -> None:
    wanted = re.compile("|".join([*SECRETS, *built.passwords, built.server.password]).encode())
    files = [path for path in built.source.folder.rglob("*") if path.is_file()]
    assert [path for path in files if wanted.search(path.read_bytes())] == []


def test_the_sources_logs_hold_nothing_of_what_left_it(built: Built) -> None:
    assert "information_schema" in built.own
    assert "IDENTIFIED BY PASSWORD" in built.own
    assert not re.search(RAW, built.own)


def test_nobody_sees_a_password_or_the_key_meanwhile(built: Built) -> None:
    assert any(statement in each for each in built.seen for statement in ("QUOTE(", "TABLESPACE", "CREATE USER"))
    hidden = [KEY, built.source.password, built.server.password, *built.passwords]
    assert [each for each in built.seen if any(secret in each for secret in hidden)] == []


def test_no_temporary_file_is_left(built: Built) -> None:
    files = [path.name for each in (built.source, built.server) for path in each.folder.rglob("*")]
    assert [name for name in files if name.startswith(("#sql", "ML", "MY"))] == []


def test_no_counter_tells_where_that_of_the_source_stands(built: Built) -> None:
    query = "SELECT max(number) FROM customer UNION ALL SELECT auto_increment - 1 FROM information_schema.tables"
    for name in (built.made.golden.name, built.clone):
        found = built.server.ask(f"{query} WHERE table_schema = '{name}' AND table_name = 'customer'", name)
        assert found == [(5001,), (5001,)]


def test_no_record_holds_a_value_the_key_or_a_password(built: Built) -> None:
    said = "".join(str(row) for row in built.server.ask("SELECT * FROM layersite.ledger"))
    assert [kind for kind in ("attestation", "golden", "clone", "role") if f'"{kind}"' not in said] == []
    assert not re.search("|".join(["mustermann|real.example|example.com", *SECRETS, *built.passwords]), said)


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("ALTER TABLE t ADD `by` ENUM ('nobody', '{}')", id="label"),
        pytest.param("ALTER TABLE t MODIFY mail varchar(90) COMMENT 'such as {}'", id="comment"),
    ],
)
def test_a_masked_value_in_the_schema_stops_the_build(mariadb: MariaDBServer, sql: str) -> None:
    raw = "anna1.mustermann@real.example"
    mariadb.create(
        "shop", f"CREATE TABLE t (id int, mail varchar(90)); INSERT INTO t VALUES (1, '{raw}'); {sql.format(raw)}"
    )
    with pytest.raises(DatabaseError, match=r"schema: it quotes 1 values of t\.mail") as error:
        make(wish(mariadb, mariadb, "shop"))
    assert "mustermann" not in str(error.value)


def test_an_error_quotes_no_value(mariadb: MariaDBServer) -> None:
    mariadb.create("shop", "CREATE TABLE t (name varchar(9) UNIQUE); INSERT INTO t VALUES ('Secretus'), ('Privatus')")
    same = {"t": {"name": {"mask": "constant", "value": "Secretus"}}}
    ordered = wish(mariadb, mariadb, "shop", {"t": {"name": "keep"}})
    engine = ordered.engine
    with engine.open_server() as server, engine.open_source() as source:
        contract = Contract.model_validate({"relations": same})
        with pytest.raises(DatabaseError, match="the rows of t cannot be written: Duplicate entry") as error:
            server.fill(source, contract)
    assert "Secretus" not in str(error.value)
    assert error.value.__cause__ is None
    assert [name for name in databases(mariadb) if "draft" in name] == []


def test_the_source_is_read_by_a_role_that_can_do_nothing_else(mariadb: MariaDBServer) -> None:
    sql = """
    CREATE TABLE t (name varchar(60)); INSERT INTO t VALUES ('Realname');
    CREATE VIEW v AS SELECT 1; CREATE FUNCTION one() RETURNS int RETURN 1;
    CREATE TRIGGER fold BEFORE INSERT ON t FOR EACH ROW SET NEW.name = lower(NEW.name);
    """
    mariadb.create("shop", sql)
    mariadb.ask("CREATE OR REPLACE USER reader IDENTIFIED BY 'reads-only'")
    mariadb.ask("GRANT SELECT, SHOW VIEW, TRIGGER ON shop.* TO reader")
    ordered = wish(mariadb, mariadb, "shop", {"t": {"name": {"mask": "first_name"}}, "v": {"1": "keep"}})
    try:
        engine = MariaDB("shop", mariadb.uri("shop", "reader", "reads-only"), mariadb.uri(""), subkey(KEY, "mask"))
        unseen = "{}, should there be any, for the role may not see them"
        assert make(replace(ordered, engine=engine)).attestation.left_out == (
            unseen.format("events"),
            unseen.format("routines"),
        )
        mariadb.ask("GRANT EXECUTE ON shop.* TO reader")
        with pytest.raises(DatabaseError, match="the role may not read the function one; grant it"):
            make(replace(ordered, engine=engine))
        mariadb.ask("GRANT SELECT ON mysql.proc TO reader")
        mariadb.ask("GRANT EVENT ON shop.* TO reader")
        made = make(replace(ordered, engine=engine))
        name = made.golden.name
    finally:
        mariadb.ask("DROP USER reader")
    assert made.attestation.left_out == ()
    assert mariadb.ask("SELECT one(), name = 'Realname' FROM t", name) == [(1, 0)]
