"""Types and objects that few databases have: their goldens are right, or refused by name, and so are the clones."""

from contextlib import closing
from typing import Any

import psycopg
import pytest
import yaml

from layersite.database.clone import Order, provide
from layersite.database.clone.postgresql import PostgreSQL
from layersite.database.golden.make import UncoveredError
from layersite.model.errors import InvalidInputError
from tests.database.building import Build, Golden
from tests.database.server import Server


class Way:
    """From a script over a golden to a clone of it, which holds the same."""

    def __init__(self, server: Server) -> None:
        self.build = Build(server, server)
        self.server = server

    def __call__(self, sql: str, relations: dict[str, Any] | None = None) -> Golden:
        golden = self.build(sql, relations)
        with closing(PostgreSQL(self.server.uri(), "V")) as engine:
            clone, _ = provide(engine, Order("odd.git", "odd-", "web-1", "shop", golden.made.golden.name, reset=True))
        assert contents(self.server, clone.name) == contents(self.server, "look")
        return golden

    def source(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.server.uri("shop")) as source:
            return source.execute(query.encode()).fetchall()


def contents(server: Server, database: str) -> dict[str, object]:
    """Return the rows of every table and materialized view, as text."""
    tables = """SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind IN ('r', 'm') AND nspname NOT IN ('pg_catalog', 'information_schema')"""
    with psycopg.connect(server.uri(database)) as connection:
        names = [name for (name,) in connection.execute(tables).fetchall()]
        listed = {name: f"SELECT array_agg(t::text ORDER BY t::text) FROM {name} t" for name in names}
        return {name: connection.execute(query.encode()).fetchone() for name, query in listed.items()}


@pytest.fixture
def way(postgres: Server) -> Way:
    return Way(postgres)


@pytest.fixture
def way15(postgres15: Server) -> Way:
    return Way(postgres15)


TYPES = """
CREATE TYPE size AS ENUM ('s', 'l'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN many AS int[];
CREATE DOMAIN duo AS pair CHECK ((VALUE).a > 0); CREATE TYPE span AS RANGE (subtype = float8);
CREATE TABLE odd (id int PRIMARY KEY, during nummultirange, spans span, pairs pair[], one duo, numbers many,
  sizes size[], bits bit varying(9), flags bit(3)[], words tsvector, seen tsquery, cash money, lasts interval,
  place point, area polygon, net cidr, mac macaddr8, letter "char", of name, clock timetz, path jsonpath, lsn pg_lsn,
  matrix int[][], ranges int4range[], dates datemultirange, far timestamptz[], big numeric(1000, 500), row_of pair,
  "no" oid, rel regclass, long xid8);
INSERT INTO odd VALUES (1, '{[1,2),[3,)}', '[-infinity,1.5e300)', ARRAY[(1, 'x'), NULL, (2, 'a"b,(')]::pair[],
  (1, NULL), '{1,NULL}', '{s,l}', '101', '{101,010}', 'a:1A fat', 'a & !b', -1.5, '-1 mon +2 days 03:00:00.000001',
  '(NaN,-0)', '((0,0),(1,1),(1,0))', '10.0.0.0/8', '08:00:2b:01:02:03:04:05', 'x', 'n', '24:00:00+14',
  '$.a[*] ? (@ > 1)', '16/B374D848', '[2:3][0:1]={{1,2},{3,4}}', '{"[1,3)",empty}', '{[2026-01-01,infinity)}',
  '{-infinity,"0044-03-15 BC"}', 1e-500, (NULL, ''), 4294967295, 'pg_class', '18446744073709551615');
INSERT INTO odd (id) VALUES (2);
"""


def test_every_type_is_kept_as_it_is(way: Way) -> None:
    columns = (
        "id during spans pairs one numbers sizes bits flags words seen cash lasts place area net mac letter of clock"
    )
    more = "path lsn matrix ranges dates far big row_of no rel long"
    golden = way(TYPES, {"public.odd": dict.fromkeys((*columns.split(), *more.split()), "keep")})
    assert golden.rows("SELECT odd::text FROM odd ORDER BY id") == way.source("SELECT odd::text FROM odd ORDER BY id")


def test_what_is_proposed_for_every_type_can_be_built(way: Way) -> None:
    golden = way(TYPES)
    emptied = "spans, pairs, one, words, seen, cash, place, area, mac, of, path, lsn, row_of"
    assert golden.rows(f"SELECT num_nonnulls({emptied}) FROM odd WHERE id = 1") == [(0,)]


def test_documents_of_xml_and_types_of_extensions(way15: Way) -> None:
    sql = """
    CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION isn;
    CREATE TABLE odd (mail citext PRIMARY KEY, more hstore, body xml, tree ltree, code isbn13, mails citext[]);
    INSERT INTO odd VALUES ('Ann@real.example', 'a=>"b,c", d=>NULL', '<a b="c">é</a>', 'a.b',
      '978-0-393-04002-9', '{X,x}');
    """
    kept = dict.fromkeys(("mail", "more", "body", "tree", "code", "mails"), "keep")
    query = "SELECT odd::text FROM odd"
    assert way15(sql, {"public.odd": kept}).rows(query) == way15.source(query)
    emptied = way15(sql, {"public.odd": {**kept, "mail": {"mask": "email"}, "more": "null", "body": "null"}})
    assert emptied.rows("SELECT mail LIKE '%@example.com', more, body::text, tree::text FROM odd") == [
        (True, None, None, "a.b")
    ]


