"""Ledgers as the tools leave them in a real database, and goldens that fit a change or do not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from layersite.database.fit import Step, of_postgresql, read_applied, read_history
from layersite.database.fit.squawk import warnings
from layersite.model.errors import DatabaseError
from tests.database.server import Server

LEDGERS = {
    "django": (
        "CREATE TABLE django_migrations (id bigint, app text, name text, applied timestamptz);"
        "INSERT INTO django_migrations VALUES (2, 'shop', '0002_b', now()), (1, 'shop', '0001_a', now())",
        ("shop.0001_a", "shop.0002_b"),
    ),
    "flyway": (
        "CREATE TABLE flyway_schema_history (installed_rank int, version text, description text, type text,"
        " script text, checksum int, success bool);"
        "INSERT INTO flyway_schema_history VALUES (1, '1', '', 'BASELINE', '', NULL, true),"
        " (2, '1.1', '', 'SQL', 'V1_1__a.sql', -7, true), (3, NULL, '', 'SQL', 'R__v.sql', 8, true),"
        " (4, '2', '', 'SQL', 'V2__b.sql', 9, true), (5, '2', '', 'UNDO_SQL', 'U2__b.sql', 9, true)",
        ("<=1", "1.1#-7"),
    ),
    "golang-migrate": (
        "CREATE TABLE schema_migrations (version bigint, dirty bool); INSERT INTO schema_migrations VALUES (20, false)",
        ("20",),
    ),
    "goose": (
        "CREATE TABLE goose_db_version (id int, version_id bigint, is_applied bool);"
        "INSERT INTO goose_db_version VALUES (1, 0, true), (2, 1, true), (3, 2, true), (4, 2, false)",
        ("1",),
    ),
    "liquibase": (
        "CREATE TABLE databasechangelog (id text, author text, filename text, orderexecuted int);"
        "INSERT INTO databasechangelog VALUES ('2', 'ann', 'classpath:db/a.xml', 2), ('1', 'ann', 'db/a.xml', 1)",
        ("db/a.xml::1::ann", "db/a.xml::2::ann"),
    ),
    "prisma": (
        "CREATE TABLE _prisma_migrations (migration_name text, started_at timestamptz, finished_at timestamptz,"
        " rolled_back_at timestamptz); INSERT INTO _prisma_migrations VALUES ('1_a', now(), now(), NULL),"
        " ('2_b', now(), NULL, now())",
        ("1_a",),
    ),
    "rails": (
        "CREATE TABLE schema_migrations (version text); INSERT INTO schema_migrations VALUES ('2'), ('1')",
        ("1", "2"),
    ),
}


@pytest.fixture
def empty(postgres: Server) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.create("fit")) as connection:
        yield connection


@pytest.mark.parametrize("tool", LEDGERS)
def test_what_a_tool_has_applied_is_read_from_its_table(empty: psycopg.Connection, tool: str) -> None:
    sql, expected = LEDGERS[tool]
    empty.execute(sql.encode())
    assert read_applied(of_postgresql(empty), tool) == expected


def test_a_ledger_in_another_place_is_found_there(empty: psycopg.Connection) -> None:
    empty.execute(
        "CREATE SCHEMA audit; CREATE TABLE audit.versions (version_num text); INSERT INTO audit.versions VALUES ('a')"
    )
    assert read_applied(of_postgresql(empty), "alembic", "audit.versions") == ("a",)


def test_a_ledger_that_is_not_there_is_an_error_that_leaves_the_transaction_alone(empty: psycopg.Connection) -> None:
    empty.execute("CREATE TABLE kept ()")
    with pytest.raises(DatabaseError, match="no ledger of alembic in `alembic_version`; see `migrations`"):
        read_applied(of_postgresql(empty), "alembic")
    assert empty.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_what_alembic_itself_has_applied_is_what_is_pending_no_more(postgres: Server, tmp_path: Path) -> None:
    versions = tmp_path / "versions"
    versions.mkdir()
    (tmp_path / "env.py").write_text(
        "from alembic import context\nfrom sqlalchemy import create_engine\n"
        "url = context.config.get_main_option('sqlalchemy.url')\n"
        "with create_engine(url).connect() as connection:\n"
        "    context.configure(connection=connection)\n"
        "    with context.begin_transaction():\n        context.run_migrations()\n    connection.commit()\n"
    )
    graph = {"a1": "None", "b2": "'a1'", "c3": "'a1'", "d4": "('b2', 'c3')", "e5": "'d4'"}
    for name, after in graph.items():
        text = f"revision = '{name}'\ndown_revision = {after}\n\n\ndef upgrade():\n    pass\n"
        (versions / f"{name}.py").write_text(text)
    uri = postgres.create("alembic").replace("postgresql:", "postgresql+psycopg:")
    (tmp_path / "alembic.ini").write_text(f"[alembic]\nscript_location = {tmp_path}\nsqlalchemy.url = {uri}\n")
    history = read_history("alembic", {f"versions/{path.name}": path.read_text() for path in versions.iterdir()})
    for target, applied, pending in [
        ("b2", ("b2",), {"c3", "d4", "e5"}),
        ("c3", ("b2", "c3"), {"d4", "e5"}),
        ("d4", ("d4",), {"e5"}),
    ]:
        subprocess.run(
            [sys.executable, "-m", "alembic", "upgrade", target], cwd=tmp_path, check=True, capture_output=True
        )
        with postgres.connect("alembic") as connection:
            assert read_applied(of_postgresql(connection), "alembic") == applied
        assert set(history.pending(applied)) == pending


def test_squawk_warns_of_what_locks_and_breaks() -> None:
    bad = "ALTER TABLE users ADD COLUMN age bigint NOT NULL;\nDROP TABLE old;\n"
    files = {"db/2.sql": bad, "db/1.sql": bad, "db/3.rb": "drop_table", "db/4.sql": "SELECT 1;\n"}
    said = warnings(files, [Step(name, name) for name in ("db/2.sql", "db/3.rb", "db/4.sql")])
    assert any(line.startswith("`db/2.sql:1`: ") and line.endswith("(adding-required-field)") for line in said)
    assert any(line.startswith("`db/2.sql:2`: ") and line.endswith("(ban-drop-table)") for line in said)
    assert {line.split(":")[0] for line in said} == {"`db/2.sql"}


GOOSE = "-- +goose Up\nALTER TABLE a ADD COLUMN b int NOT NULL;\n-- +goose Down\nDROP TABLE a;\n"
LIQUIBASE = (
    "--liquibase formatted sql\n--changeset ann:1\nDROP TABLE old;\n"
    "--changeset ann:2\nALTER TABLE a ADD COLUMN b int NOT NULL;\n--changeset ann:3\nDROP TABLE older;\n"
)


@pytest.mark.parametrize(
    ("tool", "file", "text", "ledger", "lines"),
    [
        ("goose", "1_a.sql", GOOSE, (), {"2"}),
        ("liquibase", "log.sql", LIQUIBASE, ("log.sql::1::ann", "log.sql::3::ann"), {"5"}),
        ("liquibase", "log.sql", LIQUIBASE, ("log.sql::1::ann",), {"5", "7"}),
    ],
    ids=["way back", "one of many", "two of many"],
)
def test_squawk_warns_of_what_is_new_in_a_file_alone(
    tool: str, file: str, text: str, ledger: tuple[str, ...], lines: set[str]
) -> None:
    history = read_history(tool, {file: text})
    said = warnings({file: text}, [history.steps[name] for name in history.pending(ledger)])
    assert {line.split(":")[1].strip("`") for line in said if "(require-timeout" not in line} == lines
