"""Clones on a real MariaDB server: whose they are, who may enter them, by which way they came, and that they go."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest

from layersite.database.clone import Order, admit, provide, reap
from layersite.database.mariadb import ledger
from layersite.database.mariadb.clone import MariaDBClones
from layersite.database.mariadb.connect import Session
from layersite.database.mariadb.copy import Reach, reaches
from layersite.model.contract import Quiet
from layersite.model.database import Clone, Golden
from layersite.model.errors import DatabaseError
from tests.database.mariadb import MariaDBServer, running_mariadb

_NUMBERS = itertools.count()
REACHES: dict[str, Reach] = {"tablespace files": reaches, "rows": lambda _: False}
"""By way what this program can reach: the server's files, or none of them, as from another machine."""
SHOP = """
CREATE TABLE customer (id int PRIMARY KEY AUTO_INCREMENT, name varchar(60) NOT NULL,
  upper varchar(60) AS (upper(name)));
CREATE TABLE orders (id int PRIMARY KEY AUTO_INCREMENT, customer int, total decimal(9, 2),
  CONSTRAINT by_customer FOREIGN KEY (customer) REFERENCES customer (id));
CREATE TABLE outbox (id int, message text, FULLTEXT (message));
CREATE TABLE webhook (id int, url text, is_on bool);
CREATE VIEW list AS SELECT name, total FROM customer JOIN orders ON customer = customer.id;
CREATE FUNCTION me() RETURNS varchar(90) READS SQL DATA RETURN current_user();
INSERT INTO customer (name) SELECT concat('customer ', seq) FROM seq_1_to_100;
INSERT INTO orders (customer, total) SELECT seq, seq FROM seq_1_to_100;
INSERT INTO webhook VALUES (1, 'https://shop.example.com/hook', true);
CREATE TRIGGER note AFTER INSERT ON orders FOR EACH ROW INSERT INTO outbox VALUES (NEW.id, current_user());
"""


def publish(server: MariaDBServer, sql: str) -> Golden:
    """Make a golden by hand, as a build would publish one."""
    name = f"golden_shop_{next(_NUMBERS):012x}"
    server.create(name, sql)
    golden = Golden(
        name=name,
        database="shop",
        engine="mariadb",
        built="2026-01-02T03:04:05Z",
        contract="a" * 64,
        attestation="b" * 64,
        server="10.11",
    )
    with closing(Session(server.uri(""))) as session:
        ledger.begin(session, name)
        ledger.write(session, name, golden)
    return golden


@pytest.fixture(scope="module")
def golden(mariadb: MariaDBServer) -> Golden:
    return publish(mariadb, SHOP)


@pytest.fixture
def engine(mariadb: MariaDBServer) -> Iterator[MariaDBClones]:
    with closing(MariaDBClones(mariadb.uri(""), "LAYERSITE_DATABASE_SHOP_SERVER")) as engine:
        yield engine


@pytest.fixture
def order(golden: Golden) -> Order:
    number = next(_NUMBERS)
    return Order(f"site-{number}.git", f"t{number}-", "web-1", "shop", golden.name)


@pytest.mark.parametrize("way", REACHES)
def test_a_clone_holds_what_its_golden_does_and_is_its_users(mariadb: MariaDBServer, order: Order, way: str) -> None:
    with closing(MariaDBClones(mariadb.uri(""), "V", REACHES[way])) as engine:
        clone, changed = provide(engine, order)
        password = admit(engine, order.name, None)
        assert engine.records()[order.name] == clone
    assert (changed, clone.method) == (True, way)
    own = (order.name, order.name, password)
    assert mariadb.ask("SELECT count(*), max(name), max(upper) FROM customer", *own) == [
        (100, "customer 99", "CUSTOMER 99")
    ]
    assert mariadb.ask("SELECT count(*) FROM list", *own) == [(100,)]
    assert mariadb.ask("SELECT me()", *own) == [(f"{order.name}@%",)]
    mariadb.ask("INSERT INTO orders (customer, total) VALUES (1, 5)", *own)
    assert mariadb.ask("SELECT message FROM outbox", *own) == [(f"{order.name}@%",)]
    with pytest.raises(pymysql.IntegrityError, match="by_customer"):
        mariadb.ask("INSERT INTO orders (customer, total) VALUES (999, 5)", *own)
    mariadb.ask("ALTER TABLE orders ADD paid bool", *own)
    mariadb.ask("CREATE TABLE more (id int)", *own)


