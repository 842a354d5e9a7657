"""What a broken rule leaves behind turns the verification red: each test spoils a draft in one way."""

from collections.abc import Iterator
from typing import Any

import pytest

from layersite.database.golden.make import Wish
from layersite.model.errors import DatabaseError
from tests.database.building import Build, wish
from tests.database.server import Server

CANARY = "canary.7f3a91@layersite.example"
SHOP = f"""
CREATE TABLE country (code text PRIMARY KEY, names text[], facts jsonb, note text);
CREATE TABLE customer (id int PRIMARY KEY, country text REFERENCES country, first text, mail text UNIQUE, born date,
    score int, iban text, note text, plan text, data jsonb, tags text[]);
CREATE TABLE session (token text);
CREATE MATERIALIZED VIEW directory AS SELECT first, mail FROM customer;
INSERT INTO country VALUES ('DE'), ('FR');
INSERT INTO customer SELECT n, CASE WHEN n % 2 = 0 THEN 'DE' ELSE 'FR' END, 'Person' || n, 'p' || n || '@real.example',
    date '1980-01-01' + n, n * 7, 'DE' || 10000000000000000000 + n, 'called on ' || n, 'plan' || n % 3,
    jsonb_build_object('plan', 'gold', 'mail', 'p' || n || '@real.example', 'score', n, 'ref', 'r' || n),
    ARRAY['Real Name ' || n]
    FROM generate_series(1, 300) n;
CREATE INDEX ON customer (lower(mail));
CREATE STATISTICS pairs (mcv) ON first, plan FROM customer;
CREATE STATISTICS loud ON (upper(first)) FROM customer;
INSERT INTO customer (id, mail, plan) VALUES (301, '{CANARY}', 'plan1');
INSERT INTO session VALUES ('real-token');
REFRESH MATERIALIZED VIEW directory;
"""
CONTRACT: dict[str, Any] = {
    "public.country": dict.fromkeys(("code", "names", "facts", "note"), "keep"),
    "public.customer": {
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
        "tags": {"mask": "full_name"},
    },
    "public.session": "drop",
    "public.directory": {"first": "keep", "mail": "keep"},
}
MORE: dict[str, Any] = {
    "canaries": [CANARY],
    "anonymity": [{"relation": "public.customer", "columns": ["plan"], "k": 20}],
}

GONE = "DELETE FROM country WHERE code = 'x'"
RANDOM = (
    "(SELECT string_agg(upper(translate(md5(n::text), '0123456789', 'ghijklmnop')), '') FROM generate_series(1, 999) n)"
)
"""Text that does not compress, so it is stored out of line."""


@pytest.fixture(scope="module")
def ordered(postgres: Server) -> Wish:
    postgres.create("stall", SHOP)
    return wish(postgres, CONTRACT, "stall", **MORE)


@pytest.fixture(scope="module")
def draft(postgres: Server, ordered: Wish) -> Iterator[str]:
    """A draft that is right; each test spoils a copy of it."""
    with ordered.engine.open_server() as server, ordered.engine.open_source() as source:
        made = server.fill(source, ordered.contract)
        yield made.name
        server.drop(made.name)


@pytest.fixture
def red(postgres: Server, ordered: Wish, draft: str) -> "Red":
    return Red(postgres, ordered, draft)


class Red:
    """Spoil a copy of the draft with SQL and say which checks see it."""

    def __init__(self, postgres: Server, ordered: Wish, draft: str) -> None:
        self._postgres, self._ordered, self._draft = postgres, ordered, draft

    def __call__(self, sql: str) -> dict[str, str]:
        self._postgres.copy(self._draft, "spoilt")
        self._postgres.run("spoilt", sql)
        engine = self._ordered.engine
        with engine.open_server(lock=False) as server, engine.open_source() as source:
            found = server.verify("spoilt", source, self._ordered.contract)
        return {check.name: "; ".join(check.problems) for check in found if check.problems}


def test_what_is_right_is_green_and_every_check_looked_at_something(red: Red, postgres: Server, ordered: Wish) -> None:
    assert red("") == {}
    with ordered.engine.open_server(lock=False) as server, ordered.engine.open_source() as source:
        found = server.verify("spoilt", source, ordered.contract)
    assert [check.name for check in found if check.looked_at == 0] == []


