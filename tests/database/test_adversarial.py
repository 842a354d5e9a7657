"""Schemas that nobody would write and somebody has: each one's golden is right, or is refused by name."""

import re
from typing import Any

import pytest

from layersite.model.errors import DatabaseError, InvalidInputError
from tests.database.building import Build
from tests.database.server import Server

ODD = 'public."we.ird ""table"""'


def test_names_with_quotes_points_blanks_and_reserved_words(build: Build) -> None:
    sql = f"""
    CREATE SCHEMA "select"; CREATE TABLE "select"."order" ("from" int PRIMARY KEY, "e'mail" text, "naïve ✓" text);
    CREATE TABLE {ODD} ("a""b" text, "%s" text, "c
d" text);
    INSERT INTO "select"."order" VALUES (1, 'a@real.example', 'x');
    INSERT INTO {ODD} VALUES ('secret-1', 'secret-2', NULL);
    """.replace("c\nd", "c d")
    golden = build(
        sql,
        {
            '"select"."order"': {"from": "keep", "e'mail": {"mask": "email"}, "naïve ✓": {"mask": "text"}},
            ODD: {'a"b': {"mask": "identifier"}, "%s": {"mask": "first_name"}, "c d": "keep"},
        },
    )
    assert golden.value("""SELECT "e'mail" FROM "select"."order" """).endswith("@example.com")
    assert len(golden.value(f'SELECT "a""b" FROM {ODD}')) == 24


def test_sixteen_hundred_columns(build: Build) -> None:
    columns = [f"c{n}" for n in range(1600)]
    sql = (
        f"CREATE TABLE wide ({', '.join(f'{c} smallint' for c in columns)}); INSERT INTO wide (c7, c1599) VALUES (7, 9)"
    )
    masked = dict.fromkeys(columns, "keep") | {"c1599": {"mask": "number", "min": 100, "max": 200}}
    golden = build(sql, {"public.wide": masked})
    assert golden.value("SELECT c7 FROM wide") == 7
    assert golden.value("SELECT c1599 BETWEEN 100 AND 200 FROM wide")


def test_no_primary_key_and_equal_rows(build: Build) -> None:
    golden = build(
        "CREATE TABLE log (word text); INSERT INTO log SELECT 'alpha' FROM generate_series(1, 5)",
        {"public.log": {"word": {"mask": "identifier"}}},
    )
    assert golden.rows("SELECT count(*), count(DISTINCT word) FROM log") == [(5, 1)]


def test_no_columns_and_no_rows(build: Build) -> None:
    golden = build(
        "CREATE TABLE bare (); INSERT INTO bare DEFAULT VALUES; CREATE TABLE empty (name text PRIMARY KEY)",
    )
    assert golden.value("SELECT count(*) FROM empty") == 0
    assert golden.value("SELECT count(*) FROM bare") == 0
    (overlap,) = (check for check in golden.made.attestation.checks if check.name == "overlap")
    assert (overlap.looked_at, [remark.split(":")[0] for remark in overlap.remarks]) == (0, ["public.empty.name"])


def test_generated_and_identity_columns_and_their_sequences(build: Build) -> None:
    sql = """
    CREATE TABLE person (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, first text, last text,
        whole text GENERATED ALWAYS AS (first || ' ' || last) STORED, number serial);
    INSERT INTO person (first, last) SELECT 'Realname', 'Family' || n FROM generate_series(1, 40) n;
    CREATE SEQUENCE alone START 500;
    SELECT nextval('alone');
    """
    name = {"mask": "first_name"}
    golden = build(
        sql,
        {
            "public.person": {
                "id": "keep",
                "first": name,
                "last": {"mask": "last_name"},
                "whole": "keep",
                "number": "keep",
            }
        },
    )
    assert golden.value("SELECT bool_and(whole = first || ' ' || last) FROM person")
    assert golden.value("INSERT INTO person (first) VALUES ('x') RETURNING id") == 41
    assert golden.value("SELECT number FROM person WHERE id = 41") == 41
    assert golden.value("SELECT nextval('alone')") == 500


