"""A site's golden from the command line, on a real server, of real data."""

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from layersite.cli import main
from tests.database.server import Server

SITE = """
organization: Example
environments: {url: environments.git}
cluster: {baseline: {managed: true}}
exposure: {domain: preview.example.com}
databases: {pagila: {host: database.databases.svc}}
"""
Command = Callable[..., Result]


@pytest.fixture
def layersite(tmp_path: Path, postgres: Server, pagila: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line in a site whose database `pagila` is the real one."""
    (tmp_path / "layersite.yaml").write_text(SITE, "utf-8")
    for what, value in (("SOURCE", pagila), ("SERVER", postgres.uri()), ("KEY", "0123456789abcdef" * 2)):
        monkeypatch.setenv(f"LAYERSITE_DATABASE_PAGILA_{what}", value)
    return lambda *argv: CliRunner().invoke(main, ["--site", str(tmp_path), "golden", *argv])


def test_the_proposed_contract_of_pagila_gives_a_golden(layersite: Command, postgres: Server) -> None:
    assert layersite("propose", "pagila").exit_code == 0
    built = layersite("build", "pagila", "--output", "json")
    assert built.exit_code == 0, built.output
    golden = json.loads(built.stdout)
    with postgres.connect() as admin:
        query = "SELECT datistemplate, datallowconn FROM pg_database WHERE datname = %s"
        assert admin.execute(query, (golden["name"],)).fetchone() == (True, False)
    assert layersite("verify", "pagila").exit_code == 0
    postgres.copy(golden["name"], "copy")
    with postgres.connect("copy") as copy:
        assert copy.execute("SELECT count(*) FROM payment").fetchone() == (16049,)
        row = copy.execute("SELECT first_name, email FROM customer WHERE customer_id = 1").fetchone()
        assert row is not None
        assert row[0] != "MARY"
        assert row[1].endswith("@example.com")


def test_a_new_column_stops_the_build_and_says_what_to_add(layersite: Command, postgres: Server, pagila: str) -> None:
    layersite("propose", "pagila")
    with psycopg.connect(pagila, autocommit=True) as source:
        source.execute("ALTER TABLE staff ADD COLUMN nickname text")
        try:
            stopped = layersite("build", "pagila")
        finally:
            source.execute("ALTER TABLE staff DROP COLUMN nickname")
    assert stopped.exit_code == 3
    assert "the column `nickname` of public.staff is not listed" in stopped.output
    assert "  public.staff:\n    nickname:\n      mask: identifier\n" in stopped.output
