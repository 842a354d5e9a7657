"""What was masked is nowhere: not in files, logs, statistics, activity, process lists, output or errors."""

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from layersite.database.golden.make import subkey
from layersite.database.golden.postgresql.masks import key_settings
from layersite.model.errors import DatabaseError
from tests.database.building import KEY, Build, Golden
from tests.database.server import EMBEDDED, Server, running

RAW = [f"anna{number}.mustermann@real.example" for number in range(20)]
SHOP = f"""
CREATE TABLE customer (id int PRIMARY KEY, mail text, note text, plan text);
INSERT INTO customer SELECT n, 'anna' || n || '.mustermann@real.example', 'called anna' || n || '.mustermann', 'gold'
    FROM generate_series(0, 20000) n;
UPDATE customer SET plan = 'silver' WHERE id % 2 = 0;
ALTER TABLE customer ADD gone text; UPDATE customer SET gone = mail; ALTER TABLE customer DROP COLUMN gone;
CREATE MATERIALIZED VIEW mails AS SELECT mail FROM customer;
CREATE INDEX ON customer (mail);
COMMENT ON COLUMN customer.mail IS 'such as {RAW[0]}';
ANALYZE;
"""
CONTRACT: dict[str, Any] = {
    "public.customer": {"id": "keep", "mail": {"mask": "email"}, "note": {"mask": "text"}, "plan": "keep"},
    "public.mails": "keep",
}
SECRETS = [KEY, *key_settings(subkey(KEY, "mask")).values(), subkey(KEY, "mask").hex()]


@pytest.fixture(scope="module")
def source() -> Iterator[Server]:
    """A source that logs all it can."""
    settings = (
        "log_statement=all",
        "log_min_duration_statement=0",
        "log_connections=on",
        "track_activity_query_size=64kB",
    )
    with running(EMBEDDED, *settings) as server:
        yield server


