"""Several goldens of one database: how many stay, and who may build; and a source that is a standby."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from layersite.database import ledger
from layersite.database.golden.make import Made, build
from layersite.model.database import Clone
from layersite.model.errors import DatabaseError
from layersite.model.site import Migrations
from tests.database.building import Build, wish
from tests.database.server import EMBEDDED, Server, following, running

SHOP = """
CREATE TABLE t (id int PRIMARY KEY, mail text);
INSERT INTO t SELECT n, n || '@real.example' FROM generate_series(1, 9) n;
"""
CONTRACT = {"public.t": {"id": "keep", "mail": {"mask": "email"}}}


def made(server: Server, keep: int) -> Made:
    found = build(replace(wish(server, CONTRACT, "kept"), keep=keep), datetime.now(UTC), lambda _: None)
    assert found is not None
    return found


def goldens(server: Server) -> set[str]:
    with server.connect() as admin:
        rows = admin.execute("SELECT datname FROM pg_database WHERE datname LIKE 'golden_kept%'").fetchall()
    return {row[0] for row in rows}


def test_the_oldest_go_but_never_one_that_a_clone_rests_on(postgres: Server) -> None:
    postgres.create("kept", SHOP)
    first, second = made(postgres, 2).golden, made(postgres, 2).golden
    postgres.copy(first.name, "env_web_1__kept")
    clone = Clone(
        name="env_web_1__kept",
        site="site",
        environment="web-1",
        database="kept",
        golden=first.name,
        method="test",
        seconds=0.1,
        built="2026-01-02T03:04:05Z",
    )
    with postgres.connect() as admin:
        admin.execute(f"COMMENT ON DATABASE env_web_1__kept IS '{ledger.text(clone)}'".encode())
    last = made(postgres, 1)
    assert last.dropped == (second.name,)
    assert goldens(postgres) == {first.name, last.golden.name}


def test_two_builds_do_not_meet(postgres: Server) -> None:
    postgres.create("kept", SHOP)
    busy = pytest.raises(DatabaseError, match="somebody else builds a golden of kept now")
    with wish(postgres, CONTRACT, "kept").engine.open_server(), busy:
        made(postgres, 1)


def test_a_standby_is_a_source(postgres: Server) -> None:
    with running(EMBEDDED) as primary:
        primary.create("shop", SHOP)
        with following(primary) as standby:
            golden = Build(postgres, standby).again(CONTRACT)
    assert golden.value("SELECT count(*) FROM t WHERE mail LIKE '%@example.com'") == 9


def test_a_golden_says_which_migrations_its_source_has_applied(postgres: Server) -> None:
    postgres.create("kept", "CREATE TABLE alembic_version (version_num text PRIMARY KEY)")
    postgres.run("kept", "INSERT INTO alembic_version VALUES ('8f3a1c')")
    wished = wish(postgres, {"public.alembic_version": {"version_num": "keep"}}, "kept")
    applied = Migrations(tool="alembic", repository="shop", path="migrations")
    found = build(replace(wished, migrations=applied), datetime.now(UTC), lambda _: None)
    assert found is not None
    assert found.golden.migrations == ("8f3a1c",)
