"""Goldens of MariaDB databases, on a real server: the same contract, masks and checks as on PostgreSQL."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from layersite.cli import main
from layersite.database.contract import as_data, propose
from layersite.database.golden.make import Made, UncoveredError, Wish, build, subkey
from layersite.database.mariadb import ledger
from layersite.database.mariadb.connect import Session
from layersite.database.mariadb.engine import MariaDB
from layersite.model.contract import Contract
from layersite.model.document import read_document
from layersite.model.errors import DatabaseError
from layersite.model.site import Migrations
from layersite.model.yaml import dump
from tests.database.building import KEY, Build
from tests.database.mariadb import MariaDBServer, running_mariadb
from tests.database.server import Server

_SECONDS = count()


def wish(source: MariaDBServer, server: MariaDBServer, database: str, relations: Any = None, **more: Any) -> Wish:
    """The wish for a golden; without `relations` by the proposed contract."""
    engine = MariaDB(database, source.uri(database), server.uri(""), subkey(KEY, "mask"))
    if relations is None:
        with engine.open_source() as opened:
            relations = as_data(propose(opened.schema, opened.samples))
    document = read_document(Path("contract.yaml"), text=dump({"relations": dict(relations), **more}))
    return Wish(database, document.parse(Contract), document, engine, KEY)


def make(wished: Wish) -> Made:
    """Build, no two in one second: two goldens of the same would have one name."""
    made = build(wished, datetime.now(UTC) + timedelta(seconds=next(_SECONDS)), lambda step: None)
    assert made is not None
    return made


def databases(server: MariaDBServer) -> set[str]:
    return {name for (name,) in server.ask("SHOW DATABASES")}


@pytest.fixture(scope="module")
def source() -> Iterator[MariaDBServer]:
    """A server of its own for sources, which writes everything that it is asked to a log."""
    with running_mariadb("--general-log=1", "--general-log-file=general.log") as server:
        yield server


RULES: Mapping[str, Any] = {
    "id": "keep",
    "subject": "keep",
    **{
        name: {"mask": name} for name in ("first_name", "last_name", "full_name", "company", "email", "phone", "street")
    },
    **{name: {"mask": name} for name in ("city", "postal_code", "ip", "iban", "text", "identifier")},
    "code": {"mask": "identifier", "domain": "code"},
    "born": {"mask": "date", "subject": "subject"},
    "score": {"mask": "number", "min": 5, "max": 9},
    "share": {"mask": "number", "min": 5, "max": 9},
    "kind": {"mask": "choice", "values": ["it's", "b\\c"]},
    "fixed": {"mask": "constant", "value": "it's 'fixed' \\"},
    "data": {"mask": "json", "paths": {"a.b": "keep", "a.name": {"mask": "full_name"}}},
}
TEXTS = [name for name in RULES if RULES[name] in ({"mask": name},)]


def test_masks_are_those_of_postgresql(postgres: Server, source: MariaDBServer, mariadb: MariaDBServer) -> None:
    values = ", ".join(f"'{name} of Zoë O''Neill, someone with a longer text'" for name in TEXTS)
    document = '{"a": {"b": [1], "name": "Zoë", "c": 1}, "d": 2}'
    row = f"1, 7, {values}, 123, '1980-02-29', 1, 1, 'x', 'x', '{document}'"
    empty = f"2, 8, {', '.join(chr(39) * 2 for _ in TEXTS)}, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
    columns = ", ".join(f"{name} varchar(100)" for name in TEXTS)
    schema = (
        f"CREATE TABLE person (id int PRIMARY KEY, subject int, {columns}, code int, born date, score int,"
        " share numeric(6, 2), kind varchar(9), fixed varchar(90), data json)"
    )
    rows = f"INSERT INTO person VALUES ({row}), ({empty})"
    listed = ", ".join(name for name in RULES if name not in ("data", "born"))
    query = f"SELECT {listed}, CAST(born AS char(10)) FROM person ORDER BY id"
    here = Build(postgres, postgres)(f"{schema};{rows}", {"public.person": RULES}).rows(query)
    source.create("people", f"{schema} COLLATE utf8mb4_bin;{rows}")
    name = make(wish(source, mariadb, "people", {"person": RULES})).golden.name
    assert mariadb.ask(query, name) == here
    documents = mariadb.ask("SELECT JSON_VALUE(data, '$.a.b[0]'), JSON_EXISTS(data, '$.d'), data FROM person", name)
    assert documents[0][:2] == ("1", 0)
    assert "Zoë" not in documents[0][2]
    assert documents[1] == (None, None, None)


ODD = """
CREATE TABLE `odd ``name' "x" %s` (
  `select` int PRIMARY KEY AUTO_INCREMENT, `e mail` varchar(60) NOT NULL UNIQUE, at timestamp NULL, zero date,
  size float, big double, flags set('a','b'), bits bit(9), raw varbinary(20), twice int AS (`n` * 2) STORED,
  later int AS (`n` + 1) VIRTUAL, n int DEFAULT 4, doc json, CHECK (size < 10)
);
CREATE TABLE `child` (id int PRIMARY KEY, parent int, FOREIGN KEY (parent) REFERENCES `odd ``name' "x" %s` (`select`));
CREATE TABLE log (id int PRIMARY KEY) PARTITION BY RANGE (id)
  (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE);
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
INSERT INTO `odd ``name' "x" %s` (`select`, `e mail`, at, zero, size, big, flags, bits, raw)
  VALUES (0, 'Zoë@real.example', '2026-03-29 02:30:00', '0000-00-00', 0.1, 1e300, 'a,b', b'101', 0x00ff27),
  (2, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO child VALUES (1, 0), (2, NULL);
INSERT INTO log VALUES (1), (100);
CREATE VIEW b AS SELECT 1 AS one; CREATE VIEW a AS SELECT * FROM b;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM log;
"""


def test_odd_names_types_and_values_come_over(source: MariaDBServer, mariadb: MariaDBServer) -> None:
    source.create("odd", ODD)
    made = make(wish(source, mariadb, "odd"))
    name = made.golden.name
    columns = "`select`, at, CAST(zero AS char), size, big, flags, bits, twice, later"
    query = f'SELECT {columns} FROM `odd ``name\' "x" %s` ORDER BY 1'
    assert mariadb.ask(query, name) == source.ask(query, "odd")
    assert sorted(mariadb.ask("SELECT * FROM child", name)) == [(1, 0), (2, None)]
    assert mariadb.ask("SELECT * FROM a", name) == [(1,)]
    assert sorted(mariadb.ask("SELECT * FROM log PARTITION (b)", name)) == [(100,)]
    assert made.attestation.left_out == ("event nightly",)


SHOP = (
    "CREATE TABLE customer (id int PRIMARY KEY, email varchar(60), note varchar(60));"
    "INSERT INTO customer VALUES (1, 'canary@real.example', 'plain'), (2, 'somebody@real.example', 'plain')"
)
CONTRACT = {"customer": {"id": "keep", "email": {"mask": "email"}, "note": "keep"}}


def test_nothing_of_somebody_is_kept_by_the_proposed_contract(source: MariaDBServer, mariadb: MariaDBServer) -> None:
    columns = (
        "phone bigint, ssn int, salary decimal(9,2), home point, place point NOT NULL, mood enum('calm'), opens time"
    )
    row = "(1, 4930123456, 123456, 45678.90, point(52, 13), point(52, 13), 'calm', '9:00')"
    source.create("people", f"CREATE TABLE customer (id int PRIMARY KEY, {columns}); INSERT INTO customer VALUES {row}")
    name = make(wish(source, mariadb, "people")).golden.name
    seen = (
        "SELECT phone <> 4930123456, ssn <> 123456, salary <> 45678.90, home IS NULL, mood, hour(opens) FROM customer"
    )
    assert mariadb.ask(seen, name) == [(1, 1, 1, 1, "calm", 9)]
    assert mariadb.ask("SHOW COLUMNS FROM customer LIKE 'place'", name) == []


def test_an_unlisted_column_stops_the_build(source: MariaDBServer, mariadb: MariaDBServer) -> None:
    source.create("shop", SHOP)
    before = databases(mariadb)
    with pytest.raises(UncoveredError, match="the column `note` of customer is not listed"):
        make(wish(source, mariadb, "shop", {"customer": {"id": "keep", "email": {"mask": "email"}}}))
    assert databases(mariadb) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("SELECT 1", "canary 1 is in no masked column"),
        ("UPDATE customer SET note = concat('see ', email)", "canary 1 stands in a logical dump"),
        ("UPDATE customer SET note = concat('see ', email)", "canary 1 stands in the server's files"),
        ("ALTER TABLE customer ALTER email SET DEFAULT 'canary@real.example'", "canary 1 stands in a logical dump"),
        ("UPDATE customer SET note = email", "2 values of customer.email stand in customer.note"),
    ],
    ids=["not planted", "in a dump", "in files", "in a default", "kept elsewhere"],
)
def test_a_leak_turns_the_checks_red_and_nothing_is_published(
    source: MariaDBServer, mariadb: MariaDBServer, change: str, message: str
) -> None:
    source.create("shop", f"{SHOP};{change}")
    before = databases(mariadb)
    canary = "nowhere@real.example" if change == "SELECT 1" else "canary@real.example"
    with pytest.raises(DatabaseError, match="failed its checks and was dropped") as caught:
        make(wish(source, mariadb, "shop", CONTRACT, canaries=[canary]))
    assert message in str(caught.value)
    assert databases(mariadb) == before


def test_neither_values_nor_the_key_are_in_what_servers_remember(source: MariaDBServer, mariadb: MariaDBServer) -> None:
    source.create("shop", SHOP.replace("canary", "unmistakable"))
    name = make(wish(source, mariadb, "shop", CONTRACT, canaries=["unmistakable@real.example"])).golden.name
    key = subkey(KEY, "mask").hex().encode()
    files = [path for path in (*source.folder.rglob("*"), *mariadb.folder.rglob("*")) if path.is_file()]
    assert any(path.name == "general.log" and b"customer" in path.read_bytes() for path in files)
    assert [path.name for path in files if key in path.read_bytes()] == []
    there = [path for path in mariadb.data.rglob("*") if path.is_file()]
    assert [path.name for path in there if b"unmistakable@real.example" in path.read_bytes()] == []
    assert mariadb.ask("SELECT count(*) FROM customer", name) == [(2,)]


def test_what_a_killed_build_left_goes_with_the_next_one(source: MariaDBServer, mariadb: MariaDBServer) -> None:
    source.create("shop", SHOP)
    session = Session(mariadb.uri(""))
    for name in ("layersite_draft_shop_00000000", "golden_shop_000000000000"):
        ledger.begin(session, name)
        mariadb.ask(f"CREATE DATABASE `{name}`")
    mariadb.ask("CREATE OR REPLACE DATABASE golden_shop_of_somebody_else")
    made = make(wish(source, mariadb, "shop", CONTRACT))
    left = {name for name in databases(mariadb) if "shop" in name}
    assert {made.golden.name, "golden_shop_of_somebody_else"} <= left
    assert left.isdisjoint({"layersite_draft_shop_00000000", "golden_shop_000000000000"})
    session.close()


def test_the_ledger_of_the_migration_tool_is_read(source: MariaDBServer, mariadb: MariaDBServer) -> None:
    sql = (
        "CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version varchar(50), type varchar(20),"
        " checksum int, success tinyint(1), script varchar(99));"
        "INSERT INTO flyway_schema_history VALUES (1, '1', 'SQL', -5, 1, 'V1__a.sql')"
    )
    source.create("shop", f"{SHOP};{sql}")
    wished = wish(source, mariadb, "shop")
    migrations = Migrations(tool="flyway", repository="shop", path="db")
    made = make(Wish(wished.database, wished.contract, wished.document, wished.engine, KEY, migrations=migrations))
    assert made.golden.migrations == ("1#-5",)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("CREATE SEQUENCE counter", "what no golden can have yet: sequence counter"),
        ("CREATE TABLE past (id int) WITH SYSTEM VERSIONING", "what no golden can have yet: system versioned past"),
    ],
)
def test_what_no_golden_can_have_is_refused_by_name(
    source: MariaDBServer, mariadb: MariaDBServer, sql: str, message: str
) -> None:
    source.create("strange", sql)
    with pytest.raises(DatabaseError, match=message):
        make(wish(source, mariadb, "strange", {}))


def test_the_commands_work_on_a_site_of_mariadb(
    source: MariaDBServer, mariadb: MariaDBServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.create("store", SHOP)
    text = (Path(__file__).parents[1] / "fixtures" / "valid" / "site-minimal.yaml").read_text(encoding="utf-8")
    (tmp_path / "layersite.yaml").write_text(
        f"{text}databases: {{store: {{engine: mariadb, host: db.databases.svc}}}}\n"
    )
    for what, value in (("SOURCE", source.uri("store")), ("SERVER", mariadb.uri("")), ("KEY", KEY)):
        monkeypatch.setenv(f"LAYERSITE_DATABASE_STORE_{what}", value)

    def golden(*arguments: str) -> str:
        done = CliRunner().invoke(main, ["--site", str(tmp_path), "golden", *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    golden("propose", "store")
    assert (tmp_path / "data" / "store" / "contract.yaml").is_file()
    name = json.loads(golden("build", "store", "--output", "json"))["name"]
    assert name in golden("list", "store")
    assert f"{name}  right" in golden("verify", "store")
    source.ask("ALTER TABLE customer ADD COLUMN passport varchar(20)", "store")
    stopped = CliRunner().invoke(main, ["--site", str(tmp_path), "golden", "build", "store"])
    assert (stopped.exit_code, "the column `passport` of customer is not listed" in stopped.output) == (3, True)
