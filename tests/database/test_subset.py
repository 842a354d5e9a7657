"""A smaller golden is complete in itself: no row of it refers to one that is not there."""

from tests.database.building import Build

SHOP = """
CREATE TABLE country (code text PRIMARY KEY);
CREATE TABLE customer (id int PRIMARY KEY, country text REFERENCES country, referred_by int REFERENCES customer);
CREATE TABLE product (id int PRIMARY KEY);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customer, placed date);
CREATE TABLE line (
    orders int REFERENCES orders, number int, product int REFERENCES product, PRIMARY KEY (orders, number)
);
CREATE TABLE note (orders int, number int, body text, FOREIGN KEY (orders, number) REFERENCES line);
CREATE TABLE setting (name text PRIMARY KEY);
INSERT INTO country SELECT chr(64 + n) FROM generate_series(1, 10) n;
INSERT INTO customer SELECT n, chr(65 + n % 10), CASE WHEN n > 2 THEN n - 2 END FROM generate_series(1, 100) n;
INSERT INTO product SELECT n FROM generate_series(1, 50) n;
INSERT INTO orders SELECT n, 1 + n % 100 FROM generate_series(1, 300) n;
INSERT INTO line SELECT n, m, 1 + (n + m) % 40 FROM generate_series(1, 300) n, generate_series(1, 3) m;
INSERT INTO note SELECT n, 1, 'x' FROM generate_series(1, 300) n;
INSERT INTO setting VALUES ('a'), ('b');
"""
KEEP = {
    "public.country": {"code": "keep"},
    "public.customer": {"id": "keep", "country": "keep", "referred_by": "keep"},
    "public.product": {"id": "keep"},
    "public.orders": {"id": "keep", "customer": "keep", "placed": "keep"},
    "public.line": {"orders": "keep", "number": "keep", "product": "keep"},
    "public.note": {"orders": "keep", "number": "keep", "body": "keep"},
    "public.setting": {"name": "keep"},
}
SEED = {"seeds": {"public.customer": "id = 6"}}
CUT = {
    "relation": "public.customer",
    "columns": ["referred_by"],
    "target": "public.customer",
    "target_columns": ["id"],
    "cut": True,
}


def test_what_refers_to_a_seed_and_what_that_refers_to_is_taken(build: Build) -> None:
    golden = build(SHOP, KEEP, subset={"seeds": {"public.customer": "id = 99"}})
    assert golden.value("SELECT array_agg(id ORDER BY id) FROM customer") == list(range(1, 100, 2))
    assert golden.value("SELECT count(*) FROM orders") == 3
    assert golden.value("SELECT count(*) FROM line") == 9
    assert golden.value("SELECT count(*) FROM note") == 3
    assert golden.value("SELECT count(*) FROM product") < 50
    assert golden.value("SELECT count(*) FROM setting") == 2


def test_a_reference_that_is_cut_takes_nobody_along(build: Build) -> None:
    golden = build(SHOP, KEEP, subset=SEED, references=[CUT])
    assert golden.rows("SELECT id, referred_by FROM customer") == [(6, None)]


def test_what_no_reference_joins_can_be_dropped(build: Build) -> None:
    golden = build(SHOP, KEEP, subset={**SEED, "others": "drop"}, references=[CUT])
    assert golden.value("SELECT count(*) FROM setting") == 0


def test_a_declared_reference_is_followed(build: Build) -> None:
    sql = """
    CREATE TABLE person (id int PRIMARY KEY);
    CREATE TABLE visit (person int, place text);
    INSERT INTO person SELECT n FROM generate_series(1, 100) n;
    INSERT INTO visit SELECT 1 + n % 100, 'x' FROM generate_series(1, 500) n;
    """
    relations = {"public.person": {"id": "keep"}, "public.visit": {"person": "keep", "place": "keep"}}
    declared = {
        "relation": "public.visit",
        "columns": ["person"],
        "target": "public.person",
        "target_columns": ["id"],
    }
    golden = build(sql, relations, subset={"seeds": {"public.person": "id <= 10"}}, references=[declared])
    assert golden.value("SELECT count(*) FROM visit") == 50


def test_tables_that_refer_to_each_other_end(build: Build) -> None:
    sql = """
    CREATE TABLE team (id int PRIMARY KEY, head int);
    CREATE TABLE member (id int PRIMARY KEY, team int NOT NULL REFERENCES team);
    ALTER TABLE team ADD FOREIGN KEY (head) REFERENCES member DEFERRABLE INITIALLY DEFERRED;
    BEGIN;
    INSERT INTO team SELECT n, 1 + n % 20 FROM generate_series(1, 20) n;
    INSERT INTO member SELECT n, n FROM generate_series(1, 20) n;
    COMMIT;
    """
    relations = {"public.team": {"id": "keep", "head": "keep"}, "public.member": {"id": "keep", "team": "keep"}}
    golden = build(sql, relations, subset={"seeds": {"public.team": "id = 1"}})
    assert golden.value("SELECT count(*) FROM team") == 20


def test_rows_of_partitions_are_found(build: Build) -> None:
    sql = """
    CREATE TABLE customer (id int PRIMARY KEY);
    CREATE TABLE event (id int, customer int REFERENCES customer, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
    CREATE TABLE event_1a PARTITION OF event_1 FOR VALUES FROM (0) TO (50);
    CREATE TABLE event_1b PARTITION OF event_1 DEFAULT;
    CREATE TABLE event_2 PARTITION OF event DEFAULT;
    INSERT INTO customer SELECT n FROM generate_series(0, 9) n;
    INSERT INTO event SELECT n, n % 10 FROM generate_series(1, 200) n;
    """
    relations = {"public.customer": {"id": "keep"}, "public.event": {"id": "keep", "customer": "keep"}}
    golden = build(sql, relations, subset={"seeds": {"public.customer": "id = 3"}})
    assert golden.value("SELECT array_agg(DISTINCT customer) FROM event") == [3]
    assert golden.value("SELECT count(*) FROM event") == 20
