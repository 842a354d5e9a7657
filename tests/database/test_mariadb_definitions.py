"""A golden on MariaDB that is defined otherwise than its source is red: one is spoilt in every kind of thing."""

from contextlib import closing
from typing import Any

import pytest

from layersite.database.golden.attestation import Check
from layersite.database.mariadb.connect import Session
from layersite.database.mariadb.ddl import read_definition
from layersite.database.mariadb.definitions import definitions
from layersite.model.errors import DatabaseError
from tests.database.mariadb import MariaDBServer
from tests.database.test_mariadb_golden import make, wish

SCHEMA = """
CREATE TABLE country (code char(2) PRIMARY KEY) ENGINE=MyISAM DELAY_KEY_WRITE=1;
CREATE TABLE hot (id int, KEY k USING HASH (id)) ENGINE=MEMORY;
CREATE TABLE cold (id int, words text, FULLTEXT KEY (words)) ENGINE=Aria;
CREATE TABLE person (
  id int PRIMARY KEY AUTO_INCREMENT, mail varchar(90) NOT NULL, name varchar(90) DEFAULT 'n.n.',
  age int CHECK (age > 0), nick varchar(30) COLLATE utf8mb4_bin, mood enum('calm', 'loud'),
  whole varchar(200) AS (concat(name, mail)) STORED,
  boss int, photo varchar(90), UNIQUE KEY by_mail (mail), KEY by_age (age), KEY by_both (age, photo),
  CONSTRAINT grown CHECK (age < 200), CONSTRAINT of_boss FOREIGN KEY (boss) REFERENCES person (id) ON DELETE CASCADE
);
CREATE TABLE event (at int NOT NULL, mail varchar(90)) PARTITION BY RANGE (at) (
  PARTITION low VALUES LESS THAN (10), PARTITION high VALUES LESS THAN (20));
CREATE VIEW people AS SELECT mail, age FROM person WHERE age > 3;
CREATE VIEW gone AS SELECT mail FROM person;
CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN 2 * n;
CREATE PROCEDURE tidy() DELETE FROM event WHERE at < 0;
CREATE TRIGGER noted BEFORE INSERT ON person FOR EACH ROW SET NEW.nick = 'x';
INSERT INTO person (mail, age, photo) VALUES ('anna@real.example', 4, 'x');
"""
KEPT = dict.fromkeys(("id", "name", "age", "nick", "mood", "whole", "boss"), "keep")
CONTRACT: dict[str, Any] = {
    "country": {"code": "keep"},
    "hot": {"id": "keep"},
    "cold": {"id": "keep", "words": "null"},
    "person": {**KEPT, "mail": {"mask": "email"}, "photo": "drop"},
    "event": {"at": "keep", "mail": {"mask": "email"}},
    "people": {"mail": "keep", "age": "keep"},
    "gone": "drop",
}
SPOILT = [
    ("ALTER TABLE person ALTER name SET DEFAULT 'x'", "column name of person is not as"),
    ("ALTER TABLE person MODIFY nick varchar(30) COLLATE utf8mb4_general_ci", "column nick of person is not as"),
    ("ALTER TABLE person MODIFY mood enum('calm', 'quiet')", "column mood of person is not as"),
    ("ALTER TABLE person MODIFY whole varchar(200) AS (concat(mail, name)) STORED", "column whole of person is not as"),
    ("ALTER TABLE person MODIFY mail varchar(90)", "column mail of person is not as"),
    ("ALTER TABLE person MODIFY age int", "column age of person is not as"),
    ("ALTER TABLE person DROP KEY by_age", "key by_age of person of the source is missing"),
    ("ALTER TABLE person DROP CONSTRAINT grown", "constraint grown of person of the source is missing"),
    (
        "ALTER TABLE person DROP FOREIGN KEY of_boss, ADD CONSTRAINT of_one FOREIGN KEY (boss) REFERENCES person (id)",
        "constraint of_one of person is not in the source",
    ),
    ("ALTER TABLE event DROP PARTITION high", "table event is not as"),
    ("ALTER TABLE country COMMENT 'x'", "table country is not as"),
    ("CREATE OR REPLACE VIEW people AS SELECT mail, age FROM person WHERE age > 2", "view people is not as"),
    ("DROP FUNCTION twice", "function twice of the source is missing"),
    ("DROP PROCEDURE tidy; CREATE PROCEDURE tidy() DELETE FROM event", "procedure tidy is not as"),
    ("DROP TRIGGER noted", "trigger noted of the source is missing"),
]


