"""A clone on a real server: whose it is, who may enter it, what it keeps quiet about, and that it comes but once."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from layersite.database.clone import Order, admit, provide, reap
from layersite.database.clone.postgresql import PostgreSQL
from layersite.model.contract import Quiet
from layersite.model.database import Clone, Golden
from layersite.model.errors import DatabaseError
from tests.database.goldens import publish
from tests.database.server import Server

_NUMBERS = itertools.count()


@pytest.fixture(scope="module", params=["postgres", "postgres15"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def golden(server: Server) -> Golden:
    return publish(server)


@pytest.fixture
def engine(server: Server) -> Iterator[PostgreSQL]:
    with closing(PostgreSQL(server.uri(), "LAYERSITE_DATABASE_SHOP_SERVER")) as engine:
        yield engine


@pytest.fixture
def order(golden: Golden) -> Order:
    """An order of a site of its own, so that no test meets what another made."""
    return Order("site.git", f"t{next(_NUMBERS)}-", "web-1", "shop", golden.name)


def rows(uri: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(uri) as connection:
        return connection.execute(query.encode()).fetchall()


def picture(server: Server) -> list[tuple[object, ...]]:
    """All databases and roles there are, with their ids: what was made anew has another."""
    query = "SELECT oid, datname FROM pg_database UNION ALL SELECT oid, rolname FROM pg_authid ORDER BY 1"
    return rows(server.uri(), query)


def test_a_clone_holds_what_its_golden_does_and_is_its_roles(server: Server, engine: PostgreSQL, order: Order) -> None:
    clone, changed = provide(engine, order)
    password = admit(engine, order.name, None)
    own = server.uri(order.name, order.name, password)
    assert changed
    assert engine.records()[order.name] == clone
    assert rows(own, "SELECT count(*), max(name) FROM customer") == [(100, "customer 99")]
    owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE oid >= 16384 AND relkind <> 't'"
    assert rows(own, owners) == [(order.name,)]
    rows(own, "WITH gone AS (DELETE FROM orders RETURNING 1) SELECT count(*) FROM gone")
    with psycopg.connect(own) as app:
        app.execute("ALTER TABLE orders ADD paid bool")
        app.execute("CREATE SCHEMA more")


def test_a_second_run_changes_nothing(server: Server, engine: PostgreSQL, order: Order) -> None:
    first, _ = provide(engine, order)
    password = admit(engine, order.name, None)
    before = picture(server)
    assert provide(engine, order) == (first, False)
    assert admit(engine, order.name, password) == password
    assert picture(server) == before


def test_a_dry_run_changes_nothing(server: Server, engine: PostgreSQL, order: Order) -> None:
    before = picture(server)
    assert provide(engine, order, dry_run=True)[1]
    assert picture(server) == before


def test_a_role_enters_its_own_database_alone(server: Server, engine: PostgreSQL, order: Order) -> None:
    other = replace(order, environment="web-2")
    for each in (order, other):
        provide(engine, each)
    password = admit(engine, order.name, None)
    admit(engine, other.name, None)
    assert rows(server.uri(order.name, order.name, password), "SELECT count(*) FROM orders") == [(100,)]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(server.uri(other.name, order.name, password))
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        psycopg.connect(server.uri(str(order.golden), order.name, password))
    rights = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = "
    assert rows(server.uri(), f"{rights} '{order.name}'") == [(False,) * 5]


def test_a_clone_is_quiet(server: Server, engine: PostgreSQL, order: Order) -> None:
    quiet = Quiet(empty=("outbox", "public.orders"), set={"webhook": {"url": "https://hook.invalid/", "is_on": False}})
    provide(engine, replace(order, quiet=quiet))
    own = server.uri(order.name)
    assert rows(own, "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM orders)") == [(0, 0)]
    assert rows(own, "SELECT url, is_on FROM webhook") == [("https://hook.invalid/", False)]


def test_a_clone_that_cannot_be_made_quiet_is_none(server: Server, engine: PostgreSQL, order: Order) -> None:
    with pytest.raises(DatabaseError, match="quietens the table `outbux`, which the golden does not have"):
        provide(engine, replace(order, quiet=Quiet(empty=("outbux",))))
    assert not engine.has(order.name)
    assert provide(engine, order)[1]


def test_settings_of_the_golden_hold_in_its_clones(server: Server, engine: PostgreSQL, order: Order) -> None:
    golden = publish(server, 'CREATE SCHEMA "a B"; CREATE TABLE "a B".t ()')
    with server.connect() as admin:
        admin.execute(SQL('ALTER DATABASE {} SET search_path = "a B", public').format(Identifier(golden.name)))
        admin.execute(SQL("ALTER DATABASE {} SET work_mem = '9MB'").format(Identifier(golden.name)))
    provide(engine, replace(order, golden=golden.name))
    assert rows(server.uri(order.name), "SELECT 't'::regclass::text, current_setting('work_mem')") == [("t", "9MB")]


def test_every_kind_of_object_becomes_the_roles(server: Server, engine: PostgreSQL, order: Order) -> None:
    # PostgreSQL 15 gives nobody the multirange type of a range that changes hands.
    sql = """
        CREATE TABLE wide (one int, two int);
        CREATE SCHEMA "odd ""name"; CREATE TABLE "odd ""name"."T T" (a serial, "b c" int GENERATED ALWAYS AS IDENTITY);
        CREATE TABLE part (a int) PARTITION BY LIST (a); CREATE TABLE part1 PARTITION OF part FOR VALUES IN (1);
        CREATE VIEW v AS SELECT 1 AS one; CREATE MATERIALIZED VIEW m AS SELECT 1 AS one; CREATE SEQUENCE alone;
        CREATE TYPE color AS ENUM ('red'); CREATE TYPE pair AS (a int, b int);
        CREATE TYPE span AS RANGE (subtype = int);
        CREATE DOMAIN positive AS int CHECK (value > 0);
        CREATE FUNCTION f(a int, b text DEFAULT 'x') RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'; CREATE AGGREGATE total (int) (sfunc = int4pl, stype = int);
        CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq); CREATE COLLATION plain FROM "C";
        CREATE STATISTICS s ON one, two FROM wide;
        CREATE TEXT SEARCH CONFIGURATION words (parser = default); CREATE PUBLICATION everything FOR ALL TABLES;
        SELECT lo_create(7);
    """
    golden = publish(server, sql)
    provide(engine, replace(order, golden=golden.name))
    left = """
        SELECT classid::regclass::text, pg_describe_object(classid, objid, 0) FROM (
          SELECT 'pg_class'::regclass AS classid, oid AS objid, relowner AS owner FROM pg_class
            WHERE relkind NOT IN ('i', 'I', 't')
          UNION ALL SELECT 'pg_type'::regclass, oid, typowner FROM pg_type WHERE typname !~ 'multirange'
          UNION ALL SELECT 'pg_proc'::regclass, oid, proowner FROM pg_proc
          UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner FROM pg_namespace WHERE nspname !~ '^pg_'
          UNION ALL SELECT 'pg_operator'::regclass, oid, oprowner FROM pg_operator
          UNION ALL SELECT 'pg_collation'::regclass, oid, collowner FROM pg_collation
          UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxowner FROM pg_statistic_ext
          UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgowner FROM pg_ts_config
        ) found WHERE objid >= 16384 AND owner = 'postgres'::regrole
        UNION ALL SELECT 'large object', loid::text FROM (SELECT oid AS loid, lomowner FROM pg_largeobject_metadata) lo
          WHERE lomowner = 'postgres'::regrole
    """
    assert rows(server.uri(order.name), left) == []


def test_a_database_of_somebody_else_is_not_touched(server: Server, engine: PostgreSQL, order: Order) -> None:
    server.create(order.name, "CREATE TABLE precious ()")
    with pytest.raises(DatabaseError, match=f"a database `{order.name}` that layersite did not make"):
        provide(engine, replace(order, reset=True))
    assert rows(server.uri(order.name), "SELECT count(*) FROM precious") == [(0,)]


def test_a_role_of_somebody_else_is_not_touched(server: Server, engine: PostgreSQL, order: Order) -> None:
    with server.connect() as admin:
        admin.execute(SQL("CREATE ROLE {} SUPERUSER").format(Identifier(order.name)))
    with pytest.raises(DatabaseError, match=f"a role `{order.name}` that is not this clone's"):
        provide(engine, order)
    assert not engine.has(order.name)


def test_another_sites_clone_is_not_touched(server: Server, engine: PostgreSQL, order: Order) -> None:
    provide(engine, order)
    before = picture(server)
    with pytest.raises(DatabaseError, match=r"of web-1 of the site site\.git; give this site a `namespace_prefix`"):
        provide(engine, replace(order, site="other.git", reset=True))
    assert picture(server) == before


def test_a_reset_brings_the_goldens_rows_back_and_keeps_the_password(
    server: Server, engine: PostgreSQL, order: Order
) -> None:
    provide(engine, order)
    password = admit(engine, order.name, None)
    own = server.uri(order.name, order.name, password)
    with psycopg.connect(own) as app:
        app.execute("DROP TABLE orders")
    with psycopg.connect(own):  # somebody who is connected does not prevent it
        assert provide(engine, replace(order, reset=True))[1]
    assert admit(engine, order.name, password) == password
    assert rows(own, "SELECT count(*) FROM orders") == [(100,)]


def test_a_newer_golden_takes_the_place_of_the_older(server: Server, engine: PostgreSQL, order: Order) -> None:
    provide(engine, order)
    newer = publish(server, "CREATE TABLE newer ()")
    clone, changed = provide(engine, replace(order, golden=newer.name))
    assert (changed, clone.golden) == (True, newer.name)
    assert rows(server.uri(order.name), "SELECT count(*) FROM newer") == [(0,)]


def test_a_golden_that_is_gone_is_named(engine: PostgreSQL, order: Order) -> None:
    with pytest.raises(DatabaseError, match="there is no golden `golden_shop_gone` of `shop` on its server"):
        provide(engine, replace(order, golden="golden_shop_gone"))


def test_a_password_that_does_not_work_is_replaced(server: Server, engine: PostgreSQL, order: Order) -> None:
    provide(engine, order)
    admit(engine, order.name, None)
    assert admit(engine, order.name, "another") == "another"
    assert rows(server.uri(order.name, order.name, "another"), "SELECT 1") == [(1,)]


def test_the_server_never_sees_a_password(server: Server, engine: PostgreSQL, order: Order) -> None:
    with server.connect() as admin:
        admin.execute("ALTER SYSTEM SET log_statement = 'all'")
        admin.execute("SELECT pg_reload_conf()")
    provide(engine, order)
    password = admit(engine, order.name, None)
    assert f'ALTER ROLE "{order.name}" PASSWORD \'SCRAM-SHA-256$' in server.log
    assert password not in server.log
    with server.connect() as admin:
        admin.execute("ALTER SYSTEM RESET log_statement")
        admin.execute("SELECT pg_reload_conf()")


def test_five_clones_at_once(server: Server, order: Order) -> None:
    def make(number: int) -> tuple[Clone, str]:
        with closing(PostgreSQL(server.uri(), "V")) as engine:
            each = replace(order, environment=f"web-{number % 5}")
            clone, _ = provide(engine, each)
            with engine.locked(each.name):
                return clone, admit(engine, each.name, None)

    with ThreadPoolExecutor(10) as pool:  # each one is asked for twice
        made = list(pool.map(make, range(10)))
    assert len({clone.name for clone, _ in made}) == 5
    for clone, _ in made[:5]:
        assert rows(server.uri(clone.name), "SELECT count(*) FROM customer") == [(100,)]


def test_a_server_that_is_not_there_names_its_variable() -> None:
    with pytest.raises(DatabaseError, match=r"the server in LAYERSITE_DATABASE_SHOP_SERVER says: .*refused"):
        PostgreSQL("postgresql://me:hunter2@127.0.0.1:1/postgres", "LAYERSITE_DATABASE_SHOP_SERVER")


@pytest.mark.parametrize("uri", ["hunter2", "postgresql://me:hunter2@db:port/x", "host=db hunter2", "http://hunter2"])
def test_an_address_that_is_none_is_not_repeated(uri: str) -> None:
    with pytest.raises(DatabaseError, match="LAYERSITE_DATABASE_SHOP_SERVER") as error:
        PostgreSQL(uri, "LAYERSITE_DATABASE_SHOP_SERVER")
    assert "hunter2" not in str(error.value)


def test_an_administrator_without_superuser_rights_is_enough(server: Server, order: Order) -> None:
    with server.connect() as admin:
        admin.execute("DROP ROLE IF EXISTS keeper")
        admin.execute("CREATE ROLE keeper LOGIN CREATEDB CREATEROLE PASSWORD 'keeper'")
    uri = server.uri(user="keeper", password="keeper")
    golden = publish(server, owner="keeper")
    mine = replace(order, golden=golden.name, quiet=Quiet(empty=("outbox",)))
    with closing(PostgreSQL(uri, "V")) as engine:
        clone, _ = provide(engine, mine)
        password = admit(engine, order.name, None)
        own = server.uri(order.name, order.name, password)
        assert rows(own, "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM outbox)") == [(100, 0)]
        with psycopg.connect(own):
            assert provide(engine, replace(mine, reset=True))[1]
        assert provide(engine, mine)[1] is False
        for each in engine.taken(order.site, order.prefix):
            reap(engine, each)
        assert not engine.has(order.name)
    assert clone.golden == golden.name
    with server.connect() as admin:
        admin.execute(SQL("ALTER DATABASE {} IS_TEMPLATE false").format(Identifier(golden.name)))
        admin.execute(SQL("DROP DATABASE {}").format(Identifier(golden.name)))
        admin.execute("DROP ROLE keeper")


def test_what_belongs_to_an_extension_stays_with_it_and_works(postgres15: Server) -> None:
    golden = publish(postgres15, "CREATE EXTENSION citext; CREATE TABLE people (email citext PRIMARY KEY)")
    order = Order("site.git", "extended-", "web-1", "shop", golden.name)
    with closing(PostgreSQL(postgres15.uri(), "V")) as engine:
        provide(engine, order)
        own = postgres15.uri(order.name, order.name, admit(engine, order.name, None))
    with psycopg.connect(own) as app:
        app.execute("INSERT INTO people VALUES ('Ada@example.com')")
        assert app.execute("SELECT count(*) FROM people WHERE email = 'ada@EXAMPLE.com'").fetchone() == (1,)


def test_rows_that_a_policy_hides_do_not_stay_loud(postgres: Server) -> None:
    with postgres.connect() as admin:
        admin.execute("DROP ROLE IF EXISTS warden")
        admin.execute("CREATE ROLE warden LOGIN CREATEDB CREATEROLE PASSWORD 'warden'")
    hidden = """
        CREATE TABLE hook (url text); INSERT INTO hook VALUES ('https://shop.example.com');
        ALTER TABLE hook ENABLE ROW LEVEL SECURITY; ALTER TABLE hook FORCE ROW LEVEL SECURITY;
        CREATE POLICY nobody ON hook USING (false);
    """
    golden = publish(postgres, hidden, owner="warden")
    order = Order("site.git", "hidden-", "web-1", "shop", golden.name, Quiet(set={"hook": {"url": "x"}}))
    with closing(PostgreSQL(postgres.uri(user="warden", password="warden"), "V")) as engine:
        with pytest.raises(DatabaseError, match="row-level security policy"):
            provide(engine, order)
        assert not engine.has(order.name)
