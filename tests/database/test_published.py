"""What a published golden is: one moment of its source, every row once, frozen, with a record that is right."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread

import pytest

from layersite.database import ledger
from layersite.database.golden.attestation import Attestation, digest, is_signed, sign
from layersite.database.golden.make import Made, Wish, build, subkey, verify
from layersite.model.database import Golden
from tests.database.building import KEY, Build, wish
from tests.database.server import Server

SHOP = """
CREATE TABLE purse (id int PRIMARY KEY, coins int, mail text, note text);
CREATE TABLE chest (id int PRIMARY KEY REFERENCES purse ON DELETE CASCADE, coins int);
INSERT INTO purse SELECT n, 100, n || '@real.example' FROM generate_series(1, 500) n;
INSERT INTO chest SELECT n, 100 FROM generate_series(1, 500) n;
"""
CONTRACT = {
    "public.purse": {"id": "keep", "coins": "keep", "mail": {"mask": "email"}, "note": "drop"},
    "public.chest": {"id": "keep", "coins": "keep"},
}
CHANGES = (
    "INSERT INTO purse VALUES (501, 7, 'new@real.example'); INSERT INTO chest VALUES (501, 7);"
    "DELETE FROM purse WHERE id <= 50; UPDATE purse SET coins = 1 WHERE id BETWEEN 51 AND 60"
)
MOVE = """
WITH taken AS (UPDATE purse SET coins = coins - 1 WHERE id > 100 RETURNING id)
UPDATE chest SET coins = coins + 1 FROM taken WHERE taken.id = chest.id
"""


def make(wished: Wish, tell: "Meanwhile | None" = None) -> Made:
    made = build(wished, datetime.now(UTC), tell or (lambda step: None))
    assert made is not None
    return made


class Meanwhile:
    """Change the source once the build sees its moment, and go on with it until the rows are there."""

    def __init__(self, server: Server) -> None:
        self._server, self._is_over = server, Event()
        self._writer = Thread(target=self._move, daemon=True)

    def __call__(self, step: str) -> None:
        if step.startswith("the contract covers"):
            self._server.run("shop", CHANGES)
            self._writer.start()
        elif step.startswith("brought"):
            self._is_over.set()
            self._writer.join()

    def _move(self) -> None:
        with self._server.connect("shop") as source:
            while not self._is_over.is_set():
                source.execute(MOVE)


def test_what_the_source_does_during_a_build_is_not_in_the_golden(postgres: Server) -> None:
    postgres.create("shop", SHOP)
    golden = make(wish(postgres, CONTRACT), Meanwhile(postgres)).golden
    postgres.copy(golden.name, "look")
    query = "SELECT count(*), min(id), max(id), min(coins), max(coins) FROM "
    seen = {}
    for name in ("look", "shop"):
        with postgres.connect(name) as copy:
            seen[name] = [copy.execute(f"{query}{table}".encode()).fetchone() for table in ("purse", "chest")]
    assert seen["look"] == [(500, 1, 500, 100, 100)] * 2
    assert [row[:3] for row in seen["shop"] if row] == [(451, 51, 501)] * 2
    assert all(row and row[3] != row[4] for row in seen["shop"])


def test_every_row_of_a_table_that_is_cut_into_ranges_comes_once(build: Build) -> None:
    sql = """
    CREATE TABLE big (id int NOT NULL, filling text);
    INSERT INTO big SELECT n, repeat('x', 1500) FROM generate_series(1, 13000) n;
    DELETE FROM big WHERE id % 7 = 0 OR id BETWEEN 5000 AND 5300;
    """
    golden = build(sql, {"public.big": {"id": "keep", "filling": "null"}})
    keys = "SELECT count(*), count(DISTINCT id), sum(id::bigint), sum(hashint4(id)::bigint) FROM big"
    with build.source.connect("shop") as source:
        (pages,) = source.execute("SELECT pg_relation_size('big') / 8192").fetchone() or (0,)
        assert pages > 2 * 1024
        assert golden.rows(keys) == source.execute(keys.encode()).fetchall()
    assert golden.made.golden.rows == golden.value("SELECT count(*) FROM big")


@pytest.fixture(scope="module")
def ordered(postgres: Server) -> Wish:
    postgres.create("shop", SHOP)
    return wish(postgres, CONTRACT)


@pytest.fixture(scope="module")
def made(ordered: Wish) -> Made:
    return make(ordered)


def test_nothing_is_left_to_freeze_in_its_clones(postgres: Server, made: Made) -> None:
    postgres.copy(made.golden.name, "look")
    query = """
    SELECT relname, relpages > 0, relallvisible = relpages, relallfrozen = relpages FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1
    """
    with postgres.connect("look") as copy:
        assert copy.execute(query.encode()).fetchall() == [("chest", True, True, True), ("purse", True, True, True)]
        older = "SELECT bool_and(age(t.xmin) > age(c.relfrozenxid)) FROM purse t JOIN pg_class c ON c.oid = t.tableoid"
        assert copy.execute(older.encode()).fetchone() == (True,)


def test_its_record_says_how_large_it_is_and_of_which_server(postgres: Server, made: Made) -> None:
    with postgres.connect() as admin:
        recorded = ledger.entries(admin)[made.golden.name]
        query = "SELECT pg_database_size(%s::name), current_setting('server_version')"
        size, version = admin.execute(query, (made.golden.name,)).fetchone() or (0, "")
    assert isinstance(recorded, Golden)
    assert (recorded.bytes, recorded.server, recorded.rows) == (size, version, 1000)
    assert (made.attestation.server, made.attestation.source_server) == (version, version)


@contextmanager
def recorded(server: Server, golden: Golden, attestation: Attestation) -> Iterator[None]:
    """Let the server hold this record and this attestation of the golden."""
    with server.connect() as admin:
        query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
        (before,) = admin.execute(query, (golden.name,)).fetchone() or ("",)
        for text in (ledger.text(golden, attestation.model_dump(mode="json")), before):
            quoted = text.replace("'", "''")
            admin.execute(f"COMMENT ON DATABASE {golden.name} IS '{quoted}'".encode())
            if text != before:
                yield


def test_nobody_without_the_key_can_attest_anything(postgres: Server, ordered: Wish, made: Made) -> None:
    name, key = made.golden.name, subkey(KEY, "sign")
    assert is_signed(made.attestation, key)
    assert not is_signed(made.attestation, subkey("of somebody else", "sign"))
    assert verify(ordered)[name].problems == ()
    more = made.attestation.model_copy(update={"rows": made.attestation.rows + 1})
    problems = []
    for forged in (more, sign(more, subkey("of somebody else", "sign")), sign(more, key)):
        renewed = made.golden.model_copy(update={"attestation": digest(forged)})
        with recorded(postgres, renewed, forged):
            problems.append(verify(ordered)[name].problems)
    refused = ("its attestation is not signed by the key of this database",)
    assert problems == [refused, refused, ()]