@pytest.mark.parametrize(
    ("sql", "check", "message"),
    [
        (
            "UPDATE customer SET mail = 'p7@real.example' WHERE id = 7",
            "shapes",
            "customer.mail is not what",
        ),
        ("UPDATE customer SET mail = 'p7@real.example' WHERE id = 7", "overlap", "1 values of public.customer.mail"),
        ("UPDATE customer SET first = 'Person' || id", "overlap", "300 values of public.customer.first"),
        ("UPDATE customer SET born = date '1980-01-01' + id", "overlap", "300 values of public.customer.born"),
        ("UPDATE customer SET score = id * 7", "overlap", "300 values of public.customer.score"),
        (
            "UPDATE customer SET tags = ARRAY['Other', 'Real Name ' || id]",
            "overlap",
            "300 values of public.customer.tags",
        ),
        (
            "UPDATE customer SET data = jsonb_set(data, '{mail}', to_jsonb('p' || id || '@real.example'))",
            "overlap",
            "300 values of public.customer.data at mail are in the golden",
        ),
        (
            "UPDATE customer SET first = 'Badoki' || chr(31) || 'Badoki' WHERE id < 3",
            "shapes",
            "public.customer.first is not what `first_name` makes: 2 values",
        ),
        ("UPDATE customer SET iban = 'XX' || repeat('7', 400) WHERE id = 3", "shapes", "customer.iban is not what"),
        ("UPDATE customer SET score = -1 WHERE id = 3", "shapes", "customer.score is not what"),
        ("UPDATE customer SET data = jsonb_set(data, '{score}', '999') WHERE id = 1", "shapes", "customer.data is not"),
        (
            "UPDATE customer SET data = jsonb_set(data, '{ref}', '\"r1\"') WHERE id = 1",
            "shapes",
            "customer.data is not",
        ),
        ("UPDATE customer SET note = 'called' WHERE id = 1", "shapes", "customer.note should be null: 1"),
        ("UPDATE customer SET plan = 'plan1' WHERE id = 1", "shapes", "customer.plan is not what"),
        (
            "UPDATE customer SET data = data || '{\"more\": 1}' WHERE id = 1",
            "shapes",
            "customer.data is not what",
        ),
        (
            "UPDATE customer SET data = '[\"p7@real.example\"]' WHERE id = 1",
            "shapes",
            "customer.data is not what",
        ),
        (
            'UPDATE customer SET data = \'{"mail": "p7@real.example"}\' WHERE id = 1',
            "shapes",
            "customer.data is not what",
        ),
        (
            "UPDATE customer SET tags = ARRAY['Real Name 1'] WHERE id = 1",
            "shapes",
            "customer.tags is not what",
        ),
        ("INSERT INTO session VALUES ('t')", "shapes", "public.session should be empty: 1"),
        (
            "INSERT INTO country VALUES ('p7@real.example')",
            "overlap",
            "stand in public.country.code",
        ),
        (
            "UPDATE country SET names = ARRAY['Germany', 'p7@real.example'] WHERE code = 'DE'",
            "overlap",
            "1 values of public.customer.mail stand in public.country.names",
        ),
        (
            """UPDATE country SET facts = '{"known": [{"by": "p7@real.example"}]}' WHERE code = 'DE'""",
            "overlap",
            "1 values of public.customer.data at mail stand in public.country.facts",
        ),
        (
            """UPDATE customer SET data = jsonb_set(data, '{plan}', '"DE10000000000000000007"') WHERE id = 1""",
            "overlap",
            "1 values of public.customer.iban stand in public.customer.data at plan",
        ),
        (
            "SET session_replication_role = replica; DELETE FROM country WHERE code = 'FR'",
            "references",
            "150 rows of public.customer refer to rows of public.country that are not there",
        ),
        (
            "ALTER TABLE customer DROP CONSTRAINT customer_mail_key",
            "definitions",
            "the constraint customer_mail_key on public.customer of the source is missing",
        ),
        (
            "ALTER TABLE customer DROP CONSTRAINT customer_country_fkey",
            "definitions",
            "the constraint customer_country_fkey on public.customer of the source is missing",
        ),
        ("ALTER TABLE customer DROP COLUMN note", "structure", "public.customer has other columns"),
        ("DROP TABLE session", "structure", "public.session is missing"),
        ("REFRESH MATERIALIZED VIEW directory WITH NO DATA", "structure", "public.directory is empty"),
        ("UPDATE customer SET plan = 'b'; UPDATE customer SET plan = 'a' WHERE id < 9", "anonymity", "1 combinations"),
        ("CREATE TABLE left_over (mail text)", "structure", "public.left_over is not in the source"),
        (f"COMMENT ON TABLE customer IS '{CANARY}'", "dump", "canary 1 stands in the logical dump"),
        (f"ALTER TABLE customer ALTER mail SET DEFAULT '{CANARY}'", "dump", "canary 1"),
        (f"CREATE TYPE who AS ENUM ('{CANARY}')", "dump", "canary 1"),
        (f"CREATE FUNCTION who() RETURNS text LANGUAGE sql RETURN '{CANARY}'", "dump", "canary 1"),
        (f"SELECT lo_from_bytea(0, '{CANARY}')", "files", "canary 1 stands in the server's data files"),
        (
            f"INSERT INTO country VALUES ('{CANARY}'); DELETE FROM country WHERE code = '{CANARY}'",
            "files",
            "canary 1 stands in the server's data files",
        ),
        (
            f"INSERT INTO country SELECT 'x', NULL, NULL, repeat('long ', 9000) || '{CANARY}'; {GONE}",
            "files",
            "canary 1",
        ),
        (f"INSERT INTO country SELECT 'x', NULL, NULL, {RANDOM} || '{CANARY}'; {GONE}", "files", "canary 1"),
        ("CREATE FUNCTION who() RETURNS text LANGUAGE sql RETURN 'p7@real.example'", "schema", "quotes 1 values"),
        ("ALTER TABLE customer ALTER iban SET DEFAULT 'DE10000000000000000007'", "schema", "public.customer.iban"),
        ("COMMENT ON TABLE customer IS 'ask p7@real.example'", "schema", "quotes 1 values of public.customer.mail"),
    ],
)
def test_a_spoilt_draft_is_red(red: Red, sql: str, check: str, message: str) -> None:
    found = red(sql)
    assert message in found.get(check, f"nothing; but {found}")


