"""The MariaDB engine on real MySQL servers: a golden, its checks, clones by both ways, made-up rows."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pymysql
import pytest

from layersite.database.clone import Order, admit, engine_of, fetcher, provide, reap
from layersite.database.contract import as_data, propose
from layersite.database.fixtures import Fixtures, fill, open_database
from layersite.database.golden.make import Made, Verdict, Wish, subkey, verify
from layersite.database.mariadb.clone import MariaDBClones
from layersite.database.mariadb.engine import MariaDB
from layersite.database.mariadb.instance import InstanceClones
from layersite.model.site import Instances
from tests.database.building import KEY
from tests.database.instances import ask, instance_settings, running
from tests.database.mariadb import MariaDBServer
from tests.database.mysql import KINDS, running_mysql
from tests.database.test_adversarial import LEAVES, assert_masked
from tests.database.test_mariadb_clone import REACHES
from tests.database.test_mariadb_fixtures import orphans
from tests.database.test_mariadb_golden import make, wish

SHOP = """
CREATE TABLE customer (id int PRIMARY KEY AUTO_INCREMENT, email varchar(60) NOT NULL UNIQUE, born date, size float,
  `upper` varchar(60) AS (upper(email)), later int AS (year(born) + 1) STORED, flags set ('a', 'b'), bits bit(9),
  raw varbinary(9),
  place point NOT NULL SRID 0, doc json, KEY (`upper`), SPATIAL KEY (place));
CREATE TABLE `odd ``name' "x" %s` (`select` int PRIMARY KEY AUTO_INCREMENT, customer int,
  CONSTRAINT by_customer FOREIGN KEY (customer) REFERENCES customer (id));
CREATE TABLE outbox (id int, message text, FULLTEXT (message));
CREATE TABLE log (id int PRIMARY KEY) PARTITION BY RANGE (id)
  (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE);
CREATE VIEW list AS SELECT email, `select` FROM customer JOIN `odd ``name' "x" %s` o ON customer = customer.id;
CREATE FUNCTION me() RETURNS varchar(90) READS SQL DATA RETURN current_user();

INSERT INTO customer (email, born, size, flags, bits, raw, place) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL
  SELECT i + 1 FROM n WHERE i < 60)
  SELECT concat('person', i, '@real.example'), '1980-01-02', 0.1, 'a,b', b'101', 0x00ff27,
  point(i, i) FROM n;