EVERYTHING = """
CREATE COLLATION mine FROM "C"; CREATE TEXT SEARCH CONFIGURATION plain (COPY = simple);
CREATE TEXT SEARCH DICTIONARY none (TEMPLATE = simple, STOPWORDS = 'english');
CREATE FUNCTION near(int, int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT abs($1 - $2) < 2';
CREATE OPERATOR ~~~ (FUNCTION = near, LEFTARG = int, RIGHTARG = int);
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION paired(int) RETURNS pair IMMUTABLE LANGUAGE sql AS 'SELECT ROW($1, $1)::pair';
CREATE CAST (int AS pair) WITH FUNCTION paired(int);
CREATE FUNCTION less(pair, pair) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1.a < $2.a';
CREATE PROCEDURE nothing() LANGUAGE plpgsql AS 'BEGIN END';
CREATE UNLOGGED TABLE word (id int GENERATED ALWAYS AS IDENTITY (START 7 INCREMENT 3) PRIMARY KEY,
  w text COLLATE mine, again int, UNIQUE NULLS NOT DISTINCT (again), CHECK (length(w) < 99) NO INHERIT,
  EXCLUDE USING gist (int4range(id, id + 1) WITH &&));
CREATE INDEX ON word USING gin (to_tsvector('plain', w)); CREATE STATISTICS both_of ON w, again FROM word;
CREATE INDEX ON word (lower(w)) INCLUDE (again) WHERE again > 0;
CREATE VIEW words AS SELECT * FROM word; CREATE VIEW "two of" AS SELECT w, again FROM word WITH CHECK OPTION;
CREATE RULE instead AS ON INSERT TO words DO INSTEAD INSERT INTO word (w) VALUES (NEW.w);
CREATE RULE silent AS ON DELETE TO word DO INSTEAD NOTHING;
INSERT INTO word (w, again) SELECT 'w' || n, n FROM generate_series(1, 9) n;
ALTER TABLE word ADD CONSTRAINT later CHECK (again > 5) NOT VALID;
CREATE UNLOGGED TABLE leaf (id int PRIMARY KEY,
  word int CONSTRAINT soon REFERENCES word DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE tree (); INSERT INTO tree DEFAULT VALUES; CREATE TABLE twig (x int) INHERITS (tree);
INSERT INTO leaf VALUES (1, 7); ALTER TABLE leaf ADD lost int DEFAULT 9999;
ALTER TABLE leaf ADD CONSTRAINT unseen FOREIGN KEY (lost) REFERENCES word NOT VALID;
CREATE FUNCTION watched() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION watched();
"""


def test_all_that_a_schema_may_consist_of(way: Way) -> None:
    golden = way(
        EVERYTHING,
        {
            "public.word": {"id": "keep", "w": {"mask": "text"}, "again": "keep"},
            "public.words": {"id": "keep", "w": "keep", "again": "keep"},
            'public."two of"': {"w": "keep", "again": "keep"},
            "public.leaf": {"id": "keep", "word": "keep", "lost": "keep"},
            "public.tree": "drop",
            "public.twig": {"x": "keep"},
        },
    )
    assert golden.value("SELECT relpersistence FROM pg_class WHERE relname = 'word'") == "u"
    assert golden.rows("SELECT 1 ~~~ 2, total(again), (5::pair).b FROM word") == [(True, 45, 5)]
    way.server.run("look", "INSERT INTO words (w) VALUES ('x')")
    assert golden.value("SELECT max(id) FROM word") == 34
    assert golden.value("SELECT count(*) FROM pg_rules WHERE schemaname = 'public'") == 2
    named = "SELECT conname FROM pg_constraint WHERE NOT convalidated ORDER BY 1"
    assert golden.rows(named) == [("later",), ("unseen",)]
    assert golden.value("SELECT count(*) FROM pg_event_trigger") == 0
    assert "EVENT TRIGGER watch" in golden.made.attestation.left_out


