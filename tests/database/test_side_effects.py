"""What a source does by itself, its golden and clones do not: no subscription, and no job of an extension."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from layersite.database.clone import Order, provide
from layersite.database.clone.postgresql import PostgreSQL
from layersite.model.contract import Quiet
from tests.database.building import Build
from tests.database.server import Server

MAIL = "CREATE TABLE mail (id int PRIMARY KEY); INSERT INTO mail VALUES (1);"
KEEP = {"public.mail": {"id": "keep"}}
ABROAD = "CONNECTION 'host=feed.real.example password=real-password' PUBLICATION mail WITH (connect = false"
JOBS = """
CREATE TABLE job (id serial PRIMARY KEY, command text);
SELECT pg_extension_config_dump('job', '');
"""
CONTROL = "default_version = '1'\nrelocatable = false\nschema = jobs\n"


def cloned(server: Server, golden: str, quiet: Quiet | None = None) -> str:
    """Make a clone of a golden and return its name."""
    order = Order("site.git", "quiet-", "web-1", "shop", golden, quiet or Quiet(), reset=True)
    with closing(PostgreSQL(server.uri(), "V")) as engine:
        return provide(engine, order)[0].name


def test_a_subscription_of_the_source_lives_in_no_golden_and_no_clone(build: Build, postgres: Server) -> None:
    golden = build(f"{MAIL} CREATE SUBSCRIPTION feed {ABROAD}, slot_name = NONE);", KEEP)
    name = cloned(postgres, golden.made.golden.name)
    query = "SELECT datname, subname FROM pg_subscription JOIN pg_database d ON d.oid = subdbid"
    assert golden.rows(query) == [("shop", "feed")]  # of the whole server: it is the source's alone
    assert "SUBSCRIPTION feed" in golden.made.attestation.left_out
    assert "real-password" not in golden.made.attestation.model_dump_json()
    with postgres.connect(name) as clone:
        assert clone.execute("SELECT count(*) FROM mail").fetchone() == (1,)
    postgres.run("shop", "DROP SUBSCRIPTION feed")


@pytest.fixture
def jobs(postgres: Server) -> Iterator[str]:
    """An extension with a table whose rows a dump would take along, as that of pg_cron has one."""
    folder = postgres.folder / "extension"
    folder.mkdir()
    (folder / "jobs.control").write_text(CONTROL, encoding="utf-8")
    (folder / "jobs--1.sql").write_text(JOBS, encoding="utf-8")
    postgres.run("postgres", f"ALTER ROLE postgres SET extension_control_path = '$system:{postgres.folder}'")
    yield "CREATE SCHEMA jobs; CREATE EXTENSION jobs; INSERT INTO jobs.job (command) VALUES ('mail anna@real.example');"
    postgres.run("postgres", "ALTER ROLE postgres RESET extension_control_path")


def test_an_extension_s_tables_come_without_a_row(build: Build, postgres: Server, jobs: str) -> None:
    golden = build(MAIL + jobs, KEEP)
    assert golden.rows("SELECT * FROM jobs.job") == []
    name = cloned(postgres, golden.made.golden.name, Quiet(empty=("jobs.job",)))
    with postgres.connect(name) as clone:
        assert clone.execute("SELECT count(*) FROM jobs.job").fetchone() == (0,)
        assert clone.execute("SELECT count(*) FROM mail").fetchone() == (1,)