def test_partitions_of_partitions_and_detached_keys(build: Build) -> None:
    sql = """
    CREATE TABLE event (at date, id int, mail text, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
    CREATE TABLE event_26 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY HASH (id);
    CREATE TABLE event_26a (id int, gone int, mail text, at date NOT NULL);
    ALTER TABLE event_26a DROP COLUMN gone, ALTER id SET NOT NULL;
    ALTER TABLE event_26 ATTACH PARTITION event_26a FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE event_26b PARTITION OF event_26 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE rest PARTITION OF event DEFAULT;
    CREATE INDEX ON event (mail);
    INSERT INTO event SELECT date '2025-12-31' + n, n, 'm' || n || '@real.example' FROM generate_series(0, 99) n;
    """
    golden = build(sql, {"public.event": {"at": "keep", "id": "keep", "mail": {"mask": "email"}}})
    assert golden.value("SELECT count(DISTINCT mail) FROM event WHERE mail LIKE '%@example.com'") == 100
    assert golden.value("SELECT count(*) FROM rest") == 1
    assert golden.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0


def test_inherited_tables_have_their_own_rows_and_columns(build: Build) -> None:
    sql = """
    CREATE TABLE animal (name text); CREATE TABLE dog (owner text) INHERITS (animal);
    INSERT INTO animal VALUES ('Whiskers'); INSERT INTO dog VALUES ('Rex', 'Real Person');
    """
    golden = build(
        sql, {"public.animal": {"name": "keep"}, "public.dog": {"name": "keep", "owner": {"mask": "full_name"}}}
    )
    assert golden.rows("SELECT name FROM ONLY animal") == [("Whiskers",)]
    assert golden.value("SELECT count(*) FROM animal") == 2
    assert golden.value("SELECT owner FROM dog") != "Real Person"


def test_composite_deferred_and_self_references(build: Build) -> None:
    sql = """
    CREATE TABLE node (a text, b text, up_a text, up_b text, PRIMARY KEY (a, b),
        FOREIGN KEY (up_a, up_b) REFERENCES node DEFERRABLE INITIALLY DEFERRED);
    BEGIN;
    INSERT INTO node SELECT 'key' || n, 'part' || n, 'key' || (n % 9), 'part' || (n % 9) FROM generate_series(0, 20) n;
    COMMIT;
    """
    key = {"mask": "identifier", "domain": "node"}
    golden = build(sql, {"public.node": dict.fromkeys(("a", "b", "up_a", "up_b"), key)})
    query = "SELECT count(*) FROM node c JOIN node p ON (p.a, p.b) = (c.up_a, c.up_b)"
    assert golden.value(query) == 21


MANY_TYPES = """
CREATE TYPE mood AS ENUM ('fine', 'it''s bad');
CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%');
CREATE TYPE pair AS (a int, b text);
CREATE TABLE odd (id int PRIMARY KEY, mails text[], during tstzrange, mail mail, mood mood, amount numeric,
    ratio float8, at timestamptz, day date, pair pair, bits bit(3), money numeric(6, 2), code char(30), raw bytea);
INSERT INTO odd VALUES
    (1, ARRAY['a@real.example', NULL, 'b@real.example'], '[2026-01-01,)', 'x@y', 'fine', 'NaN', 'infinity',
     'infinity', '-infinity', '(1,x)', '101', 12.5, 'c', '\\xdeadbeef'),
    (2, '{}', 'empty', NULL, 'it''s bad', 'Infinity', 'NaN', NULL, '0044-03-15 BC', NULL, NULL, NULL, '', NULL),
    (3, NULL, NULL, 'z@y', NULL, NULL, NULL, '2026-05-05', '2026-05-05', NULL, NULL, 0, '  ', '');
"""
_DAY: dict[str, Any] = {"mask": "date", "days": 5}
_NUMBER: dict[str, Any] = {"mask": "number", "min": 1, "max": 9}
MANY_TYPES_COLUMNS: dict[str, Any] = {
    "id": "keep",
    "mails": {"mask": "email"},
    "during": "keep",
    "mail": {"mask": "email"},
    "mood": {"mask": "choice", "values": ["fine", "it's bad"]},
    "amount": _NUMBER,
    "ratio": _NUMBER,
    "at": _DAY,
    "day": _DAY,
    "pair": "keep",
    "bits": "keep",
    "money": _NUMBER,
    "code": {"mask": "identifier"},
    "raw": {"mask": "identifier"},
}


