"""Schemas on MariaDB that nobody would write and somebody has: each one's golden is right, or is refused by name.

Each golden is cloned too, by the files of its tables and row by row, and the clones are compared with it.
"""

import json
from contextlib import closing
from typing import Any

import pytest
import yaml

from layersite.database.clone import Order, provide
from layersite.database.golden.make import UncoveredError
from layersite.database.mariadb.clone import MariaDBClones
from layersite.model.errors import DatabaseError, InvalidInputError
from tests.database.mariadb import MariaDBServer
from tests.database.test_adversarial import LEAVES, assert_masked
from tests.database.test_mariadb_golden import databases, make, wish


class Way:
    """From a script over a golden to a clone of it."""

    def __init__(self, server: MariaDBServer) -> None:
        self._server = server
        self.name = ""

    def __call__(self, sql: str, relations: Any = None, **more: Any) -> "Way":
        self._server.create("shop", sql)
        self.golden = make(wish(self._server, self._server, "shop", relations, **more)).golden.name
        with closing(MariaDBClones(self._server.uri(""), "V")) as engine:
            self.name = provide(engine, Order("odd.git", "odd-", "web-1", "shop", self.golden, reset=True))[0].name
        tables = (
            "SELECT table_name FROM information_schema.tables WHERE table_schema = '{}' AND table_type = 'BASE TABLE'"
        )
        for (table,) in self._server.ask(tables.format(self.golden)):
            quoted = "`" + table.replace("`", "``") + "`"
            golden, clone = (self._server.ask(f"SELECT * FROM {quoted}", name) for name in (self.golden, self.name))
            assert sorted(map(repr, golden)) == sorted(map(repr, clone)), table
        return self

    def rows(self, query: str, database: str = "") -> list[tuple[Any, ...]]:
        return self._server.ask(query, database or self.name)

    def value(self, query: str) -> Any:
        return self.rows(query)[0][0]


@pytest.fixture
def way(mariadb: MariaDBServer) -> Way:
    return Way(mariadb)


def test_names_with_quotes_blanks_and_reserved_words(way: Way) -> None:
    sql = r"""
    CREATE TABLE `order` (`from` int PRIMARY KEY, `e'mail` varchar(90), `naïve ✓` text, `50%s \\` int, `a``b` int,
      `"` int, KEY `it's` (`a``b`), CONSTRAINT `ch'eck %s` CHECK (`from` > 0));
    CREATE TABLE `we.ird ``table` (`select` int, `up to` int, PRIMARY KEY (`select`),
      CONSTRAINT `key``s` FOREIGN KEY (`up to`) REFERENCES `order` (`from`) ON DELETE CASCADE);
    CREATE VIEW `group` AS SELECT `e'mail` AS `by` FROM `order`;
    CREATE TRIGGER `before` BEFORE INSERT ON `order` FOR EACH ROW SET NEW.`a``b` = 1;
    CREATE PROCEDURE `call`(IN `in` int) SELECT `in`;
    INSERT INTO `order` VALUES (1, 'a@real.example', 'x', 1, 2, 3); INSERT INTO `we.ird ``table` VALUES (1, 1);
    """
    odd = "we.ird `table"
    order = {
        "from": "keep",
        "e'mail": {"mask": "email"},
        "naïve ✓": {"mask": "text"},
        "50%s \\\\": {"mask": "number", "min": 5, "max": 9},
        "a`b": "keep",
        '"': "null",
    }
    clone = way(sql, {"order": order, odd: {"select": "keep", "up to": "keep"}, "group": {"by": "keep"}})
    assert clone.value("SELECT `by` FROM `group`").endswith("@example.com")
    assert clone.rows('SELECT `50%s \\\\` BETWEEN 5 AND 9, `a``b`, `"` FROM `order`') == [(1, 1, None)]
    assert clone.value("CALL `call`(7)") == 7
    clone.rows("DELETE FROM `order`")
    assert clone.rows("SELECT * FROM `we.ird ``table`") == []


