"""A smaller golden of a MariaDB database is complete in itself: no row of it refers to one that is not there."""

from typing import Any

import pytest

from tests.database.mariadb import MariaDBServer
from tests.database.test_mariadb_golden import make, wish

SHOP = """
CREATE TABLE country (code char(2) CHARACTER SET latin1 PRIMARY KEY);
CREATE TABLE customer (id int PRIMARY KEY, country char(2) CHARACTER SET latin1, referred_by int,
  FOREIGN KEY (country) REFERENCES country (code), FOREIGN KEY (referred_by) REFERENCES customer (id));
CREATE TABLE product (id bigint unsigned PRIMARY KEY);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, placed date,
  FOREIGN KEY (customer) REFERENCES customer (id));
CREATE TABLE line (orders int, number int, product bigint unsigned, PRIMARY KEY (orders, number),
  FOREIGN KEY (orders) REFERENCES orders (id), FOREIGN KEY (product) REFERENCES product (id));
CREATE TABLE note (orders int, number int, body text,
  FOREIGN KEY (orders, number) REFERENCES line (orders, number));
CREATE TABLE setting (name varchar(9) PRIMARY KEY);
INSERT INTO country SELECT CONCAT('É', CHAR(64 + seq USING utf8mb4)) FROM seq_1_to_10;
INSERT INTO customer
  SELECT seq, CONCAT('É', CHAR(65 + seq % 10 USING utf8mb4)), IF(seq > 2, seq - 2, NULL) FROM seq_1_to_100;
INSERT INTO product SELECT seq FROM seq_1_to_50;
INSERT INTO orders SELECT seq, 1 + seq % 100, NULL FROM seq_1_to_300;
INSERT INTO line SELECT o.seq, n.seq, 1 + (o.seq + n.seq) % 40 FROM seq_1_to_300 o, seq_1_to_3 n;
INSERT INTO note SELECT o.seq, 1, 'x' FROM seq_1_to_300 o, seq_1_to_2 twice;
INSERT INTO setting VALUES ('a'), ('b');
"""
KEEP = {
    "country": {"code": "keep"},
    "customer": {"id": "keep", "country": "keep", "referred_by": "keep"},
    "product": {"id": "keep"},
    "orders": {"id": "keep", "customer": "keep", "placed": "keep"},
    "line": {"orders": "keep", "number": "keep", "product": "keep"},
    "note": {"orders": "keep", "number": "keep", "body": "keep"},
    "setting": {"name": "keep"},
}
SEED = {"seeds": {"customer": "id % 100 = 6"}}
CUT = {"relation": "customer", "columns": ["referred_by"], "target": "customer", "target_columns": ["id"], "cut": True}


class Build:
    """Builds a golden of a source that a script makes, and asks it."""

    def __init__(self, server: MariaDBServer) -> None:
        self._server = server

    def __call__(self, sql: str, relations: Any, **more: Any) -> "Build":
        self._server.create("shop", sql)
        self.golden = make(wish(self._server, self._server, "shop", relations, **more)).golden.name
        return self

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._server.ask(query, self.golden)

    def value(self, query: str) -> Any:
        return self.rows(query)[0][0]


@pytest.fixture
def build(mariadb: MariaDBServer) -> Build:
    return Build(mariadb)


def test_what_refers_to_a_seed_and_what_that_refers_to_is_taken(build: Build) -> None:
    golden = build(SHOP, KEEP, subset={"seeds": {"customer": "id = 99"}})
    assert [each for (each,) in golden.rows("SELECT id FROM customer ORDER BY id")] == list(range(1, 100, 2))
    assert golden.value("SELECT count(*) FROM orders") == 3
    assert golden.value("SELECT count(*) FROM line") == 9
    assert golden.value("SELECT count(*) FROM note") == 6  # rows that are alike, all of them
    assert golden.value("SELECT count(*) FROM product") < 50
    assert golden.value("SELECT count(*) FROM country") == 5
    assert golden.value("SELECT count(*) FROM setting") == 2


def test_a_reference_that_is_cut_takes_nobody_along(build: Build) -> None:
    golden = build(SHOP, KEEP, subset=SEED, references=[CUT])
    assert golden.rows("SELECT id, referred_by FROM customer") == [(6, None)]