def test_arrays_ranges_domains_enums_and_odd_numbers(build: Build) -> None:
    golden = build(MANY_TYPES, {"public.odd": MANY_TYPES_COLUMNS})
    mails, amount, day_, mail = golden.rows("SELECT mails, amount, day, mail FROM odd WHERE id = 3")[0]
    assert (mails, amount) == (None, None)
    assert (str(day_) != "2026-05-05", mail.endswith("@example.com")) == (True, True)
    assert golden.value(
        "SELECT mails[2] IS NULL AND mails[1] <> mails[3] AND array_length(mails, 1) = 3 FROM odd WHERE id = 1"
    )
    assert golden.value("SELECT mails FROM odd WHERE id = 2") == []
    assert golden.value("SELECT bool_and(amount BETWEEN 1 AND 9) AND bool_and(ratio BETWEEN 1 AND 9) FROM odd")
    assert golden.rows("SELECT lower(during) = '2026-01-01', upper_inf(during), pair::text, bits::text FROM odd") == [
        (True, True, "(1,x)", "101"),
        (None, False, None, None),
        (None, None, None, None),
    ]
    assert golden.rows("SELECT isempty(during), at::text, day::text FROM odd WHERE id = 1") == [
        (False, "infinity", "-infinity")
    ]
    assert golden.value("SELECT isempty(during) FROM odd WHERE id = 2")
    assert 0 < abs(golden.value("SELECT day - date '0044-03-15 BC' FROM odd WHERE id = 2")) <= 5


def test_text_of_every_script(build: Build) -> None:
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
    listed = ", ".join("('" + word.replace("'", "''") + "')" for word in words)
    sql = f"CREATE TABLE word (w text, v text); INSERT INTO word VALUES {listed}; UPDATE word SET v = w"
    golden = build(sql, {"public.word": {"w": {"mask": "text"}, "v": "keep"}})
    assert golden.value("SELECT array_agg(length(w) ORDER BY length(w)) FROM word") == sorted(map(len, words))
    assert {row[0] for row in golden.rows("SELECT v FROM word")} == set(words)


def test_triggers_rules_row_security_and_views_come_after_the_rows(build: Build) -> None:
    sql = """
    CREATE TABLE person (id int PRIMARY KEY, mail text);
    CREATE TABLE audit (mail text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO public.audit VALUES (NEW.mail); RETURN NEW; END';
    CREATE TRIGGER note AFTER INSERT ON person FOR EACH ROW EXECUTE FUNCTION note();
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''append only''; END';
    CREATE TRIGGER refuse BEFORE UPDATE ON person FOR EACH ROW EXECUTE FUNCTION refuse();
    INSERT INTO person SELECT n, n || '@real.example' FROM generate_series(1, 9) n;
    ALTER TABLE person ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY mine ON person USING (mail = current_user);
    CREATE VIEW people AS SELECT mail FROM person;
    CREATE MATERIALIZED VIEW first AS SELECT mail FROM person WHERE id < 4;
    CREATE UNIQUE INDEX ON first (mail);
    CREATE MATERIALIZED VIEW second AS SELECT count(*) AS n FROM first;
    CREATE MATERIALIZED VIEW gone AS SELECT mail FROM person;
    """
    golden = build(
        sql,
        {
            "public.person": {"id": "keep", "mail": {"mask": "email"}},
            "public.audit": "drop",
            "public.people": {"mail": "keep"},
            "public.first": {"mail": "keep"},
            "public.second": {"n": "keep"},
            "public.gone": "drop",
        },
    )
    assert golden.value("SELECT count(*) FROM audit") == 0
    assert golden.value("SELECT bool_and(mail LIKE '%@example.com') FROM first")
    assert golden.value("SELECT n FROM second") == 3
    assert golden.value("SELECT to_regclass('gone')") is None
    assert golden.value("SELECT count(*) FROM pg_policy") == 1
    assert golden.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 2


def test_a_column_can_be_dropped(build: Build) -> None:
    golden = build(
        "CREATE TABLE person (id int, photo bytea); INSERT INTO person VALUES (1, 'x')",
        {"public.person": {"id": "keep", "photo": "drop"}},
    )
    assert golden.rows("SELECT * FROM person") == [(1,)]


