"""Made-up rows in real MariaDB schemas: every constraint holds, for the server itself has checked it."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from layersite.cli import main
from layersite.database.fixtures import Filled, Fixtures, fill, open_database
from layersite.model.errors import DatabaseError, UnknownNameError
from tests.database.mariadb import MariaDBServer
from tests.database.test_mariadb_sakila import SAKILA


@pytest.fixture
def empty(mariadb: MariaDBServer) -> None:
    mariadb.create("fixtures")


def make(server: MariaDBServer, schema: str, *, dry_run: bool = False, **given: Any) -> Filled:
    """Fill the database `fixtures` once it has `schema` too."""
    server.run("fixtures", schema)
    with open_database(server.uri("fixtures"), "fixtures", "mariadb") as opened:
        return fill(opened, Fixtures.model_validate(given), dry_run=dry_run)


def orphans(server: MariaDBServer, database: str) -> dict[str, int]:
    """Return by foreign key how many rows refer to nothing; the server itself would not look again."""
    keys: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for table, key, column, target, other in server.ask(
        "SELECT table_name, constraint_name, column_name, referenced_table_name, referenced_column_name"
        f" FROM information_schema.key_column_usage WHERE table_schema = '{database}'"
        " AND referenced_table_name IS NOT NULL ORDER BY ordinal_position"
    ):
        keys.setdefault((table, key, target), []).append((column, other))
    found = {}
    for (table, key, target), pairs in keys.items():
        same = " AND ".join(f"o.`{other}` = t.`{column}`" for column, other in pairs)
        present = " AND ".join(f"t.`{column}` IS NOT NULL" for column, _ in pairs)
        sql = (
            f"SELECT count(*) FROM `{table}` t WHERE {present} AND NOT EXISTS (SELECT 1 FROM `{target}` o WHERE {same})"
        )
        found[key] = server.ask(sql, database)[0][0]
    return found


def test_sakila_is_filled_and_what_is_full_is_left_alone(mariadb: MariaDBServer) -> None:
    if not SAKILA.is_dir():
        pytest.skip("the Sakila samples are not beside the checkout")
    uri = mariadb.create("sakila", (SAKILA / "sakila-mv-schema.sql").read_text(encoding="utf-8"))
    with open_database(uri, "sakila", "mariadb") as opened:
        filled = fill(opened, Fixtures(rows=80, tables={"payment": 500}))
        assert filled.rows == {table: 500 if table == "payment" else 80 for table in filled.rows}
        assert (len(filled.rows), filled.kept) == (15, ("film_text",))
        assert set(fill(opened, Fixtures()).kept) == {*filled.rows, "film_text"}
    by_trigger = "SELECT count(*) FROM film_text JOIN film USING (film_id, title)"
    assert mariadb.ask(by_trigger, "sakila") == [(80,)]
    assert set(orphans(mariadb, "sakila").values()) == {0}
    mariadb.ask("INSERT INTO category (name) VALUES ('the next number')", "sakila")


def test_the_same_seed_gives_the_same_rows(mariadb: MariaDBServer) -> None:
    schema = """
        CREATE TABLE person (id int AUTO_INCREMENT PRIMARY KEY, email varchar(90), boss int REFERENCES person (id));
        CREATE TABLE visit (at datetime, person int NOT NULL REFERENCES person (id));
    """

    def seen(seed: int) -> list[tuple[Any, ...]]:
        mariadb.create("fixtures")
        make(mariadb, schema, seed=seed)
        return mariadb.ask("SELECT * FROM person, visit WHERE person = id ORDER BY 1, 2, 3, 4, 5", "fixtures")

    assert seen(1) == seen(1) != seen(2)


@pytest.mark.usefixtures("empty")
def test_checks_and_unique_keys_of_every_kind_hold(mariadb: MariaDBServer) -> None:
    filled = make(
        mariadb,
        r"""
        CREATE SEQUENCE numbers;
        CREATE TABLE `Odd ``name" 100%` (
          `select` int AUTO_INCREMENT PRIMARY KEY, `group` tinyint UNSIGNED NOT NULL UNIQUE,
          code varchar(5) NOT NULL UNIQUE CHECK (char_length(code) = 5),
          kind varchar(9) NOT NULL CHECK (kind IN ('a', 'it''s b)')), size int NOT NULL CHECK (size IN (7, 9)),
          mood enum ('fine', 'it''s bad') NOT NULL, tags set ('x', 'it''s y') NOT NULL,
          starts date NOT NULL, ends date NOT NULL, CHECK (starts <= ends),
          age int CHECK (age BETWEEN 18 AND 19), share decimal(3, 3) NOT NULL, price decimal(5, 2) UNSIGNED NOT NULL,
          twice int AS (age * 2) STORED, half int AS (age DIV 2) VIRTUAL, CHECK (twice < 37), `number` bigint NOT NULL
            UNIQUE CHECK (`number` > 1000),
          doc json NOT NULL, `year` year NOT NULL UNIQUE, `time` time(3) NOT NULL, at timestamp(6) NOT NULL UNIQUE,
          bits bit(9) NOT NULL UNIQUE, `bit` bit NOT NULL, flag bool NOT NULL, f float NOT NULL, d double NOT NULL,
          raw blob NOT NULL, tiny tinytext NOT NULL, short binary(3) NOT NULL, u uuid NOT NULL UNIQUE,
          ip inet4 NOT NULL, ip6 inet6 NOT NULL, place point NOT NULL, latin varchar(20) CHARACTER SET latin1 NOT NULL,
          name varchar(200) NOT NULL, UNIQUE (name(6)), hidden int INVISIBLE NOT NULL DEFAULT 3,
          FULLTEXT (name), SPATIAL (place)
        ) COMMENT 'a `comment`';
        CREATE TABLE bare (at timestamp NOT NULL DEFAULT now());
        CREATE TABLE counted (id int DEFAULT nextval(numbers) PRIMARY KEY, note text) WITH SYSTEM VERSIONING;
        CREATE TABLE old (id tinyint PRIMARY KEY, note text) ENGINE = MyISAM;
        CREATE VIEW seen AS SELECT * FROM bare;
        """,
        tables={"old": 127, "bare": 3},
    )
    assert filled.rows == {'Odd `name" 100%': 50, "bare": 3, "counted": 50, "old": 127}
    seen = mariadb.ask(
        "SELECT max(age), count(distinct mood), min(char_length(code)), min(number), max(twice), max(size), min(year),"
        ' max(bits + 0) < 512, sum(flag) > 0, min(kind) FROM `Odd ``name" 100%`',
        "fixtures",
    )
    assert seen == [(18, 2, 5, seen[0][3], 36, 9, seen[0][6], 1, 1, "a")]
    mariadb.ask("INSERT INTO counted (note) VALUES ('the sequence goes on behind the rows')", "fixtures")


@pytest.mark.usefixtures("empty")
def test_cycles_are_opened_though_this_server_checks_nothing_late(mariadb: MariaDBServer) -> None:
    filled = make(
        mariadb,
        """
        CREATE TABLE team (id int AUTO_INCREMENT PRIMARY KEY, leader int NOT NULL, note float);
        CREATE TABLE person (id int AUTO_INCREMENT PRIMARY KEY, team int NOT NULL REFERENCES team (id),
          boss int REFERENCES person (id), myself int NOT NULL REFERENCES person (id));
        ALTER TABLE team ADD CONSTRAINT led FOREIGN KEY (leader) REFERENCES person (id);
        CREATE TABLE egg (number int UNIQUE NOT NULL, hen int, weight float);
        CREATE TABLE hen (id varbinary(8) PRIMARY KEY, egg int NOT NULL UNIQUE REFERENCES egg (number));
        ALTER TABLE egg MODIFY hen varbinary(8), ADD CONSTRAINT laid FOREIGN KEY (hen) REFERENCES hen (id);
        CREATE TABLE loose (name varchar(20), weight float, other int NOT NULL, KEY (other));
        CREATE TABLE knot (id bit(8) PRIMARY KEY, loose int NOT NULL UNIQUE, twist bit(8) REFERENCES knot (id));
        ALTER TABLE loose ADD COLUMN mine int NOT NULL, ADD KEY (mine), ADD FOREIGN KEY (other) REFERENCES knot (loose);
        ALTER TABLE knot ADD CONSTRAINT tied FOREIGN KEY (loose) REFERENCES loose (mine);
        """,
        rows=20,
    )
    assert filled.rows == dict.fromkeys(("egg", "hen", "knot", "loose", "person", "team"), 20)
    assert set(orphans(mariadb, "fixtures").values()) == {0}
    assert len(orphans(mariadb, "fixtures")) == 9
    assert mariadb.ask("SELECT count(DISTINCT leader) > 5 FROM team", "fixtures") == [(1,)]
    bosses = "SELECT count(*) > 10, sum(boss >= id) FROM person WHERE boss IS NOT NULL"
    assert mariadb.ask(bosses, "fixtures") == [(1, 0)]
    assert mariadb.ask("SELECT count(hen) > 10 FROM egg", "fixtures") == [(1,)]


@pytest.mark.usefixtures("empty")
def test_composite_keys_that_share_a_column_agree(mariadb: MariaDBServer) -> None:
    filled = make(
        mariadb,
        """
        CREATE TABLE tenant (id int AUTO_INCREMENT PRIMARY KEY);
        CREATE TABLE cart (tenant int REFERENCES tenant (id), id int AUTO_INCREMENT, PRIMARY KEY (tenant, id),
          KEY (id));
        CREATE TABLE item (tenant int REFERENCES tenant (id), id int AUTO_INCREMENT, PRIMARY KEY (tenant, id),
          KEY (id));
        CREATE TABLE line (tenant int NOT NULL, cart int NOT NULL, item int NOT NULL,
          FOREIGN KEY (tenant, cart) REFERENCES cart (tenant, id),
          FOREIGN KEY (tenant, item) REFERENCES item (tenant, id), PRIMARY KEY (tenant, cart, item));
        CREATE TABLE profile (tenant int PRIMARY KEY REFERENCES tenant (id), name text NOT NULL);
        """,
        rows=30,
        tables={"tenant": 5},
    )
    assert (filled.rows["profile"], filled.rows["line"]) == (5, 30)
    assert set(orphans(mariadb, "fixtures").values()) == {0}


@pytest.mark.usefixtures("empty")
def test_partitions_of_every_kind_are_filled(mariadb: MariaDBServer) -> None:
    filled = make(
        mariadb,
        """
        CREATE TABLE log (id int, at date NOT NULL) PARTITION BY RANGE COLUMNS (at)
          (PARTITION a VALUES LESS THAN ('2019-02-01'), PARTITION b VALUES LESS THAN ('2019-03-01'));
        CREATE TABLE years (at date NOT NULL) PARTITION BY RANGE (year(at)) SUBPARTITION BY HASH (dayofyear(at))
          SUBPARTITIONS 2 (PARTITION a VALUES LESS THAN (2025), PARTITION b VALUES LESS THAN (2026));
        CREATE TABLE levels (level varchar(9)) PARTITION BY LIST COLUMNS (level)
          (PARTITION a VALUES IN ('warn', 'it''s'), PARTITION b VALUES IN ('error', NULL));
        CREATE TABLE pairs (a int, b int) PARTITION BY RANGE COLUMNS (a, b)
          (PARTITION a VALUES LESS THAN (1000, 2), PARTITION b VALUES LESS THAN (100000, maxvalue));
        CREATE TABLE hashed (id int PRIMARY KEY) PARTITION BY KEY (id) PARTITIONS 3;
        """,
        rows=40,
    )
    assert filled.rows == dict.fromkeys(("hashed", "levels", "log", "pairs", "years"), 40)
    assert mariadb.ask("SELECT max(at) < '2019-03-01' FROM log", "fixtures") == [(1,)]


@pytest.mark.usefixtures("empty")
def test_what_cannot_be_made_up_is_refused_by_name_with_a_way_out(mariadb: MariaDBServer) -> None:
    schema = "CREATE TABLE place (at polygon NOT NULL, code text NOT NULL CHECK (code REGEXP '^[A-Z]{2}-[0-9]{4}$'))"
    with pytest.raises(DatabaseError, match=r"`place\.at`: nothing is known of the type polygon; give `values: "):
        make(mariadb, schema)
    given = {"place.at": ["POLYGON((0 0, 1 0, 1 1, 0 0))"]}
    with pytest.raises(
        DatabaseError, match=r"fill `place`: none of 800 made-up rows meets .*\^\[A-Z\]\{2\}.*give `values`"
    ):
        make(mariadb, "", values=given)
    make(mariadb, "", values={**given, "place.code": ["AB-1234", "CD-0000"]})
    assert mariadb.ask("SELECT DISTINCT code FROM place ORDER BY 1", "fixtures") == [("AB-1234",), ("CD-0000",)]
    with pytest.raises(UnknownNameError, match=r"no `plece`, did you mean `place`"):
        make(mariadb, "", tables={"plece": 3})


@pytest.mark.usefixtures("empty")
def test_a_failure_or_a_dry_run_leaves_every_table_empty(mariadb: MariaDBServer) -> None:
    schema = """
        CREATE TABLE first (id int AUTO_INCREMENT PRIMARY KEY);
        CREATE TABLE aged (id int AUTO_INCREMENT PRIMARY KEY) ENGINE = MyISAM;
        CREATE TABLE second (id int AUTO_INCREMENT PRIMARY KEY, first int NOT NULL REFERENCES first (id));
    """
    assert make(mariadb, schema, dry_run=True).rows == {"aged": 50, "first": 50, "second": 50}
    refuse = (
        "CREATE TRIGGER refuse BEFORE INSERT ON second FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'never'"
    )
    with pytest.raises(DatabaseError, match=r"cannot fill `second`: .*error 1644.*; give `values`"):
        make(mariadb, refuse)
    counted = "SELECT (SELECT count(*) FROM first), (SELECT count(*) FROM aged)"
    assert mariadb.ask(counted, "fixtures") == [(0, 0)]


@pytest.mark.usefixtures("empty")
def test_rows_of_migrations_are_kept_and_referred_to(mariadb: MariaDBServer) -> None:
    filled = make(
        mariadb,
        "CREATE TABLE kind (name varchar(9) PRIMARY KEY); INSERT INTO kind VALUES ('given');"
        "CREATE TABLE thing (kind varchar(9) NOT NULL REFERENCES kind (name), email varchar(90) NOT NULL UNIQUE);",
    )
    assert filled == Filled({"thing": 50}, ("kind",))
    seen = mariadb.ask("SELECT DISTINCT kind, email LIKE '%@example.com' FROM thing", "fixtures")
    assert seen == [("given", 1)]


def test_the_command_fills_the_database_of_an_environment_once(
    mariadb: MariaDBServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    valid = (Path(__file__).parents[1] / "fixtures" / "valid" / "site-migrations.yaml").read_text()
    (tmp_path / "layersite.yaml").write_text(
        valid.replace("  shop:\n    host", "  shop:\n    engine: mariadb\n    host")
    )
    (tmp_path / "data" / "shop").mkdir(parents=True)
    (tmp_path / "data" / "shop" / "fixtures.yaml").write_text("rows: 7\n")
    mariadb.create("env_web_42__shop", "CREATE TABLE customer (id int AUTO_INCREMENT PRIMARY KEY, email text NOT NULL)")
    monkeypatch.setenv("LAYERSITE_DATABASE_SHOP_SERVER", mariadb.uri(""))

    def layersite(*arguments: str) -> str:
        return CliRunner().invoke(main, ["--site", str(tmp_path), "fixtures", *arguments]).output

    assert "customer  7" in layersite("web-42", "shop", "--dry-run")
    assert mariadb.ask("SELECT count(*) FROM customer", "env_web_42__shop") == [(0,)]
    assert "customer  7" in layersite("web-42", "shop")
    assert "customer  kept" in layersite("web-42", "shop")
    assert mariadb.ask("SELECT count(*), max(id) FROM customer", "env_web_42__shop") == [(7, 7)]
    assert "env_web_43__shop cannot be used: Unknown database" in layersite("web-43", "shop")