def test_virtual_columns_and_keys_over_time(way: Way) -> None:
    sql = """
    CREATE TABLE room (id int4range, during daterange, name text, loud text GENERATED ALWAYS AS (upper(name)) VIRTUAL,
      PRIMARY KEY (id, during WITHOUT OVERLAPS));
    CREATE TABLE stay (id int4range, room int4range, during daterange, CONSTRAINT stays
      FOREIGN KEY (room, PERIOD during) REFERENCES room (id, PERIOD during), UNIQUE (id, during WITHOUT OVERLAPS));
    INSERT INTO room VALUES ('[1,2)', '[2026-01-01,2026-07-01)', 'real'), ('[1,2)', '[2026-07-01,2027-01-01)', 'other');
    INSERT INTO stay VALUES ('[5,6)', '[1,2)', '[2026-06-01,2026-08-01)');
    CREATE TABLE person (id int PRIMARY KEY, CONSTRAINT never CHECK (id < 0) NOT ENFORCED);
    INSERT INTO person VALUES (7);
    """
    room = {"id": "keep", "during": "keep", "name": {"mask": "text"}, "loud": "keep"}
    stay = dict.fromkeys(("id", "room", "during"), "keep")
    golden = way(sql, {"public.room": room, "public.stay": stay, "public.person": {"id": "keep"}})
    assert golden.value("SELECT bool_and(loud = upper(name) AND name NOT IN ('real', 'other')) FROM room")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        golden.rows("INSERT INTO stay VALUES ('[6,7)', '[1,2)', '[2026-12-01,2027-02-01)')")
    with pytest.raises(psycopg.errors.ExclusionViolation):
        golden.rows("INSERT INTO room VALUES ('[1,2)', '[2026-02-01,2026-03-01)', 'x')")


def test_an_index_that_was_never_finished_is_no_key(way: Way) -> None:
    way.server.create("shop", "CREATE TABLE t (id int); INSERT INTO t VALUES (1), (1)")
    with way.server.connect("shop") as source, pytest.raises(psycopg.errors.UniqueViolation):
        source.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON t (id)")
    assert way.build.again({"public.t": {"id": "keep"}}).value("SELECT count(*) FROM t") == 2


def test_a_column_that_is_new_in_a_view_stops_the_build_and_is_proposed(way: Way) -> None:
    sql = """
    CREATE TABLE t (id int) PARTITION BY LIST (id); CREATE TABLE t_1 PARTITION OF t DEFAULT;
    CREATE VIEW v AS SELECT id, 1 AS one FROM t; CREATE MATERIALIZED VIEW m AS SELECT id FROM t;
    ALTER TABLE t ADD two int;
    CREATE VIEW whole AS SELECT * FROM t_1; CREATE VIEW bare AS SELECT FROM t;
    """
    relations = {"public.t": {"id": "keep"}, "public.v": {"id": "keep"}, "public.whole": "keep", "public.bare": "drop"}
    with pytest.raises(UncoveredError) as refused:
        way(sql, relations)
    assert yaml.safe_load(refused.value.proposal)["relations"] == {
        "public.t": {"two": "keep"},
        "public.v": {"one": "keep"},
        "public.m": {"id": "keep"},
        "public.whole": {"id": "keep", "two": "keep"},
    }


def test_foreign_tables_are_refused_by_name(way: Way) -> None:
    sql = """
    CREATE FOREIGN DATA WRAPPER far; CREATE SERVER away FOREIGN DATA WRAPPER far;
    CREATE TABLE part (id int) PARTITION BY LIST (id);
    CREATE FOREIGN TABLE part_1 PARTITION OF part DEFAULT SERVER away;
    CREATE FOREIGN TABLE remote (id int) SERVER away;
    """
    with pytest.raises(InvalidInputError) as refused:
        way(sql, {"public.part": {"id": "keep"}, "public.remote": {"id": "keep"}})
    assert "public.remote is a foreign table, whose rows lie elsewhere; it can only be `drop`" in str(refused.value)
    assert "its partition public.part_1 lies elsewhere; detach it at the source" in str(refused.value)


def test_mutual_cycles_and_wide_and_odd_names_come_into_clones(way: Way) -> None:
    columns = ", ".join(f'"{n} ""é%" smallint' for n in range(1600))
    sql = f"""
    CREATE TABLE "all" ({columns}); INSERT INTO "all" DEFAULT VALUES;
    CREATE SCHEMA "sch""ema.x"; CREATE TABLE "sch""ema.x"."ta.ble'" ("select" int PRIMARY KEY, "up" int);
    CREATE TABLE team (id int PRIMARY KEY, head int NOT NULL); CREATE TABLE member (id int PRIMARY KEY,
      team int NOT NULL REFERENCES team);
    ALTER TABLE team ADD FOREIGN KEY (head) REFERENCES member DEFERRABLE INITIALLY DEFERRED;
    BEGIN; INSERT INTO team VALUES (1, 2); INSERT INTO member VALUES (2, 1); COMMIT;
    ALTER TABLE "sch""ema.x"."ta.ble'" ADD FOREIGN KEY ("up") REFERENCES "sch""ema.x"."ta.ble'";
    INSERT INTO "sch""ema.x"."ta.ble'" VALUES (1, 2), (2, 1);
    """
    golden = way(sql)
    assert golden.value("SELECT count(*) FROM team JOIN member ON (team, head) = (team.id, member.id)") == 1
    assert (
        golden.value(
            '''SELECT count(*) FROM "sch""ema.x"."ta.ble'" a JOIN "sch""ema.x"."ta.ble'" b ON a.up = b."select"'''
        )
        == 2
    )