LEAVES: dict[str, Any] = {
    "plan": "keep",
    "who.mail": {"mask": "email"},
    "missing.name": {"mask": "first_name"},
    "who.id": {"mask": "identifier"},
    "who.age": {"mask": "number", "min": 18, "max": 30},
    "state": {"mask": "choice", "values": ["new", "it's \\ done"]},
    "note": {"mask": "constant", "value": "it's \\ gone"},
}
"""One path for each rule that can stand in a document; texts with what SQL escapes."""


def test_a_document_keeps_and_masks_only_what_is_listed(build: Build) -> None:
    sql = """CREATE TABLE doc (id int, body jsonb NOT NULL, old json);
    INSERT INTO doc VALUES
        (1, '{"plan": "gold", "who": {"mail": "a@real.example", "phone": "1", "id": 4711, "age": 99}, "deep": [1],
              "state": "ill", "note": "raw"}', '{"a": 1}'),
        (2, '[1, 2]', NULL), (3, '"text"', '{}'), (4, '{"who": {"id": {"deep": "raw"}, "mail": null}}', NULL);"""
    golden = build(
        sql, {"public.doc": {"id": "keep", "body": {"mask": "json", "paths": LEAVES}, "old": {"mask": "json"}}}
    )
    first, *others = (row[0] for row in golden.rows("SELECT body FROM doc ORDER BY id"))
    assert_masked(first)
    assert others[:2] == [{"who": {}, "missing": {}}] * 2
    assert list(others[2]["who"]) == ["id"]
    assert "raw" not in str(others)


def assert_masked(document: dict[str, Any]) -> None:
    """What is left of a document whose leaves were masked as `LEAVES` says."""
    who = document.pop("who")
    assert document.pop("state") in LEAVES["state"]["values"]
    assert document == {"plan": "gold", "note": LEAVES["note"]["value"], "missing": {}}
    assert sorted(who) == ["age", "id", "mail"]
    assert (type(who["age"]), 18 <= who["age"] <= 30) == (int, True)
    assert re.fullmatch("[0-9a-f]{24}", who["id"])
    assert who["mail"].endswith("@example.com")


def test_an_index_on_a_dropped_column_is_refused(build: Build) -> None:
    sql = "CREATE TABLE t (id int, photo bytea); CREATE INDEX ON t (photo)"
    with pytest.raises(DatabaseError, match="cannot be made again here"):
        build(sql, {"public.t": {"id": "keep", "photo": "drop"}})
    with build.server.connect() as admin:
        drafts = "SELECT count(*) FROM pg_database WHERE datname LIKE 'layersite_draft%'"
        assert admin.execute(drafts).fetchone() == (0,)


def test_a_policy_of_a_role_that_the_server_lacks_is_refused(postgres: Server, postgres15: Server) -> None:
    build = Build(postgres, postgres15)
    with postgres15.connect() as admin:
        admin.execute("CREATE ROLE only_here")
    owned = "CREATE TABLE t (id int); ALTER TABLE t OWNER TO only_here"
    assert build(owned, {"public.t": {"id": "keep"}}).value("SELECT count(*) FROM t") == 0
    with pytest.raises(DatabaseError, match=r"the policy p of public\.t is for only_here; create them there"):
        build("CREATE TABLE t (id int); CREATE POLICY p ON t TO only_here USING (true)", {"public.t": {"id": "keep"}})


def test_what_reaches_out_of_the_database_is_left_out_and_named(build: Build) -> None:
    sql = """
    CREATE FOREIGN DATA WRAPPER far; CREATE SERVER warehouse FOREIGN DATA WRAPPER far OPTIONS (host 'real.example');
    CREATE USER MAPPING FOR PUBLIC SERVER warehouse OPTIONS (password 'real-password');
    CREATE FOREIGN TABLE remote (id int) SERVER warehouse;
    CREATE TABLE t (id int);
    COMMENT ON TABLE t IS 'ask anna@real.example';
    CREATE PUBLICATION everything FOR ALL TABLES;
    CREATE SUBSCRIPTION orders CONNECTION 'host=real.example' PUBLICATION o WITH (connect = false, slot_name = NONE);
    CREATE ROLE owning; CREATE ROLE reading; CREATE TABLE owned (); ALTER TABLE owned OWNER TO owning;
    GRANT SELECT ON t TO reading; SELECT lo_from_bytea(0, 'raw');
    """
    try:
        golden = build(
            sql, {"public.t": {"id": "keep"}, "public.remote": "drop", "public.owned": "drop"}, large_objects="drop"
        )
    finally:
        build.server.run("shop", "DROP SUBSCRIPTION orders; DROP OWNED BY reading, owning; DROP ROLE reading, owning")
    assert set(golden.made.attestation.left_out) == {
        "SERVER warehouse",
        "FOREIGN DATA WRAPPER far",
        "FOREIGN TABLE public remote",
        "USER MAPPING USER MAPPING public SERVER warehouse",
        "PUBLICATION everything",
        "SUBSCRIPTION orders",
        "1 COMMENT",
        "OWNER owning",
        "GRANT reading",
        "1 LARGE OBJECT",
    }
    catalogs = (
        "foreign_server",
        "user_mapping",
        "foreign_table",
        "publication",
        "subscription",
        "largeobject_metadata",
    )
    for catalog in map("pg_{}".format, catalogs):
        assert golden.value(f"SELECT count(*) FROM {catalog}") == 0
    assert golden.value("SELECT obj_description('public.t'::regclass)") is None


