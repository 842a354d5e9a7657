"""What was masked on MariaDB is nowhere: not in files, logs, process lists, output or errors of either server."""

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from layersite.database.golden.make import Made, subkey
from layersite.database.mariadb.engine import MariaDB
from layersite.model.contract import Contract
from layersite.model.errors import DatabaseError
from tests.database.building import KEY
from tests.database.mariadb import MariaDBServer, running_mariadb
from tests.database.test_mariadb_golden import databases, make, wish

SHOP = """
CREATE TABLE customer (id int PRIMARY KEY, mail varchar(90), note text, plan varchar(9), KEY (mail));
INSERT INTO customer SELECT seq, CONCAT('anna', seq, '.mustermann@real.example'),
  CONCAT('called anna', seq, '.mustermann'), 'gold' FROM seq_0_to_5000;
UPDATE customer SET plan = 'silver' WHERE id % 2 = 0;
ALTER TABLE customer ADD gone varchar(90); UPDATE customer SET gone = mail; ALTER TABLE customer DROP COLUMN gone;
DELETE FROM customer WHERE id % 10 = 7;
ANALYZE TABLE customer PERSISTENT FOR ALL;
"""
CONTRACT: dict[str, Any] = {
    "customer": {"id": "keep", "mail": {"mask": "email"}, "note": {"mask": "text"}, "plan": "keep"}
}
RAW = re.compile(rb"anna\d+\.mustermann|real\.example")
SECRETS = [KEY, subkey(KEY, "mask").hex()]
_LOGS = (
    "--general-log=1",
    "--general-log-file=general.log",
    "--slow-query-log=1",
    "--slow-query-log-file=slow.log",
    "--long-query-time=0",
)


class Watch(threading.Thread):
    """Collects what others could see while a build runs: statements, and the arguments of every process."""

    def __init__(self, *servers: MariaDBServer) -> None:
        super().__init__(daemon=True)
        self.seen: set[str] = set()
        self.is_over = threading.Event()
        self._servers = servers

    def run(self) -> None:
        connections = [server.connect() for server in self._servers]
        while not self.is_over.is_set():
            for connection in connections:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT info FROM information_schema.processlist WHERE info IS NOT NULL")
                    self.seen.update(str(info) for (info,) in cursor.fetchall())
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(process.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
                except OSError:
                    continue
            time.sleep(0.01)
        for connection in connections:
            connection.close()


class Built:
    """A golden on a server of its own, which has never seen anything else, watched while it was built."""

    def __init__(self, source: MariaDBServer, server: MariaDBServer, made: Made, watch: Watch) -> None:
        self.source, self.server, self.made, self.watch = source, server, made, watch


@pytest.fixture(scope="module")
def built() -> Iterator[Built]:
    with (
        running_mariadb(*_LOGS) as source,
        running_mariadb(*_LOGS, "--log-bin=log-bin", "--server-id=1", "--innodb-undo-tablespaces=3") as server,
    ):
        source.create("shop", SHOP)
        watch = Watch(source, server)
        watch.start()
        made = make(wish(source, server, "shop", CONTRACT))
        watch.is_over.set()
        watch.join()
        yield Built(source, server, made, watch)


def test_no_raw_value_is_in_any_file_of_the_server_of_goldens(built: Built) -> None:
    tables = ", ".join(name for (name,) in built.server.ask("SHOW TABLES", built.made.golden.name))
    with built.server.connect(built.made.golden.name) as admin, admin.cursor() as cursor:
        cursor.execute(f"FLUSH TABLES {tables} FOR EXPORT")
        files = {path.name: path for path in built.server.folder.rglob("*") if path.is_file()}
        assert [name for name, path in files.items() if RAW.search(path.read_bytes())] == []
        assert {"customer.ibd", "ib_logfile0", "ibdata1", "undo001", "log-bin.000001", "general.log", "slow.log"} <= {
            *files
        }
        for name in ("customer.ibd", "ib_logfile0", "log-bin.000001", "general.log", "slow.log"):
            assert b"@example.com" in files[name].read_bytes(), f"{name} was not written to"


def test_the_sources_logs_hold_neither_the_key_nor_what_left_it(built: Built) -> None:
    general, slow = (
        built.source.data.joinpath(f"{name}.log").read_text("utf-8", "replace") for name in ("general", "slow")
    )
    own = general[general.index("ANALYZE TABLE customer PERSISTENT") :]  # before, the test itself was at work
    assert "information_schema" in own
    assert [secret for secret in SECRETS if secret in general + slow] == []
    assert not RAW.search(own.encode())


def test_nobody_sees_a_password_or_the_key_meanwhile(built: Built) -> None:
    assert any("QUOTE(" in each for each in built.watch.seen)
    hidden = [KEY, built.source.password, built.server.password]
    assert [each for each in built.watch.seen if any(secret in each for secret in hidden)] == []


def test_no_temporary_file_is_left(built: Built) -> None:
    names = [path.name for path in built.server.folder.rglob("*") if path.name.startswith(("#sql", "ML", "MY"))]
    assert names == []


def test_the_record_of_a_golden_holds_no_value(built: Built) -> None:
    ((record,),) = built.server.ask("SELECT record FROM layersite.ledger WHERE name LIKE 'golden%'")
    assert not re.search("mustermann|real.example|example.com", record)


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
    ordered = wish(mariadb, mariadb, "shop", {"t": {"name": {"mask": "first_name"}}, "v": "keep"})
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