def test_where_the_server_does_not_write_out_what_it_is_asked_to_rows_come_one_by_one(
    mariadb: MariaDBServer, order: Order
) -> None:
    for statement in ("CREATE USER keeper IDENTIFIED BY 'keeper'", "GRANT ALL ON *.* TO keeper WITH GRANT OPTION"):
        mariadb.ask(statement)
    mariadb.ask("REVOKE SUPER ON *.* FROM keeper")
    with closing(MariaDBClones(mariadb.uri("", "keeper", "keeper"), "V")) as engine:
        assert provide(engine, order)[0].method == "rows"
    mariadb.ask("DROP USER keeper")
    assert mariadb.ask("SELECT count(*) FROM list", order.name) == [(100,)]


def test_generated_columns_and_spatial_indexes_come_in_files_and_go_on_working(
    mariadb: MariaDBServer, engine: MariaDBClones, order: Order
) -> None:
    golden = publish(
        mariadb,
        """
        CREATE TABLE `odd ``name` (id int PRIMARY KEY AUTO_INCREMENT, a int, stored int AS (a * 2) STORED,
          later int AS (a * 3) VIRTUAL, upper varchar(60) AS (upper(name)), name varchar(60) NOT NULL,
          KEY (stored), KEY (later), KEY (upper));
        INSERT INTO `odd ``name` (a, name) SELECT seq, concat('name ', seq) FROM seq_1_to_500;
        CREATE TABLE places (id int PRIMARY KEY AUTO_INCREMENT, place point NOT NULL, SPATIAL KEY (place));
        INSERT INTO places (place) SELECT point(seq, seq) FROM seq_1_to_500;
        """,
    )
    clone, _ = provide(engine, replace(order, golden=golden.name))
    assert clone.method == "tablespace files"
    table = "`odd ``name`"
    for rows in (f"SELECT * FROM {table} ORDER BY id", "SELECT id, st_astext(place) FROM places ORDER BY id"):
        assert mariadb.ask(rows, clone.name) == mariadb.ask(rows, golden.name)
    mariadb.ask(f"UPDATE {table} SET a = a + 1000, name = concat(name, '!')", clone.name)
    mariadb.ask(f"DELETE FROM {table} WHERE id % 7 = 0", clone.name)
    mariadb.ask(f"INSERT INTO {table} (a, name) VALUES (-1, 'new')", clone.name)
    found = f"SELECT name, stored FROM {table} FORCE INDEX ({{}}) WHERE {{}}"
    assert mariadb.ask(found.format("later", "later = -3"), clone.name) == [("new", -2)]
    assert mariadb.ask(found.format("upper", "upper = 'NAME 3!'"), clone.name) == [("name 3!", 2006)]
    mariadb.ask("UPDATE places SET place = point(id * 2, id * 2)", clone.name)
    near = "SELECT count(*) FROM places WHERE st_within(place, st_geomfromtext('POLYGON((0 0, 9 0, 9 9, 0 9, 0 0))'))"
    assert mariadb.ask(near, clone.name) == [(4,)]
    for each in (table, "places"):
        assert mariadb.ask(f"CHECK TABLE {each} EXTENDED", clone.name)[0][-1] == "OK"


