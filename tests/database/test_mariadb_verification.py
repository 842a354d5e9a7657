"""What a broken rule leaves behind turns the verification on MariaDB red: each test spoils a draft in one way."""

from collections.abc import Iterator
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from layersite.database.golden.attestation import Check
from layersite.database.golden.make import Wish
from layersite.model.errors import DatabaseError
from tests.database.mariadb import MariaDBServer
from tests.database.test_mariadb_golden import databases, make, wish

CANARY = "canary.7f3a91@layersite.example"
SHOP = f"""
CREATE TABLE country (code char(40) PRIMARY KEY);
CREATE TABLE customer (id int PRIMARY KEY, country char(40), first varchar(90), mail varchar(90) UNIQUE, born date,
  score int, iban varchar(30), note varchar(90), plan varchar(9), data json,
  CONSTRAINT of_country FOREIGN KEY (country) REFERENCES country (code));
CREATE TABLE session (token varchar(90));
INSERT INTO country VALUES ('DE'), ('FR');
INSERT INTO customer SELECT seq, IF(seq % 2, 'FR', 'DE'), CONCAT('Person', seq), CONCAT('p', seq, '@real.example'),
  date '1980-01-01' + INTERVAL seq DAY, seq * 7, CONCAT('DE', 10000000000000000000 + seq), CONCAT('called on ', seq),
  CONCAT('plan', seq % 3), JSON_OBJECT('plan', 'gold', 'mail', CONCAT('p', seq, '@real.example'),
  'score', seq, 'ref', CONCAT('r', seq)) FROM seq_1_to_300;
INSERT INTO customer (id, mail, plan) VALUES (301, '{CANARY}', 'plan1');
INSERT INTO session VALUES ('real-token');
"""
CONTRACT: dict[str, Any] = {
    "country": {"code": "keep"},
    "customer": {
        "id": "keep",
        "country": "keep",
        "first": {"mask": "first_name"},
        "mail": {"mask": "email"},
        "born": {"mask": "date"},
        "score": {"mask": "number", "min": 1, "max": 1_000_000},
        "iban": {"mask": "iban"},
        "note": "null",
        "plan": {"mask": "choice", "values": ["a", "b", "c"]},
        "data": {
            "mask": "json",
            "paths": {
                "plan": "keep",
                "mail": {"mask": "email"},
                "score": {"mask": "number", "min": 1000, "max": 10_000_000},
                "ref": {"mask": "identifier"},
            },
        },
    },
    "session": "drop",
}
MORE: dict[str, Any] = {
    "canaries": [CANARY],
    "anonymity": [{"relation": "customer", "columns": ["plan"], "k": 20}],
}


@pytest.fixture(scope="module")
def ordered(mariadb: MariaDBServer) -> Wish:
    mariadb.create("stall", SHOP)
    return wish(mariadb, mariadb, "stall", CONTRACT, **MORE)


def verified(server: MariaDBServer, ordered: Wish, sql: str) -> tuple[Check, ...]:
    """Make a draft, spoil it, and return what its verification says."""
    with ordered.engine.open_server() as goldens, ordered.engine.open_source() as source:
        draft = goldens.fill(source, ordered.contract).name
        try:
            server.run(draft, sql)
            return goldens.verify(draft, source, ordered.contract)
        finally:
            goldens.drop(draft)


def test_what_is_right_is_green_and_every_check_looked_at_something(mariadb: MariaDBServer, ordered: Wish) -> None:
    found = verified(mariadb, ordered, "")
    assert [check for check in found if check.problems or check.looked_at == 0] == []