def test_a_value_behind_many_pages_of_a_partition_is_red(postgres: Server) -> None:
    sql = """
    CREATE TABLE visit (id int, mail text, pad text) PARTITION BY RANGE (id);
    CREATE TABLE early PARTITION OF visit FOR VALUES FROM (0) TO (9);
    CREATE TABLE late PARTITION OF visit DEFAULT WITH (fillfactor = 10);
    INSERT INTO visit SELECT n, 'p' || n || '@real.example', repeat('x', 700) FROM generate_series(1, 2100) n;
    """
    postgres.create("visits", sql)
    ordered = wish(postgres, {"public.visit": {"id": "keep", "mail": {"mask": "email"}, "pad": "keep"}}, "visits")
    with ordered.engine.open_server() as server, ordered.engine.open_source() as source:
        draft = server.fill(source, ordered.contract).name
        found = Red(postgres, ordered, draft)("UPDATE visit SET mail = 'somebody' WHERE id > 2098")
        server.drop(draft)
    assert found["shapes"] == "public.visit.mail is not what `email` makes: 2 values"


def test_statistics_of_values_that_are_gone_are_red(red: Red) -> None:
    found = red("""
        ALTER TABLE customer SET (autovacuum_enabled = false); -- which would remember the right ones
        CREATE TABLE aside AS SELECT * FROM customer;
        UPDATE customer SET mail = 'p' || id || '@real.example', first = 'Person' || id, score = -id,
            plan = 'plan' || id % 3, born = date '1980-01-01' + id, tags = ARRAY['Real Name ' || id % 9],
            data = jsonb_build_object('mail', id);
        ALTER MATERIALIZED VIEW directory SET (autovacuum_enabled = false);
        REFRESH MATERIALIZED VIEW directory;
        ANALYZE customer, directory;
        UPDATE customer SET (mail, first, score, plan, born, tags, data)
            = (SELECT mail, first, score, plan, born, tags, data FROM aside WHERE aside.id = customer.id);
        DROP TABLE aside;
        REFRESH MATERIALIZED VIEW directory;
    """)
    columns = ("mail", "first", "score", "plan", "born", "tags", "data")
    told = [f"public.customer.{name} hold" for name in columns]
    told += ["of what is in public.customer.tags hold", "public.customer_lower_idx.lower hold"]
    told += ["public.pairs hold", "public.loud of upper(first) hold"]
    told += ["public.directory.first hold", "public.directory.mail hold"]
    assert [each for each in told if each not in found["statistics"]] == []
    assert set(found) == {"statistics", "definitions"}


def test_a_canary_that_nobody_planted_proves_nothing_and_is_red(postgres: Server, ordered: Wish) -> None:
    with pytest.raises(DatabaseError, match="canary 2 is in no masked column of the source"):
        Build(postgres, postgres)(SHOP, CONTRACT, canaries=[CANARY, "canary.never@layersite.example"])


def test_a_value_that_is_kept_elsewhere_stops_the_build(postgres: Server) -> None:
    sql = """
    CREATE TABLE customer (mail text); INSERT INTO customer VALUES ('anna@real.example'), ('otto@real.example');
    CREATE TABLE login (name text); INSERT INTO login SELECT mail FROM customer;
    """
    relations = {"public.customer": {"mail": {"mask": "email"}}, "public.login": {"name": "keep"}}
    with pytest.raises(DatabaseError, match=r"2 values of public\.customer\.mail stand in public\.login") as error:
        Build(postgres, postgres)(sql, relations)
    assert "anna" not in str(error.value)
    with postgres.connect() as admin:
        left = admin.execute("SELECT datname FROM pg_database WHERE datname LIKE 'layersite_draft_shop%'").fetchall()
    assert left == []