@pytest.mark.stress
def test_large_partitions_come_in_files_and_small_ones_row_by_row(
    mariadb: MariaDBServer, engine: MariaDBClones, order: Order
) -> None:
    """Of some 35 MB each: below that an exchange of partitions takes longer than their rows."""
    schema = """
        CREATE TABLE `odd ``name é` (id int AUTO_INCREMENT, a int, more int AS (a + 1) VIRTUAL, load_ longblob,
          PRIMARY KEY (id), KEY (more)) PARTITION BY RANGE (id) SUBPARTITION BY HASH (id) SUBPARTITIONS 1
          (PARTITION `p``o é` VALUES LESS THAN (36), PARTITION rest VALUES LESS THAN MAXVALUE);
        INSERT INTO `odd ``name é` (a, load_) SELECT seq, repeat('x', {size}) FROM seq_1_to_70;
        ANALYZE TABLE `odd ``name é`;
    """
    for size, way in ((1_000_000, "tablespace files"), (10, "rows")):
        golden = publish(mariadb, schema.format(size=size))
        clone, _ = provide(engine, replace(order, golden=golden.name, environment=f"web-{size}"))
        assert clone.method == way
        rows = "SELECT id, a, more, md5(load_) FROM `odd ``name é` PARTITION ({}) ORDER BY 1"
        for part in ("`p``o é`", "rest"):
            assert mariadb.ask(rows.format(part), clone.name) == mariadb.ask(rows.format(part), golden.name)
        mariadb.ask("UPDATE `odd ``name é` SET a = a + 100", clone.name)
        mariadb.ask("INSERT INTO `odd ``name é` (a) VALUES (7)", clone.name)
        assert mariadb.ask("SELECT id > 70 FROM `odd ``name é` WHERE more = 8", clone.name) == [(1,)]
        assert mariadb.ask("CHECK TABLE `odd ``name é` EXTENDED", clone.name)[0][-1] == "OK"
        assert len(mariadb.ask("SHOW TABLES", clone.name)) == 1


def test_without_a_golden_it_is_empty_and_its_users(
    mariadb: MariaDBServer, engine: MariaDBClones, order: Order
) -> None:
    clone, changed = provide(engine, replace(order, golden=None))
    own = (order.name, order.name, admit(engine, order.name, None))
    assert (changed, clone.golden, clone.method) == (True, None, "empty")
    assert mariadb.ask("SHOW TABLES", *own) == []
    mariadb.ask("CREATE TABLE more (id int)", *own)
    engine.record(clone.model_copy(update={"filled": 7}))
    found, changed = provide(engine, replace(order, golden=None))
    assert (found.filled, changed) == (7, False)


def test_a_second_run_changes_nothing(mariadb: MariaDBServer, engine: MariaDBClones, order: Order) -> None:
    first, _ = provide(engine, order)
    password = admit(engine, order.name, None)
    mariadb.ask("INSERT INTO webhook VALUES (2, '', false)", order.name)
    assert provide(engine, order) == (first, False)
    assert admit(engine, order.name, password) == password
    assert mariadb.ask("SELECT count(*) FROM webhook", order.name) == [(2,)]
    assert provide(engine, replace(order, reset=True))[1]
    assert admit(engine, order.name, password) == password
    assert mariadb.ask("SELECT count(*) FROM webhook", order.name) == [(1,)]


def test_a_dry_run_changes_nothing(mariadb: MariaDBServer, engine: MariaDBClones, order: Order) -> None:
    assert provide(engine, order, dry_run=True)[1]
    assert not engine.has(order.name)
    assert mariadb.ask(f"SELECT count(*) FROM mysql.user WHERE user = '{order.name}'") == [(0,)]


def test_a_user_enters_its_own_database_alone(
    mariadb: MariaDBServer, engine: MariaDBClones, order: Order, golden: Golden
) -> None:
    provide(engine, order)
    password = admit(engine, order.name, None)
    neighbour = order.name.replace("__", "_x")  # what a grant with an unescaped `_` would let it enter
    mariadb.create(neighbour, "CREATE TABLE secret (id int)")
    for other in (neighbour, golden.name, "layersite", "mysql"):
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            mariadb.connect(other, order.name, password)