INSERT INTO `odd ``name' "x" %s` (customer) SELECT id FROM customer;
INSERT INTO log VALUES (1), (100);
CREATE TRIGGER note AFTER INSERT ON log FOR EACH ROW INSERT INTO outbox VALUES (NEW.id, current_user());
"""
CANARY = "person17@real.example"

pytestmark = pytest.mark.stress


@pytest.fixture(scope="module", params=KINDS)
def mysql(request: pytest.FixtureRequest) -> Iterator[MariaDBServer]:
    with running_mysql(request.param) as server:
        yield server


@pytest.fixture(scope="module")
def ordered(mysql: MariaDBServer) -> Wish:
    mysql.create("shop", SHOP)
    engine = wish(mysql, mysql, "shop", {}).engine
    with engine.open_source() as opened:
        proposed = as_data(propose(opened.schema, opened.samples))
    proposed["customer"] |= {"email": {"mask": "email"}, "born": {"mask": "date", "subject": "id"}, "place": "keep"}
    return wish(mysql, mysql, "shop", proposed, canaries=[CANARY])


@pytest.fixture(scope="module")
def made(ordered: Wish) -> Made:
    return make(ordered)


def test_a_golden_is_built_checked_and_watched(mysql: MariaDBServer, ordered: Wish, made: Made) -> None:
    name = made.golden.name
    assert mysql.ask("SELECT version()")[0][0].startswith(made.golden.server)
    masked = "SELECT count(*), sum(email LIKE '%@example.com'), sum(`upper` = upper(email)) FROM customer"
    assert mysql.ask(masked, name) == [(60, 60, 60)]
    kept = "SELECT id, size, flags, bits, later - year(born), st_astext(place) FROM customer ORDER BY 1"
    assert mysql.ask(kept, name) == mysql.ask(kept, "shop")
    assert mysql.ask("SELECT count(*) FROM list", name) == [(60,)]
    assert verify(ordered) == {name: Verdict()}
    ((email,),) = mysql.ask("SELECT email FROM customer WHERE id = 17", name)
    mysql.ask(f"UPDATE customer SET email = '{CANARY}' WHERE id = 17", name)
    problems = verify(ordered)[name].problems
    mysql.ask(f"UPDATE customer SET email = '{email}' WHERE id = 17", name)
    assert any("customer.email is not what `email` makes" in each for each in problems)
    assert any("canary 1 stands in a logical dump" in each for each in problems)


def test_routines_that_the_role_may_not_see_are_named(mysql: MariaDBServer, ordered: Wish) -> None:
    assert ordered.database == "shop"
    mysql.ask("CREATE USER reader IDENTIFIED BY 'of-a-test'")
    mysql.ask("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON shop.* TO reader")
    engine = MariaDB("shop", mysql.uri("shop", "reader"), mysql.uri(""), bytes(32))
    hidden = ("routines, should there be any, for the role may not see them",)
    for expected in (hidden, ()):
        with engine.open_source() as opened:
            assert (opened.schema.left_out, len(opened.definition.routines)) == (expected, 0 if expected else 1)
        mysql.ask("GRANT SELECT ON *.* TO reader")


def test_a_smaller_golden_is_complete_in_itself(mysql: MariaDBServer) -> None:
    mysql.create(
        "small",
        """
        CREATE TABLE person (mail varchar(40) PRIMARY KEY, boss varchar(40),
          FOREIGN KEY (boss) REFERENCES person (mail));
        CREATE TABLE visit (mail varchar(40) NOT NULL, place int, FOREIGN KEY (mail) REFERENCES person (mail));
        INSERT INTO person VALUES ('a@real.example', NULL), ('O''Zoë@real.example', 'a@real.example'), ('c', NULL);
        INSERT INTO visit VALUES ('O''Zoë@real.example', 1), ('O''Zoë@real.example', 1), ('c', 2);
        """,
    )
    key = {"mask": "identifier", "domain": "mail"}
    relations = {"person": {"mail": key, "boss": key}, "visit": {"mail": key, "place": "keep"}}
    subset = {"seeds": {"person": "mail LIKE 'O%'"}}
    name = make(wish(mysql, mysql, "small", relations, subset=subset)).golden.name
    assert mysql.ask("SELECT count(*), sum(boss IS NULL) FROM person", name) == [(2, 1)]
    assert mysql.ask("SELECT count(*), max(place) FROM visit JOIN person USING (mail)", name) == [(2, 1)]


def test_no_log_of_the_source_has_the_key(mysql: MariaDBServer) -> None:
    mysql.create(
        "logged", "CREATE TABLE customer (mail varchar(90)); INSERT INTO customer VALUES ('anna@real.example')"
    )
    settings = ("general_log", "slow_query_log", "log_queries_not_using_indexes", "long_query_time")
    mysql.ask("SET GLOBAL general_log_file = 'general.log', GLOBAL slow_query_log_file = 'slow.log'")
    mysql.ask(f"SET {', '.join(f'GLOBAL {each} = {int(each != settings[-1])}' for each in settings)}")
    make(wish(mysql, mysql, "logged", {"customer": {"mail": {"mask": "email"}}}))
    mysql.ask(f"SET {', '.join(f'GLOBAL {each} = DEFAULT' for each in settings)}")
    general, slow = ((mysql.data / f"{name}.log").read_bytes() for name in ("general", "slow"))
    assert b"ANALYZE TABLE" in general
    assert b"@layersite_key, CAST('email' AS BINARY)" in slow  # a masking query, which uses no index
    for each in (general, slow):
        assert subkey(KEY, "mask").hex().encode() not in each.lower()
        assert b"anna@real.example" not in each


def test_a_golden_of_another_server_is_brought(
    mysql: MariaDBServer, made: Made, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_mysql(request.node.callspec.params["mysql"]) as other:
        monkeypatch.setenv("LAYERSITE_DATABASE_SHOP_GOLDENS", mysql.uri(""))
        monkeypatch.setenv("LAYERSITE_DATABASE_SHOP_SERVER", other.uri(""))
        order = Order("site.git", "far-", "web-1", "shop", made.golden.name)
        with engine_of("shop", "mariadb") as engine:
            clone, _ = provide(engine, order, fetch=fetcher("shop", "mariadb", made.golden.name))
        assert clone.method == "parallel restore of the golden, then tablespace files"
        for table in ("customer", "log", "list"):
            rows = f"SELECT * FROM {table} ORDER BY 1"
            assert other.ask(rows, clone.name) == mysql.ask(rows, made.golden.name)


def test_canaries_are_looked_for_in_the_logs_of_another_server(
    mysql: MariaDBServer, ordered: Wish, request: pytest.FixtureRequest
) -> None:
    with running_mysql(request.node.callspec.params["mysql"]) as other:
        engine = MariaDB("shop", mysql.uri("shop"), other.uri(""), bytes(32))
        with engine.open_server() as server, engine.open_source() as source:
            draft = server.fill(source, ordered.contract).name
            found = []
            for sql in ("SELECT 1", f"CREATE TABLE layersite.aside SELECT '{CANARY}' AS mail", "FLUSH ENGINE LOGS"):
                other.ask(sql)
                checks = server.verify(draft, source, ordered.contract)
                found += [each.problems for each in checks if each.name == "files"]
    assert (found[0], found[-1]) == ((), ("canary 1 stands in the server's files",))


@pytest.mark.parametrize("way", REACHES)
def test_a_clone_holds_what_its_golden_does_and_is_its_users(mysql: MariaDBServer, made: Made, way: str) -> None:
    order = Order("site.git", "env-", f"web-{len(way)}", "shop", made.golden.name)
    with closing(MariaDBClones(mysql.uri(""), "V", REACHES[way])) as engine:
        clone, _ = provide(engine, order)
        password = admit(engine, order.name, None)
        assert (clone.method, provide(engine, order), admit(engine, order.name, password)) == (
            way,
            (clone, False),
            password,
        )
        own = (order.name, order.name, password)
        for table in ("customer", '`odd ``name\' "x" %s`', "log"):
            rows = f"SELECT * FROM {table} ORDER BY 1"
            assert mysql.ask(rows, *own) == mysql.ask(rows, made.golden.name)
        assert mysql.ask("SELECT me()", *own) == [(f"{order.name}@%",)]
        mysql.ask("INSERT INTO log VALUES (7)", *own)
        assert mysql.ask("SELECT message FROM outbox", *own) == [(f"{order.name}@%",)]
        with pytest.raises(pymysql.IntegrityError, match="foreign key constraint fails"):
            mysql.ask('UPDATE `odd ``name\' "x" %s` SET customer = 9999', *own)
        for other in (made.golden.name, "shop", "layersite", "mysql"):
            with pytest.raises(pymysql.OperationalError, match="denied"):
                mysql.connect(other, order.name, password)
        (found,) = (each for each in engine.taken(order.site, order.prefix) if each.name == order.name)
        reap(engine, found)
        assert not engine.has(order.name)


@pytest.fixture
def instances() -> Iterator[Instances]:
    with instance_settings() as settings:
        yield settings


def test_a_clone_has_a_server_of_its_own(
    mysql: MariaDBServer, made: Made, instances: Instances, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = Path("/proc", (mysql.folder / "pid").read_text().strip(), "cmdline").read_text().split("\0")
    program, basedir = started[: started.index("--no-defaults")], next(each for each in started if "--basedir=" in each)
    wrapper = mysql.folder / "bin/mysqld"  # where the user may go who runs the servers
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {" ".join(program)} "$@" {basedir}\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")
    order = Order("site.git", "own-", "web-1", "shop", made.golden.name)
    with closing(InstanceClones(mysql.uri(""), "V", instances)) as engine:
        clone, _ = provide(engine, order)
        password = admit(engine, order.name, None)
        assert clone.method == "parallel load of the golden, then instance, file copy"
        for table in ("customer", '`odd ``name\' "x" %s`', "log", "list"):
            rows = f"SELECT * FROM {table} ORDER BY 1"
            assert ask(clone, password, rows) == mysql.ask(rows, made.golden.name)
        assert ask(clone, password, "SELECT me()") == [(f"{order.name}@%",)]
        with pytest.raises(pymysql.OperationalError, match="denied"):
            ask(clone, password, "SELECT 1", "mysql")
        for process in running(Path(instances.directory)):
            os.kill(process, signal.SIGKILL)
        while running(Path(instances.directory)):
            time.sleep(0.05)
        assert provide(engine, order) == (clone, True)
        assert admit(engine, order.name, password) == password
        (found,) = engine.taken(order.site, order.prefix)
        reap(engine, found)
    assert running(Path(instances.directory)) == []


def test_rows_are_made_up(mysql: MariaDBServer) -> None:
    schema = """
        CREATE TABLE team (id int AUTO_INCREMENT PRIMARY KEY, leader int NOT NULL, twice int AS (id % 7) VIRTUAL);
        CREATE TABLE person (id int AUTO_INCREMENT PRIMARY KEY, team int NOT NULL, email varchar(90) UNIQUE, doc json,
          mood enum ('fine', 'it''s bad') NOT NULL, bits bit(9) NOT NULL, place point NOT NULL, `year` year NOT NULL,
          FOREIGN KEY (team) REFERENCES team (id));
        ALTER TABLE team ADD CONSTRAINT led FOREIGN KEY (leader) REFERENCES person (id);
    """
    with open_database(
        mysql.create("fixtures", schema.replace("AS (id % 7)", "AS (leader % 7)")), "fixtures", "mariadb"
    ) as it:
        assert fill(it, Fixtures()).rows == {"person": 50, "team": 50}
    assert set(orphans(mysql, "fixtures").values()) == {0}


def test_a_document_keeps_and_masks_only_what_is_listed(mysql: MariaDBServer) -> None:
    sql = r"""
    CREATE TABLE doc (id int, body json);
    INSERT INTO doc VALUES (2, '[1, 2]'), (3, '"text"'), (4, '{"who": {"id": {"deep": "raw"}, "mail": null}}'),
      (1, '{"plan": "gold", "who": {"mail": "zo\\u00eb\\"@real.example", "phone": "1", "id": 4711, "age": 99},
            "deep": [1], "state": "ill", "note": "raw"}'), (5, NULL);
    CREATE TABLE mail (mail varchar(90)); INSERT INTO mail VALUES ('zoë"@real.example');
    """
    mysql.create("papers", sql)
    relations = {
        "doc": {"id": "keep", "body": {"mask": "json", "paths": LEAVES}},
        "mail": {"mail": {"mask": "email"}},
    }
    name = make(wish(mysql, mysql, "papers", relations)).golden.name
    first, *others = (json.loads(body or "null") for (body,) in mysql.ask("SELECT body FROM doc ORDER BY id", name))
    assert first["who"]["mail"] == mysql.ask("SELECT mail FROM mail", name)[0][0]
    assert_masked(first)
    assert others == [{"who": {}, "missing": {}}] * 3 + [None]