def test_a_thousand_columns(way: Way) -> None:
    columns = [f"c{n}" for n in range(1010)]
    sql = (
        f"CREATE TABLE wide ({', '.join(f'{c} smallint' for c in columns)}); INSERT INTO wide (c7, c999) VALUES (7, 9)"
    )
    masked = dict.fromkeys(columns, "keep") | {"c999": {"mask": "number", "min": 100, "max": 200}}
    clone = way(sql, {"wide": masked})
    assert clone.rows("SELECT c7, c999 BETWEEN 100 AND 200, c8 FROM wide") == [(7, 1, None)]


def test_no_primary_key_equal_rows_and_no_rows(way: Way) -> None:
    sql = """
    CREATE TABLE log (word varchar(30)); INSERT INTO log SELECT 'alpha' FROM seq_1_to_5;
    CREATE TABLE empty (name varchar(30) PRIMARY KEY);
    """
    word = {"mask": "identifier"}
    clone = way(sql, {"log": {"word": word}, "empty": {"name": word}})
    assert clone.rows("SELECT count(*), count(DISTINCT word), (SELECT count(*) FROM empty) FROM log") == [(5, 1, 0)]


def test_generated_columns_and_counters(way: Way) -> None:
    sql = """
    CREATE TABLE person (id int PRIMARY KEY AUTO_INCREMENT, first varchar(30), last varchar(30),
      whole varchar(90) AS (concat(first, ' ', last)) STORED, later varchar(90) AS (upper(last)) VIRTUAL,
      hidden int INVISIBLE DEFAULT 3, at timestamp DEFAULT current_timestamp ON UPDATE current_timestamp,
      KEY (whole), KEY (later));
    INSERT INTO person (first, last, at) SELECT 'Realname', concat('Family', seq), '2026-01-02' FROM seq_1_to_40;
    """
    person = {
        **dict.fromkeys(("id", "whole", "later", "hidden", "at"), "keep"),
        "first": {"mask": "first_name"},
        "last": {"mask": "last_name"},
    }
    clone = way(sql, {"person": person})
    assert clone.value("SELECT min(whole = concat(first, ' ', last) AND later = upper(last)) FROM person") == 1
    assert clone.rows("SELECT DISTINCT hidden, DATE(at) = '2026-01-02' FROM person") == [(3, 1)]
    assert clone.value("INSERT INTO person (first) VALUES ('x') RETURNING id") == 41


def test_partitions_of_partitions(way: Way) -> None:
    sql = """
    CREATE TABLE event (at date NOT NULL, id int NOT NULL, mail varchar(90), PRIMARY KEY (at, id), KEY (mail))
      PARTITION BY RANGE (YEAR(at)) SUBPARTITION BY HASH (id) SUBPARTITIONS 2
      (PARTITION old VALUES LESS THAN (2026), PARTITION new VALUES LESS THAN MAXVALUE);
    INSERT INTO event SELECT date '2025-12-31' + INTERVAL seq DAY, seq, concat(seq, '@real.example') FROM seq_0_to_99;
    """
    clone = way(sql, {"event": {"at": "keep", "id": "keep", "mail": {"mask": "email"}}})
    assert clone.rows("SELECT count(DISTINCT mail), min(mail LIKE '%@example.com') FROM event") == [(100, 1)]
    assert clone.value("SELECT count(*) FROM event PARTITION (old)") == 1


def test_composite_self_and_mutual_references(way: Way) -> None:
    sql = """
    CREATE TABLE node (a varchar(30), b varchar(30), up_a varchar(30), up_b varchar(30), PRIMARY KEY (a, b),
      FOREIGN KEY (up_a, up_b) REFERENCES node (a, b));
    SET foreign_key_checks = 0;
    INSERT INTO node SELECT concat('key', seq), concat('part', seq), concat('key', seq % 9), concat('part', seq % 9)
      FROM seq_0_to_20;
    CREATE TABLE team (id int PRIMARY KEY, head int, FOREIGN KEY (head) REFERENCES member (id));
    CREATE TABLE member (id int PRIMARY KEY, team int NOT NULL, FOREIGN KEY (team) REFERENCES team (id));
    INSERT INTO team VALUES (1, 2); INSERT INTO member VALUES (2, 1);
    """
    key = {"mask": "identifier", "domain": "node"}
    relations = {
        "node": dict.fromkeys(("a", "b", "up_a", "up_b"), key),
        "team": {"id": "keep", "head": "keep"},
        "member": {"id": "keep", "team": "keep"},
    }
    clone = way(sql, relations)
    assert clone.value("SELECT count(*) FROM node c JOIN node p ON (p.a, p.b) = (c.up_a, c.up_b)") == 21
    assert clone.rows("SELECT head, team FROM team JOIN member ON member.team = team.id") == [(2, 1)]