def test_what_no_reference_joins_can_be_dropped(build: Build) -> None:
    golden = build(SHOP, KEEP, subset={**SEED, "others": "drop"}, references=[CUT])
    assert golden.value("SELECT count(*) FROM setting") == 0


def test_a_declared_reference_is_followed(build: Build) -> None:
    sql = """
    CREATE TABLE person (id int PRIMARY KEY); CREATE TABLE visit (person int, place varchar(9));
    INSERT INTO person SELECT seq FROM seq_1_to_100; INSERT INTO visit SELECT 1 + seq % 100, 'x' FROM seq_1_to_500;
    """
    relations = {"person": {"id": "keep"}, "visit": {"person": "keep", "place": "keep"}}
    declared = {"relation": "visit", "columns": ["person"], "target": "person", "target_columns": ["id"]}
    golden = build(sql, relations, subset={"seeds": {"person": "id <= 10"}}, references=[declared])
    assert golden.value("SELECT count(*) FROM visit") == 50


def test_tables_that_refer_to_each_other_end(build: Build) -> None:
    sql = """
    CREATE TABLE team (id int PRIMARY KEY, head int);
    CREATE TABLE member (id int PRIMARY KEY, team int NOT NULL, FOREIGN KEY (team) REFERENCES team (id));
    ALTER TABLE team ADD FOREIGN KEY (head) REFERENCES member (id);
    INSERT INTO team SELECT seq, NULL FROM seq_1_to_20; INSERT INTO member SELECT seq, seq FROM seq_1_to_20;
    UPDATE team SET head = 1 + id % 20;
    """
    relations = {"team": {"id": "keep", "head": "keep"}, "member": {"id": "keep", "team": "keep"}}
    golden = build(sql, relations, subset={"seeds": {"team": "id = 1"}})
    assert golden.value("SELECT count(*) FROM team") == 20


@pytest.mark.parametrize(
    "kind",
    ["varchar(40)", pytest.param("varchar(40) COLLATE utf8mb4_bin", marks=pytest.mark.stress), "varbinary(40)"],
)
@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "masked"])
def test_a_key_of_text_is_found_again_whether_it_is_kept_or_masked(build: Build, kind: str, is_kept: bool) -> None:
    sql = f"""
    CREATE TABLE person (mail {kind} PRIMARY KEY, at float);
    CREATE TABLE visit (mail {kind}, place int, KEY (place), FOREIGN KEY (mail) REFERENCES person (mail));
    INSERT INTO person SELECT CONCAT('O''Zoë\\\\', seq, '@real.example'), seq / 7 FROM seq_1_to_100;
    INSERT INTO visit SELECT CONCAT('O''Zoë\\\\', 1 + seq % 100, '@real.example'), seq % 7 FROM seq_1_to_700;
    """
    key = "keep" if is_kept else {"mask": "identifier", "domain": "mail"}
    relations = {"person": {"mail": key, "at": "keep"}, "visit": {"mail": key, "place": "keep"}}
    golden = build(sql, relations, subset={"seeds": {"person": "mail LIKE '%\\\\\\\\1_@%'"}})
    assert golden.rows("SELECT count(*), count(DISTINCT mail) FROM visit") == [(70, 10)]
    assert golden.value("SELECT count(*) FROM person") == 10


def test_more_rows_than_one_statement_asks_for(build: Build) -> None:
    sql = """
    CREATE TABLE person (id int PRIMARY KEY);
    CREATE TABLE visit (person int, number int, PRIMARY KEY (person, number)) PARTITION BY HASH (person) PARTITIONS 3;
    INSERT INTO person SELECT seq FROM seq_1_to_6000;
    INSERT INTO visit SELECT p.seq, n.seq FROM seq_1_to_6000 p, seq_1_to_2 n;
    """
    relations = {"person": {"id": "keep"}, "visit": {"person": "keep", "number": "keep"}}
    declared = {"relation": "visit", "columns": ["person"], "target": "person", "target_columns": ["id"]}
    golden = build(sql, relations, subset={"seeds": {"person": "id > 600"}}, references=[declared])
    assert golden.rows("SELECT count(*), min(person) FROM visit") == [(10_800, 601)]