def test_a_clone_is_quiet(mariadb: MariaDBServer, engine: MariaDBClones, order: Order) -> None:
    quiet = Quiet(empty=("outbox", "orders"), set={"webhook": {"url": "https://hook.invalid/", "is_on": False}})
    provide(engine, replace(order, quiet=quiet))
    assert mariadb.ask("SELECT count(*) FROM orders", order.name) == [(0,)]
    assert mariadb.ask("SELECT url, is_on FROM webhook", order.name) == [("https://hook.invalid/", 0)]
    with pytest.raises(DatabaseError, match="quietens the table `outbux`, which the golden does not have"):
        provide(engine, replace(order, environment="web-2", quiet=Quiet(empty=("outbux",))))


def test_what_others_made_is_not_touched(mariadb: MariaDBServer, engine: MariaDBClones, order: Order) -> None:
    mariadb.create(order.name, "CREATE TABLE precious (id int)")
    with pytest.raises(DatabaseError, match=f"a database `{order.name}` that layersite did not make"):
        provide(engine, replace(order, reset=True))
    other = replace(order, environment="web-2")
    mariadb.ask(f"CREATE USER `{other.name}`")
    with pytest.raises(DatabaseError, match=f"a user `{other.name}` that is not this clone's"):
        provide(engine, other)
    assert engine.taken(order.site, order.prefix) == []
    assert mariadb.ask("SELECT count(*) FROM precious", order.name) == [(0,)]


def test_what_a_killed_run_left_is_finished_by_the_next(
    mariadb: MariaDBServer, engine: MariaDBClones, order: Order
) -> None:
    engine.ensure_role(order)
    with closing(Session(mariadb.uri(""))) as session:
        ledger.begin(session, order.name)
        session.ask(f"CREATE DATABASE `{order.name}`")
    assert provide(engine, order)[1]
    assert isinstance(engine.records()[order.name], Clone)


def test_reaping_leaves_nothing_of_it_and_all_of_the_others(
    mariadb: MariaDBServer, engine: MariaDBClones, order: Order
) -> None:
    other = replace(order, environment="web-2")
    for each in (order, other):
        provide(engine, each)
    password = admit(engine, order.name, None)
    with mariadb.connect(order.name, order.name, password):  # somebody who is connected does not prevent it
        (found,) = (each for each in engine.taken(order.site, order.prefix) if each.environment == "web-1")
        reap(engine, found)
    assert [each.environment for each in engine.taken(order.site, order.prefix)] == ["web-2"]
    assert mariadb.ask(f"SHOW DATABASES LIKE '{order.name}'") == []
    assert mariadb.ask(f"SELECT count(*) FROM mysql.user WHERE user = '{order.name}'") == [(0,)]
    assert engine.has(str(order.golden))


def test_the_servers_password_is_in_no_message(mariadb: MariaDBServer) -> None:
    with pytest.raises(DatabaseError, match="the server in SHOP_SERVER cannot be used: Access denied") as caught:
        MariaDBClones(mariadb.uri("", password="wrong-password"), "SHOP_SERVER")
    assert "wrong-password" not in str(caught.value)
    with pytest.raises(DatabaseError, match="no URI of a MariaDB server"):
        MariaDBClones("postgresql://x:secret@y/z", "SHOP_SERVER")


def test_an_older_mysql_server_is_refused_by_name() -> None:
    """Told from what it calls itself, which a MariaDB server can be told too."""
    said = r"the server in V is MySQL 5\.7\.44, which `engine: mariadb` cannot use; it needs 8\.0 or newer"
    with running_mariadb("--version=5.7.44") as server, pytest.raises(DatabaseError, match=said):
        MariaDBClones(server.uri(""), "V")


def test_files_are_the_servers_own(mariadb: MariaDBServer, engine: MariaDBClones, order: Order) -> None:
    provide(engine, order)
    owner = mariadb.data.stat().st_uid
    assert {path.stat().st_uid for path in Path(mariadb.data, order.name).iterdir()} == {owner}