def test_enums_sets_documents_shapes_odd_numbers_and_dates(way: Way) -> None:
    sql = r"""
    CREATE TABLE odd (id int PRIMARY KEY, mood enum ('fine', 'it''s bad', ''), some set ('a', 'b'), doc json,
      place point, area geometry NOT NULL, zero date, moment datetime(6), clock time(3), year year,
      tiny tinyint unsigned, flag bit, many bit(64), n decimal(65, 30), f float, d double, raw varbinary(9),
      big longblob, code char(30), ip inet6, whose uuid, SPATIAL KEY (area));
    SET sql_mode = 'ALLOW_INVALID_DATES';
    INSERT INTO odd VALUES
      (1, 'it''s bad', 'a', '{"a": [1, null, "é"]}', POINT(1, 2), ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))'),
       '0000-00-00', '2026-00-31 12:00:00.123456', '-838:59:59', 2155, 255, b'1', 18446744073709551615,
       -99999999999999999999999999999999999.999999999999999999999999999999, -1.1754944e-38, 1.7976931348623157e308,
       x'00', REPEAT(x'ff00', 70000), 'c', '::ffff:192.0.2.1', '123e4567-e89b-12d3-a456-426655440000'),
      (2, '', '', '[]', NULL, POINT(0, 0), '2026-02-31', NULL, NULL, 0, 0, NULL, 0, 0, 0, -0.0, '', '', '', '::', NULL);
    """
    columns = (
        "id mood some doc place area zero moment clock year tiny flag many n f d raw big code ip whose".split()  # noqa: SIM905
    )
    clone = way(sql, {"odd": dict.fromkeys(columns, "keep")})
    listed = (
        "*, CAST(f AS double), ST_AsText(area), many + 0, CAST(zero AS char), CAST(moment AS char), CAST(clock AS char)"
    )
    found = clone.rows(f"SELECT {listed} FROM odd ORDER BY id")
    assert [repr(row) for row in found] == [repr(row) for row in clone.rows(f"SELECT {listed} FROM odd", "shop")]
    assert found[0][-3:] == ("0000-00-00", "2026-00-31 12:00:00.123456", "-838:59:59.000")
    assert found[1][-3:] == ("2026-02-31", None, None)


def test_text_of_every_script_and_character_set(way: Way) -> None:
    words = [
        "Ωμέγα",
        "日本語のメモ",
        "\u202eright-to-left",
        "e\u0301 combined",
        "🙈🙉🙊",
        "tab\tand\nline",
        "back\\slash",
        "quo'te",
    ]
    listed = ", ".join("('" + word.replace("\\", "\\\\").replace("'", "''") + "')" for word in words)
    sql = f"""
    CREATE TABLE word (w varchar(60), v varchar(60) COLLATE utf8mb4_bin, old varchar(60) CHARACTER SET latin1,
      FULLTEXT KEY (w));
    INSERT INTO word (w) VALUES {listed}; UPDATE word SET v = w, old = 'Zoë';
    """
    clone = way(sql, {"word": {"w": {"mask": "text"}, "v": "keep", "old": {"mask": "text"}}})
    lengths = [length for (length,) in clone.rows("SELECT CHAR_LENGTH(w) FROM word ORDER BY 1")]
    assert lengths == sorted(map(len, words))
    assert {word for (word,) in clone.rows("SELECT v FROM word")} == {*words}
    assert clone.rows("SELECT DISTINCT CHAR_LENGTH(old), old = 'Zoë' FROM word") == [(3, 0)]


