"""A build that is killed leaves nothing that anyone can use, and the next one puts everything right."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from layersite.database.golden.make import Wish, build
from layersite.database.golden.postgresql.engine import PostgreSQL
from tests.database.building import wish
from tests.database.server import Server
from tests.database.tap import run_until, write_until

CONTRACT = {"public.customer": {"id": "keep", "mail": {"mask": "email"}, "note": {"mask": "text"}}}
SHOP = """
CREATE TABLE customer (id int PRIMARY KEY, mail text UNIQUE, note text);
INSERT INTO customer SELECT n, n || '@real.example', repeat('called ', 9) FROM generate_series(1, 1000) n;
CREATE INDEX ON customer (note);
"""
STEPS = {
    "the draft is made": b"CREATE DATABASE",
    "rows come": b"COPY public.customer",
    "indexes are built": b"CREATE INDEX",
    "it is vacuumed": b"VACUUM",
    "it is checked": b"layersite.seed",
    "it gets its name": b"RENAME TO",
}
DATABASES = "SELECT datname FROM pg_database WHERE datname LIKE %s"


@pytest.fixture(scope="module")
def wished(postgres: Server) -> Iterator[Wish]:
    """A golden of `killed`, and a stranger who would like to see what becomes of it."""
    postgres.create("killed", SHOP)
    with postgres.connect() as admin:
        admin.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
        yield replace(wish(postgres, CONTRACT, "killed"), keep=1)
        admin.execute("DROP ROLE stranger")


def build_at(uri: str, wished: Wish) -> None:
    assert isinstance(wished.engine, PostgreSQL)
    build(replace(wished, engine=replace(wished.engine, server=uri)), datetime.now(UTC), lambda _: None)


def build_of(uri: str, wished: Wish, folder: Path) -> None:
    assert isinstance(wished.engine, PostgreSQL)
    os.environ["TMPDIR"] = str(folder)
    build(replace(wished, engine=replace(wished.engine, source=uri)), datetime.now(UTC), lambda _: None)


@pytest.mark.parametrize("word", STEPS.values(), ids=STEPS)
def test_a_build_that_is_killed_leaves_nothing_for_anyone(postgres: Server, wished: Wish, word: bytes) -> None:
    assert run_until(word, build_at, uri(postgres), wished)[0] == -signal.SIGKILL
    assert databases(postgres, "golden_killed%") == []
    for draft in databases(postgres, "layersite_draft_killed%"):
        with pytest.raises(psycopg.OperationalError, match=r"permission denied|not currently accepting"):
            psycopg.connect(postgres.uri(draft, "stranger", "stranger"))


def test_the_draft_of_a_database_of_a_similar_name_stays(postgres: Server, wished: Wish) -> None:
    left, other = "layersite_draft_killed_0123abcd", "layersite_draft_killed_too_0123abcd"
    for name in (left, other):
        postgres.create(name, "")
    build(wished, datetime.now(UTC), lambda _: None)
    assert databases(postgres, "layersite_draft_killed%") == [other]
    postgres.run("postgres", f"DROP DATABASE {other}")


def test_the_build_after_it_ends_right(postgres: Server, wished: Wish) -> None:
    assert run_until(STEPS["indexes are built"], build_at, uri(postgres), wished)[0] == -signal.SIGKILL
    is_right(postgres, wished)


def test_the_schema_of_a_killed_run_goes_with_the_next(postgres: Server, wished: Wish, tmp_path: Path) -> None:
    given = (build_of, postgres.uri("killed") + "?sslmode=disable", wished, tmp_path)
    assert run_until(b"LOCK TABLE public.customer", *given)[0] == -signal.SIGKILL
    assert len([*tmp_path.glob("layersite-*/*")]) == 1
    assert run_until(0, *given)[0] == 0
    assert [*tmp_path.glob("layersite-*/*")] == []


@pytest.mark.stress
def test_one_right_end_state_follows_whichever_statement_it_was(postgres: Server, wished: Wish) -> None:
    is_right(postgres, wished)  # so that there is one which has to go
    code, total = run_until(0, build_at, uri(postgres), wished)
    assert (code, total > 10) == (0, True)
    for last in range(total, 0, -1):
        assert run_until(last, build_at, uri(postgres), wished)[0] == -signal.SIGKILL
        is_right(postgres, wished)


@pytest.mark.stress
def test_nothing_is_left_whichever_file_it_was(postgres: Server, wished: Wish, tmp_path: Path) -> None:
    given = (build_of, postgres.uri("killed"), wished, tmp_path)
    code, total = write_until(0, *given)
    assert (code, total > 5) == (0, True)
    for last in range(1, total + 1):
        assert write_until(last, *given)[0] == -signal.SIGKILL
        assert write_until(0, *given)[0] == 0
        assert [*tmp_path.glob("layersite-*/*")] == []
        is_right(postgres, wished)


def uri(server: Server) -> str:
    return server.uri() + "?sslmode=disable"


def databases(server: Server, pattern: str) -> list[str]:
    with server.connect() as admin:
        return [name for (name,) in admin.execute(DATABASES, (pattern,))]


def is_right(server: Server, wished: Wish) -> None:
    """Build, and see that of all builds this one's golden alone is there."""
    with wished.engine.open_server() as opened:
        for golden, _ in opened.goldens():  # those of killed builds too: what counts as one is complete
            assert [each for each in opened.verify_again(golden.name, wished.contract) if each.problems] == []
    made = build(wished, datetime.now(UTC), lambda _: None)
    assert made is not None
    assert databases(server, "layersite_draft_killed%") == []
    assert databases(server, "golden_killed%") == [made.golden.name]
    server.copy(made.golden.name, "look")
    with server.connect("look") as look:
        assert look.execute("SELECT count(DISTINCT mail) FROM customer").fetchone() == (1000,)
