"""Bringing a golden from another server may be killed at any statement on either: the next run ends right."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from psycopg.sql import SQL, Identifier

from layersite.database import ledger
from layersite.database.clone.postgresql import PostgreSQL
from layersite.database.clone.restore import fetch
from layersite.model.database import Golden
from tests.database.goldens import publish
from tests.database.server import EMBEDDED, Server, running
from tests.database.tap import run_until

BUILTIN = "TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C'"
STATE = """
SELECT datname, datistemplate, datallowconn, datlocprovider::text, datlocale,
    has_database_privilege('public', oid, 'connect')
FROM pg_database WHERE starts_with(datname, 'golden_')"""


@pytest.fixture(scope="module")
def other() -> Iterator[Server]:
    with running(EMBEDDED) as server:
        yield server


@pytest.fixture(scope="module")
def golden(postgres: Server) -> Golden:
    return publish(postgres, options=BUILTIN)


def uri(server: Server) -> str:
    return server.uri() + "?sslmode=disable"


def bring_to(target: str, source: str, golden: str) -> None:
    with closing(PostgreSQL(source, "G")) as there, closing(PostgreSQL(target, "V")) as here:
        fetch(there, here, golden)


def bring_from(source: str, target: str, golden: str) -> None:
    bring_to(target, source, golden)


def bring_in(source: str, target: str, golden: str, folder: Path) -> None:
    os.environ["TMPDIR"] = str(folder)
    bring_to(target, source, golden)


@pytest.mark.parametrize("word", [b"COPY public.", b"RENAME TO", b"IS_TEMPLATE true"])
def test_what_was_killed_on_the_server_of_the_clones_is_brought_by_the_next_run(
    postgres: Server, other: Server, golden: Golden, word: bytes
) -> None:
    remove(other)
    assert run_until(word, bring_to, uri(other), uri(postgres), golden.name)[0] == -signal.SIGKILL
    is_right(postgres, other, golden)


def test_what_was_killed_on_the_server_of_the_goldens_is_brought_by_the_next_run(
    postgres: Server, other: Server, golden: Golden
) -> None:
    remove(other)
    assert run_until(b"COPY public.", bring_from, uri(postgres), uri(other), golden.name)[0] == -signal.SIGKILL
    is_right(postgres, other, golden)


def test_the_dump_of_a_killed_run_goes_with_the_next(
    postgres: Server, other: Server, golden: Golden, tmp_path: Path
) -> None:
    remove(other)
    given = (bring_in, uri(postgres), uri(other), golden.name, tmp_path)
    assert run_until(b"COPY public.", *given)[0] == -signal.SIGKILL
    assert len([*tmp_path.glob("layersite-*/*")]) == 1
    assert run_until(0, *given)[0] == 0
    assert [*tmp_path.glob("layersite-*/*")] == []


@pytest.mark.stress
@pytest.mark.parametrize("work", [bring_to, bring_from])
def test_one_right_end_state_follows_whichever_statement_it_was(
    postgres: Server, other: Server, golden: Golden, work: Callable[[str, str, str], None]
) -> None:
    tapped, plain = (other, postgres) if work is bring_to else (postgres, other)
    remove(other)
    code, total = run_until(0, work, uri(tapped), uri(plain), golden.name)
    assert (code, total > 10) == (0, True)
    for last in range(1, total + 1):
        remove(other)
        assert run_until(last, work, uri(tapped), uri(plain), golden.name)[0] in (-signal.SIGKILL, 0)  # in parallel
        is_right(postgres, other, golden)


def remove(server: Server) -> None:
    with closing(PostgreSQL(server.uri(), "V")) as engine:
        for name in engine.records():
            engine.run(SQL("ALTER DATABASE {} IS_TEMPLATE false").format(Identifier(name)))
            engine.drop(name)


def is_right(source: Server, target: Server, golden: Golden) -> None:
    bring_to(target.uri(), source.uri(), golden.name)
    assert state(target) == [(golden.name, True, False, "b", "C.UTF-8", False)]
    assert [name for name, *_ in state(source)] == [golden.name]
    with target.connect() as admin:
        assert ledger.entries(admin)[golden.name] == golden
    target.copy(golden.name, "look")
    with target.connect("look") as look:
        counts = "SELECT (SELECT count(*) FROM customer), (SELECT count(*) FROM orders), (SELECT count(*) FROM webhook)"
        assert look.execute(counts).fetchone() == (100, 100, 1)


def state(server: Server) -> list[tuple[object, ...]]:
    with server.connect() as admin:
        return admin.execute(STATE).fetchall()