def test_other_storage_engines_row_formats_and_compressed_columns(way: Way) -> None:
    sql = """
    CREATE TABLE flat (id int PRIMARY KEY, mail varchar(90)) ENGINE=MyISAM;
    CREATE TABLE aria (id int PRIMARY KEY, mail varchar(90)) ENGINE=Aria TRANSACTIONAL=0 PAGE_CHECKSUM=1;
    CREATE TABLE tight (id int PRIMARY KEY, mail text COMPRESSED) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8;
    CREATE TABLE pages (id int PRIMARY KEY, mail text) PAGE_COMPRESSED=1;
    """
    tables = ("flat", "aria", "tight", "pages")
    rows = "".join(f"INSERT INTO {table} SELECT seq, concat(seq, '@real.example') FROM seq_1_to_9;" for table in tables)
    clone = way(sql + rows, {table: {"id": "keep", "mail": {"mask": "email"}} for table in tables})
    for table in tables:
        assert clone.rows(f"SELECT count(DISTINCT mail), min(mail LIKE '%@example.com') FROM {table}") == [(9, 1)]


def test_a_column_can_be_dropped_and_a_document_keeps_what_is_listed(way: Way) -> None:
    sql = """
    CREATE TABLE doc (id int, photo blob, body json);
    INSERT INTO doc VALUES
      (1, 'x', '{"plan": "gold", "who": {"mail": "a@real.example", "phone": "1", "id": 4711, "age": 99}, "deep": [1],
                 "state": "ill", "note": "raw"}'),
      (2, NULL, '[1, 2]'), (3, NULL, '"text"'), (4, NULL, '{"who": {"id": {"deep": "raw"}, "mail": null}}');
    """
    clone = way(sql, {"doc": {"id": "keep", "photo": "drop", "body": {"mask": "json", "paths": LEAVES}}})
    first, *others = (json.loads(body) for (body,) in clone.rows("SELECT body FROM doc ORDER BY id"))
    assert_masked(first)
    assert others == [{"who": {}, "missing": {}}] * 3
    assert len(clone.rows("SELECT * FROM doc")[0]) == 2


def test_a_column_that_is_new_in_a_view_stops_the_build_and_is_proposed(way: Way) -> None:
    sql = """
    CREATE TABLE t (id int) PARTITION BY HASH (id) PARTITIONS 2; CREATE VIEW v AS SELECT id, 1 AS one FROM t;
    CREATE VIEW whole AS SELECT id FROM t; CREATE VIEW more AS SELECT * FROM whole;
    """
    with pytest.raises(UncoveredError) as refused:
        way(sql, {"t": {"id": "keep"}, "v": {"id": "keep"}, "whole": "keep"})
    relations = {"v": {"one": "keep"}, "whole": {"id": "keep"}, "more": {"id": "keep"}}
    assert yaml.safe_load(refused.value.proposal)["relations"] == relations
    with pytest.raises(UncoveredError, match="it is computed from masked tables; it can only be `keep`"):
        way(sql, {"t": {"id": "keep"}, **relations, "v": {"id": "null", "one": "keep"}})


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "CREATE TABLE t (id int); CREATE DATABASE IF NOT EXISTS aside; CREATE OR REPLACE TABLE aside.p (i int KEY);"
            "ALTER TABLE t ADD FOREIGN KEY (id) REFERENCES aside.p (i)",
            r"t refers to aside\.p, another database",
        ),
        (
            "CREATE TABLE t (id int, photo int);\nDELIMITER $\nCREATE PACKAGE p AS FUNCTION f RETURN int; END $",
            "package p",
        ),
    ],
    ids=["a key into another database", "a package"],
)
def test_what_no_golden_can_have_is_refused_and_nothing_is_left(mariadb: MariaDBServer, sql: str, message: str) -> None:
    mariadb.create("shop", f"SET sql_mode = 'ORACLE'; {sql}" if "PACKAGE" in sql else sql)
    with pytest.raises((DatabaseError, InvalidInputError), match=message):
        make(
            wish(mariadb, mariadb, "shop", {"t": {"id": "keep", "photo": "drop"} if "photo" in sql else {"id": "keep"}})
        )
    assert [name for name in databases(mariadb) if "draft" in name] == []
