"""What was masked is nowhere: not in files, logs, statistics, activity, process lists, output or errors."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from layersite.database.clone import Order, admit, provide
from layersite.database.clone.postgresql import PostgreSQL
from layersite.database.clone.restore import fetch
from layersite.database.golden.make import subkey
from layersite.database.golden.postgresql.masks import key_settings
from layersite.model.errors import DatabaseError
from tests.database.building import KEY, Build, Golden
from tests.database.server import DEBIAN, EMBEDDED, Server, running
from tests.database.watch import watching

RAW = [f"anna{number}.mustermann@real.example" for number in range(20)]
SHOP = f"""
CREATE TABLE customer (id int PRIMARY KEY, mail text, note text, plan text, number serial);
INSERT INTO customer SELECT n, 'anna' || n || '.mustermann@real.example', 'called anna' || n || '.mustermann', 'gold'
    FROM generate_series(0, 20000) n;
UPDATE customer SET plan = 'silver' WHERE id % 2 = 0;
ALTER TABLE customer ADD gone text; UPDATE customer SET gone = mail; ALTER TABLE customer DROP COLUMN gone;
CREATE MATERIALIZED VIEW mails AS SELECT id, mail FROM customer; CREATE UNIQUE INDEX ON mails (id);
CREATE INDEX ON customer (mail);
CREATE STATISTICS together (mcv) ON mail, plan FROM customer;
CREATE SEQUENCE invoice; SELECT setval('invoice', 777777); SELECT setval('customer_number_seq', 888888);
CREATE SEQUENCE falling INCREMENT -1; SELECT setval('falling', -999999);
COMMENT ON COLUMN customer.mail IS 'such as {RAW[0]}';
SELECT lo_from_bytea(0, 'letter of {RAW[1]}');
ANALYZE;
"""
CONTRACT: dict[str, Any] = {
    "public.customer": {"id": "keep", "mail": {"mask": "email"}, "note": {"mask": "text"}, "plan": "keep"},
    "public.mails": {"id": "keep", "mail": "keep"},
}
CONTRACT["public.customer"]["number"] = "keep"
ORDER = Order("site.git", "leaks-", "web-1", "shop", None)
SECRETS = [KEY, *key_settings(subkey(KEY, "mask")).values(), subkey(KEY, "mask").hex()]
LOGS = (
    "log_statement=all",
    "log_min_duration_statement=0",
    "log_min_error_statement=debug5",
    "log_parameter_max_length=-1",
    "log_parameter_max_length_on_error=-1",
    "log_error_verbosity=verbose",
    "log_connections=on",
    "log_temp_files=0",
    "track_activity_query_size=64kB",
)
EXPLAINS = (
    "shared_preload_libraries=auto_explain,pg_stat_statements",
    *(f"auto_explain.{each}" for each in ("log_min_duration=0", "log_analyze=on", "log_verbose=on")),
    *(f"auto_explain.{each}" for each in ("log_nested_statements=on", "log_settings=on")),
)


@dataclass(frozen=True)
class Built:
    """A golden on a server that has never seen anything else, with clones there and on its source's server.

    `seen` is what others saw meanwhile, `passwords` are those of the clones.
    """

    golden: Golden
    source: Server
    seen: set[str]
    passwords: tuple[str, ...]

    @property
    def own(self) -> str:
        """What was logged at the source, but for what the test itself did there."""
        return re.sub(r"(?s)CREATE TABLE customer.*?ANALYZE;", "", self.source.log)


@contextmanager
def activity(*servers: Server) -> Iterator[list[Callable[[], list[str]]]]:
    """Give looks at what the servers show of other sessions."""
    query = "SELECT query FROM pg_stat_activity"
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for server in servers]
        yield [lambda c=each: [row[0] for row in c.execute(query)] for each in connections]  # type: ignore[misc]


def cloned(server: Server, other: Server, golden: str) -> Iterator[str]:
    """Clone `golden` on its server, then on another to which it is brought, and give the passwords."""
    order = Order(ORDER.site, ORDER.prefix, ORDER.environment, ORDER.database, golden)
    with closing(PostgreSQL(server.uri(), "G")) as here, closing(PostgreSQL(other.uri(), "V")) as there:
        for engine, bring in ((here, None), (there, partial(fetch, here, there, golden))):
            provide(engine, order, fetch=bring)
            yield admit(engine, order.name, None)


KINDS = [
    pytest.param((EMBEDDED, LOGS), id="18"),
    pytest.param((DEBIAN, (*LOGS, *EXPLAINS)), id="15 that explains", marks=pytest.mark.stress),
]


@pytest.fixture(scope="module", params=KINDS)
def built(request: pytest.FixtureRequest) -> Iterator[Built]:
    programs, settings = request.param
    if not programs.is_dir():
        pytest.skip(f"there is no PostgreSQL in {programs}")
    with running(programs, *settings) as source, running(programs, *settings) as server:
        source.create("shop", SHOP)
        with (
            pytest.MonkeyPatch.context() as patch,
            activity(source, server) as looks,
            watching(*looks) as seen,
        ):
            patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
            golden = Build(server, source).again(CONTRACT, large_objects="drop")
            passwords = tuple(cloned(server, source, golden.made.golden.name))
        with server.connect() as admin:
            admin.execute("CHECKPOINT")
        yield Built(golden, source, seen, passwords)


def holding(folder: Path, pattern: str) -> list[Path]:
    """Return the files in `folder` that hold anything like `pattern`."""
    wanted = re.compile(pattern.encode())
    return [path for path in folder.rglob("*") if path.is_file() and wanted.search(path.read_bytes())]


def test_no_raw_value_the_key_or_a_password_is_in_any_file_of_the_server_of_goldens(built: Built) -> None:
    server = built.golden.server
    assert holding(server.folder, "|".join([r"anna\d+\.mustermann|real\.example", *SECRETS, *built.passwords])) == []
    assert holding(server.data / "base", "@example.com")
    assert holding(server.data / "pg_wal", "@example.com")
    assert holding(server.folder, server.password) == [server.folder / "password"]


def test_neither_the_key_nor_a_password_is_in_any_file_of_the_source(built: Built) -> None:
    assert holding(built.source.folder, "|".join([*SECRETS, *built.passwords, built.golden.server.password])) == []


def test_no_temporary_file_is_left_on_either_server(built: Built) -> None:
    folders = (built.source.data, built.golden.server.data)
    assert [path for each in folders for path in each.rglob("*pgsql_tmp*/*")] == []


def test_no_raw_value_is_in_statistics_views_comments_or_dropped_columns(built: Built) -> None:
    golden = built.golden
    held = "concat(most_common_vals, histogram_bounds, most_common_elems)"
    assert golden.value(f"SELECT count(*) FROM pg_stats WHERE {held} ~ 'real|mustermann'") == 0
    assert golden.value(f"SELECT count(*) FROM pg_stats WHERE {held} ~ '@example.com'") == 2
    assert golden.value("SELECT count(*) FROM pg_stats WHERE tablename = 'customer' AND attname = 'mail'") == 1
    assert golden.value("SELECT most_common_vals::text ~ '@example.com' FROM pg_stats_ext")
    assert golden.value("SELECT bool_and(mail ~ '@example.com$') FROM mails")
    assert golden.value("SELECT count(*) FROM pg_description d WHERE d.objoid = 'customer'::regclass") == 0
    assert golden.value("SELECT count(*) FROM pg_attribute WHERE attisdropped") == 0
    assert golden.value("SELECT count(*) FROM pg_largeobject_metadata") == 0


def test_no_sequence_tells_where_that_of_the_source_stands(built: Built) -> None:
    found = built.golden.rows("SELECT sequencename::text, last_value FROM pg_sequences ORDER BY 1")
    assert found == [("customer_number_seq", 20001), ("falling", None), ("invoice", 20000)]


def test_no_dump_of_a_clone_holds_a_raw_value(built: Built) -> None:
    argv = [str(EMBEDDED / "pg_dump"), "--statistics", built.golden.server.uri(ORDER.name)]
    dump = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert "@example.com" in dump
    assert "real.example" not in dump


def test_neither_log_holds_a_value_the_key_or_a_password(built: Built) -> None:
    logs = built.own + built.golden.server.log
    assert "COPY (SELECT" in built.own
    assert "PASSWORD 'SCRAM-SHA-256$" in built.own
    assert [hidden for hidden in (*SECRETS, *RAW, *built.passwords) if hidden in logs] == []
    assert not re.search(r"layersite\.(key|seed)'?, '?[0-9a-f]{8}", built.own)


def test_nobody_sees_a_value_the_key_or_a_password_meanwhile(built: Built) -> None:
    for looked_at in (r"COPY \(SELECT", "pg_(dump|restore)"):  # statements, and processes
        assert any(re.search(looked_at, each) for each in built.seen), looked_at
    passwords = (*built.passwords, built.source.password, built.golden.server.password)
    hidden = [*SECRETS, *RAW, *passwords]
    assert [each for each in built.seen if any(secret in each for secret in hidden)] == []


def test_no_record_holds_a_value_the_key_or_a_password(built: Built) -> None:
    query = """
    SELECT shobj_description(oid, 'pg_database') FROM pg_database
    UNION ALL SELECT shobj_description(oid, 'pg_authid') FROM pg_roles"""
    with built.golden.server.connect() as admin:
        said = "".join(str(row[0]) for row in admin.execute(query))
    assert [kind for kind in ("attestation", "golden", "clone", "role") if f'"{kind}"' not in said] == []
    assert not re.search("|".join(["mustermann|real.example|example.com", *SECRETS, *built.passwords]), said)


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