@pytest.fixture(scope="module")
def found(mariadb: MariaDBServer) -> tuple[Check, Check]:
    """What is said of a golden, and once it is spoilt."""
    mariadb.create("kinds", SCHEMA)
    ordered = wish(mariadb, mariadb, "kinds", CONTRACT)
    made = make(ordered)
    (right,) = (check for check in made.attestation.checks if check.name == "definitions")
    mariadb.run(made.golden.name, ";".join(sql for sql, _ in SPOILT))
    with (
        ordered.engine.open_source() as source,
        closing(Session(mariadb.uri(""), made.golden.name)) as golden,
    ):
        return right, definitions(source.definition, read_definition(golden), ordered.contract, is_alike=True)  # type: ignore[attr-defined]


def test_a_golden_without_what_the_contract_drops_is_green(found: tuple[Check, Check]) -> None:
    right, _ = found
    assert (right.problems, right.remarks) == ((), ())
    assert right.looked_at > len(SPOILT)


@pytest.mark.parametrize("problem", [problem for _, problem in SPOILT])
def test_a_golden_that_is_defined_otherwise_is_red(found: tuple[Check, Check], problem: str) -> None:
    _, spoilt = found
    assert [each for each in spoilt.problems if f"the {problem}" in each] != []


def test_what_nobody_has_changed_is_not_red(found: tuple[Check, Check]) -> None:
    _, spoilt = found
    expected = [*(f"the {problem}" for _, problem in SPOILT), "the constraint of_boss of person"]
    others = [each for each in spoilt.problems if not any(problem in each for problem in expected)]
    assert others == []


QUOTED = {
    "default": "CREATE TABLE `{0}` (mail varchar(90) DEFAULT '{1}')",
    "check": "CREATE TABLE `{0}` (mail varchar(90) CHECK (mail <> '{1}'))",
    "generated": "CREATE TABLE `{0}` (id int, mail varchar(90) AS (IF(id = 0, '{1}', NULL)))",
    "bound": "CREATE TABLE `{0}` (mail varchar(90)) PARTITION BY LIST COLUMNS (mail) (PARTITION p VALUES IN ('{1}'))",
    "enum": "CREATE TABLE `{0}` (mail enum('{1}'))",
    "comment": "CREATE TABLE `{0}` (mail varchar(90) COMMENT 'such as {1}')",
    "function": "CREATE FUNCTION `{0}`() RETURNS varchar(90) RETURN '{1}'",
    "view": "CREATE VIEW `{0}` AS SELECT '{1}' AS mail",
    "trigger": "CREATE TRIGGER `{0}` BEFORE INSERT ON person FOR EACH ROW SET @x = 'write to {1}'",
}


def test_what_the_schema_quotes_is_red_wherever_it_stands(mariadb: MariaDBServer) -> None:
    columns = ", ".join(f"of_{name} varchar(90)" for name in QUOTED)
    values = ", ".join(f"'{name}@real.example'" for name in QUOTED)
    made = [f"CREATE TABLE person ({columns}); INSERT INTO person VALUES ({values})"]
    relations: dict[str, Any] = {"person": {f"of_{name}": {"mask": "email"} for name in QUOTED}}
    for name, sql in QUOTED.items():
        made.append(sql.format(name, f"{name}@real.example"))
        kept = {"mail": "keep", **({"id": "keep"} if name == "generated" else {})}
        relations |= {name: kept} if "TABLE" in sql or name == "view" else {}
    mariadb.create("quoting", ";".join(made))
    with pytest.raises(DatabaseError) as error:
        make(wish(mariadb, mariadb, "quoting", relations))
    for name in QUOTED:
        assert f"schema: it quotes 1 values of person.of_{name};" in str(error.value)
    assert "real.example" not in str(error.value)