class Watch(threading.Thread):
    """Collects what others could see while a build runs: statements, and the arguments of every process."""

    def __init__(self, *servers: Server) -> None:
        super().__init__(daemon=True)
        self.seen: set[str] = set()
        self.is_over = threading.Event()
        self._connections = [server.connect() for server in servers]

    def run(self) -> None:
        while not self.is_over.is_set():
            for connection in self._connections:
                self.seen.update(row[0] for row in connection.execute("SELECT query FROM pg_stat_activity"))
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(process.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
                except OSError:
                    continue
            time.sleep(0.01)
        for connection in self._connections:
            connection.close()


@pytest.fixture(scope="module")
def built(source: Server) -> Iterator[tuple[Golden, Watch]]:
    """A golden on a server of its own, which has never seen anything else, watched while it was built."""
    with running(EMBEDDED, "log_statement=all", "log_min_duration_statement=0") as server:
        source.create("shop", SHOP)
        watch = Watch(source, server)
        watch.start()
        golden = Build(server, source).again(CONTRACT)
        watch.is_over.set()
        watch.join()
        yield golden, watch


def test_no_raw_value_is_in_any_file_of_the_server_of_goldens(built: tuple[Golden, Watch]) -> None:
    golden, _ = built
    with golden.server.connect() as admin:
        admin.execute("CHECKPOINT")
    pattern = re.compile(rb"anna\d+\.mustermann|real\.example")
    files = [path for path in golden.server.folder.rglob("*") if path.is_file()]
    assert [path for path in files if pattern.search(path.read_bytes())] == []
    assert any(b"@example.com" in path.read_bytes() for path in files)


def test_no_raw_value_is_in_statistics_views_comments_or_dropped_columns(built: tuple[Golden, Watch]) -> None:
    golden, _ = built
    held = "concat(most_common_vals, histogram_bounds, most_common_elems)"
    assert golden.value(f"SELECT count(*) FROM pg_stats WHERE {held} ~ 'real|mustermann'") == 0
    assert golden.value(f"SELECT count(*) FROM pg_stats WHERE {held} ~ '@example.com'") == 2
    assert golden.value("SELECT count(*) FROM pg_stats WHERE tablename = 'customer' AND attname = 'mail'") == 1
    assert golden.value("SELECT bool_and(mail ~ '@example.com$') FROM mails")
    assert golden.value("SELECT count(*) FROM pg_description d WHERE d.objoid = 'customer'::regclass") == 0
    assert golden.value("SELECT count(*) FROM pg_attribute WHERE attisdropped") == 0


def test_no_dump_of_a_clone_holds_a_raw_value(built: tuple[Golden, Watch]) -> None:
    golden, _ = built
    argv = [str(EMBEDDED / "pg_dump"), "--statistics", golden.server.uri("look")]
    dump = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert "@example.com" in dump
    assert "real.example" not in dump


def test_neither_log_holds_a_value_or_the_key(built: tuple[Golden, Watch], source: Server) -> None:
    golden, _ = built
    own = re.sub(r"(?s)CREATE TABLE customer.*?ANALYZE;", "", source.log)  # what the test itself did
    assert "COPY (SELECT" in own
    assert [secret for secret in SECRETS if secret in own + golden.server.log] == []
    assert [raw for raw in RAW if raw in own + golden.server.log] == []
    assert not re.search(r"layersite\.(key|seed)'?, '?[0-9a-f]{8}", own)


def test_nobody_sees_a_value_the_key_or_a_password_meanwhile(built: tuple[Golden, Watch], source: Server) -> None:
    golden, watch = built
    assert any("COPY (SELECT" in each for each in watch.seen)
    assert any("pg_dump" in each for each in watch.seen)
    hidden = [*SECRETS, *RAW, source.password, golden.server.password]
    assert [each for each in watch.seen if any(secret in each for secret in hidden)] == []


def test_the_record_of_a_golden_holds_no_value(built: tuple[Golden, Watch]) -> None:
    golden, _ = built
    with golden.server.connect() as admin:
        query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
        row = admin.execute(query, (golden.made.golden.name,)).fetchone()
    assert row is not None
    assert not re.search("mustermann|real.example|example.com", row[0])


def test_an_error_quotes_no_value(build: Build) -> None:
    sql = """
    CREATE DOMAIN short AS text CHECK (length(VALUE) < 9);
    CREATE TABLE t (name short); INSERT INTO t VALUES ('Secretus');
    """
    with pytest.raises(DatabaseError, match="SQLSTATE 23514") as error:
        build(sql, {"public.t": {"name": {"mask": "full_name"}}})
    assert "Secretus" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_role_that_is_held_back_by_row_security_builds_nothing(build: Build, postgres: Server) -> None:
    sql = """
    CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
    CREATE POLICY one ON t USING (id = 1); GRANT SELECT ON t TO reader;
    """
    with postgres.connect() as admin:
        admin.execute("DROP ROLE IF EXISTS reader")
        admin.execute("CREATE ROLE reader LOGIN PASSWORD 'reads-only'")
    try:
        postgres.create("shop", sql)
        with pytest.raises(DatabaseError, match="row-level security"):
            build.again({"public.t": {"id": "keep"}}, user=("reader", "reads-only"))
    finally:
        with psycopg.connect(postgres.uri("shop"), autocommit=True) as shop:
            shop.execute("DROP OWNED BY reader; DROP ROLE reader")


def test_the_source_is_read_by_a_role_that_can_do_nothing_else(build: Build, postgres: Server) -> None:
    with postgres.connect() as admin:
        admin.execute("DROP ROLE IF EXISTS reader")
        admin.execute("CREATE ROLE reader LOGIN PASSWORD 'reads-only'")
    try:
        postgres.create("shop", "CREATE TABLE t (id serial, name text); INSERT INTO t (name) VALUES ('Realname')")
        postgres.run("shop", "GRANT pg_read_all_data TO reader")
        golden = build.again(
            {"public.t": {"id": "keep", "name": {"mask": "first_name"}}}, user=("reader", "reads-only")
        )
        assert golden.value("SELECT name FROM t") != "Realname"
    finally:
        with psycopg.connect(postgres.uri("shop"), autocommit=True) as shop:
            shop.execute("DROP OWNED BY reader; DROP ROLE reader")


def test_a_builder_who_may_only_create_databases_builds(postgres: Server) -> None:
    with postgres.connect() as admin:
        admin.execute("DROP ROLE IF EXISTS builder")
        admin.execute("CREATE ROLE builder LOGIN CREATEDB PASSWORD 'builds'")
    sql = "CREATE TABLE t (id serial PRIMARY KEY, mail text); INSERT INTO t (mail) VALUES ('canary.1@real.example')"
    build = Build(postgres, postgres, builder=("builder", "builds"))
    golden = build(sql, {"public.t": {"id": "keep", "mail": {"mask": "email"}}}, canaries=["canary.1@real.example"])
    files = next(check for check in golden.made.attestation.checks if check.name == "files")
    assert files.remarks == ("the server's data directory cannot be read from here",)
    with postgres.connect() as admin:
        admin.execute(f"ALTER DATABASE {golden.made.golden.name} IS_TEMPLATE false".encode())
        admin.execute(f"DROP DATABASE {golden.made.golden.name}".encode())
        admin.execute("DROP DATABASE look")
        admin.execute("DROP ROLE builder")