SPOILT = [
    ("UPDATE customer SET mail = 'p7@real.example' WHERE id = 7", "shapes", "customer.mail is not what"),
    ("UPDATE customer SET mail = 'p7@real.example' WHERE id = 7", "overlap", "1 values of customer.mail"),
    ("UPDATE customer SET first = CONCAT('Person', id)", "overlap", "300 values of customer.first"),
    ("ANALYZE TABLE customer PERSISTENT FOR ALL", "statistics", "the statistics of customer.mail hold values"),
    ("UPDATE customer SET born = date '1980-01-01' + INTERVAL id DAY", "overlap", "300 values of customer.born"),
    ("UPDATE customer SET score = id * 7", "overlap", "300 values of customer.score"),
    ("UPDATE customer SET score = -1 WHERE id = 3", "shapes", "customer.score is not what"),
    ("UPDATE customer SET note = 'called' WHERE id = 1", "shapes", "customer.note should be null: 1"),
    ("UPDATE customer SET plan = 'plan1' WHERE id = 1", "shapes", "customer.plan is not what"),
    ("UPDATE customer SET plan = 'A' WHERE id = 1", "shapes", "customer.plan is not what"),
    ("UPDATE customer SET data = JSON_SET(data, '$.x', 1) WHERE id = 1", "shapes", "customer.data is not what"),
    ("UPDATE customer SET data = '[\"p7@real.example\"]' WHERE id = 1", "shapes", "customer.data is not what"),
    ('UPDATE customer SET data = \'{"mail": "p7@real"}\' WHERE id = 1', "shapes", "customer.data is not what"),
    ('UPDATE customer SET data = \'{"mail": ["p7"]}\' WHERE id = 1', "shapes", "customer.data is not what"),
    ("UPDATE customer SET data = JSON_SET(data, '$.score', 999) WHERE id = 1", "shapes", "customer.data is not what"),
    (
        "UPDATE customer SET data = JSON_SET(data, '$.score', '5000') WHERE id = 1",
        "shapes",
        "customer.data is not what",
    ),
    ("UPDATE customer SET data = JSON_SET(data, '$.ref', 'r1') WHERE id = 1", "shapes", "customer.data is not what"),
    ("INSERT INTO session VALUES ('t')", "shapes", "session should be empty: 1"),
    ("INSERT INTO country VALUES ('p7@real.example')", "overlap", "stand in country.code"),
    (
        "UPDATE customer SET data = JSON_SET(data, '$.mail', CONCAT('p', id, '@real.example'))",
        "overlap",
        "300 values of customer.data at mail are in the golden",
    ),
    (
        "UPDATE customer SET data = JSON_SET(data, '$.plan', 'DE10000000000000000007') WHERE id = 1",
        "overlap",
        "1 values of customer.iban stand in customer.data at plan",
    ),
    (
        "SET foreign_key_checks = 0; DELETE FROM country WHERE code = 'FR'",
        "references",
        "150 rows of customer refer to rows of country that are not there",
    ),
    ("ALTER TABLE customer DROP KEY mail", "definitions", "the key mail of customer of the source is missing"),
    ("ALTER TABLE customer DROP FOREIGN KEY of_country", "definitions", "the constraint of_country of customer"),
    ("ALTER TABLE customer DROP COLUMN note", "structure", "customer is missing, or has other columns"),
    ("DROP TABLE session", "structure", "session is missing"),
    ("CREATE TABLE left_over (mail text)", "structure", "left_over is not in the source"),
    ("UPDATE customer SET plan = 'b'; UPDATE customer SET plan = 'a' WHERE id < 9", "anonymity", "1 combinations"),
    (f"ALTER TABLE customer COMMENT '{CANARY}'", "dump", "canary 1 stands in a logical dump"),
    (f"ALTER TABLE customer ALTER mail SET DEFAULT '{CANARY}'", "dump", "canary 1"),
    (
        f"INSERT INTO country VALUES ('{CANARY}'); DELETE FROM country WHERE code = '{CANARY}'",
        "files",
        "canary 1 stands in the server's files",
    ),
    ("ALTER TABLE customer ALTER iban SET DEFAULT 'DE10000000000000000007'", "schema", "quotes 1 values"),
    ("ALTER TABLE customer COMMENT 'ask p7@real.example'", "schema", "quotes 1 values of customer.mail"),
]


def sampled() -> Iterator[ParameterSet]:
    """One case of each check, and on demand all."""
    seen: set[str] = set()
    for sql, check, message in SPOILT:
        yield pytest.param(sql, check, message, marks=[pytest.mark.stress] if check in seen else [])
        seen.add(check)


@pytest.mark.parametrize(("sql", "check", "message"), [*sampled()])
def test_a_spoilt_draft_is_red(mariadb: MariaDBServer, ordered: Wish, sql: str, check: str, message: str) -> None:
    found = {each.name: "; ".join(each.problems) for each in verified(mariadb, ordered, sql) if each.problems}
    assert message in found.get(check, f"nothing; but {found}")


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("CREATE FUNCTION who() RETURNS text RETURN '{}'", id="function"),
        pytest.param("CREATE VIEW who AS SELECT '{}' AS mail", id="view"),
        pytest.param(
            "CREATE TRIGGER who BEFORE INSERT ON customer FOR EACH ROW SET NEW.mail = '{}'",
            id="trigger",
            marks=pytest.mark.stress,
        ),
        pytest.param("ALTER TABLE customer ADD CHECK (note <> '{}')", id="check", marks=pytest.mark.stress),
    ],
)
@pytest.mark.parametrize(("quoted", "check"), [(CANARY, "dump: canary 1"), ("p7@real.example", "schema: it quotes 1")])
def test_what_the_schema_quotes_stops_the_build(mariadb: MariaDBServer, sql: str, quoted: str, check: str) -> None:
    mariadb.create("quoting", f"{SHOP};{sql.format(quoted)}")
    relations = {**CONTRACT, "who": {"mail": "keep"}} if "VIEW" in sql else CONTRACT
    before = databases(mariadb)
    with pytest.raises(DatabaseError, match=check):
        make(wish(mariadb, mariadb, "quoting", relations, **MORE))
    assert databases(mariadb) == before


def test_a_canary_that_nobody_planted_proves_nothing_and_is_red(mariadb: MariaDBServer, ordered: Wish) -> None:
    unplanted = {**MORE, "canaries": [CANARY, "canary.never@layersite.example"]}
    with pytest.raises(DatabaseError, match="canary 2 is in no masked column of the source"):
        make(wish(mariadb, mariadb, "stall", CONTRACT, **unplanted))


def test_files_that_show_little_are_named(mariadb: MariaDBServer) -> None:
    mariadb.create("packed", f"{SHOP}; ALTER TABLE session PAGE_COMPRESSED=1, MODIFY token text COMPRESSED")
    made = make(wish(mariadb, mariadb, "packed", CONTRACT, **MORE))
    (files,) = (check for check in made.attestation.checks if check.name == "files")
    assert "1 tables are compressed or encrypted, in whole or in part, so their files show little" in files.remarks