@pytest.mark.parametrize("newer", [True, False], ids=["15 to 18", "15 to 15"])
def test_servers_of_other_versions(postgres: Server, postgres15: Server, newer: bool) -> None:
    sql = """
    CREATE EXTENSION IF NOT EXISTS plpgsql;
    CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, mail text UNIQUE, at timestamp);
    INSERT INTO t (mail, at) SELECT n || '@real.example', now() FROM generate_series(1, 50) n;
    CREATE VIEW mails AS SELECT mail FROM t;
    """
    golden = Build(postgres if newer else postgres15, postgres15)(
        sql,
        {
            "public.t": {"id": "keep", "mail": {"mask": "email"}, "at": {"mask": "date"}},
            "public.mails": {"mail": "keep"},
        },
    )
    (remarks,) = (check.remarks for check in golden.made.attestation.checks if check.name == "definitions")
    assert remarks == ()
    assert golden.made.attestation.source_server.startswith("15.")
    assert golden.value("SELECT count(DISTINCT mail) FROM t") == 50


def test_large_objects_and_foreign_tables_must_be_decided(build: Build) -> None:
    build.server.create("shop", "CREATE TABLE t (id int, photo oid); SELECT lo_from_bytea(0, 'raw')")
    with pytest.raises(InvalidInputError, match="has 1 large objects; say `large_objects: drop`"):
        build.again({"public.t": {"id": "keep", "photo": "null"}})
    golden = build.again({"public.t": {"id": "keep", "photo": "null"}}, large_objects="drop")
    assert golden.value("SELECT count(*) FROM pg_largeobject_metadata") == 0


def test_types_and_indexes_of_extensions(postgres15: Server) -> None:
    sql = """
    CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE EXTENSION pg_trgm; CREATE EXTENSION hstore;
    CREATE TABLE person (mail ext.citext UNIQUE, name text, more hstore);
    CREATE TABLE login (mail ext.citext REFERENCES person (mail));
    CREATE INDEX ON person USING gin (name gin_trgm_ops);
    INSERT INTO person SELECT 'P' || n || '@real.example', 'Real Name ' || n, 'a=>1' FROM generate_series(1, 20) n;
    INSERT INTO login SELECT lower(mail::text) FROM person;
    """
    mail = {"mask": "email"}
    golden = Build(postgres15, postgres15)(
        sql,
        {
            "public.person": {"mail": mail, "name": {"mask": "full_name"}, "more": "null"},
            "public.login": {"mail": mail},
        },
    )
    assert golden.value("SELECT count(*) FROM person JOIN login USING (mail)") == 20
    assert golden.value("SELECT count(*) FROM pg_extension WHERE extname IN ('citext', 'pg_trgm', 'hstore')") == 3


def test_a_golden_of_part_of_pagila_is_complete(build: Build, pagila: str) -> None:
    build.server.copy("pagila", "shop")
    subset = {"seeds": {"public.customer": "customer_id % 20 = 0"}}
    golden = build.again(None, subset=subset)
    assert golden.value("SELECT count(*) FROM customer WHERE customer_id % 20 = 0") == 29
    assert golden.value("SELECT count(*) FROM payment") < 2000
    assert golden.value("SELECT count(*) FROM rental r LEFT JOIN inventory i USING (inventory_id) WHERE i IS NULL") == 0
