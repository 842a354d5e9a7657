"""The servers that the other tests stand on."""

from pathlib import Path

import psycopg
import pytest

from tests.database.server import EMBEDDED, Server, copy_programs, running


@pytest.mark.parametrize(("kind", "version"), [("postgres", 18), ("postgres15", 15)])
def test_a_server_runs_and_wants_a_password(request: pytest.FixtureRequest, kind: str, version: int) -> None:
    server: Server = request.getfixturevalue(kind)
    with server.connect() as connection:
        assert connection.info.server_version // 10000 == version
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.uri(password="wrong"))


def test_pagila_is_loaded(pagila: str) -> None:
    with psycopg.connect(pagila) as connection:
        assert connection.execute("SELECT count(*) FROM customer").fetchone() == (599,)


def test_programs_in_a_folder_of_roots_own_serve_too(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with running(copy_programs(EMBEDDED, private)) as server, server.connect() as admin:
        assert admin.execute("SELECT 1").fetchone() == (1,)
    assert not server.folder.exists()
