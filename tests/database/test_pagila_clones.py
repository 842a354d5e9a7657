"""Pagila, as a contract masks it: five clones at once, and each app reads and writes its own alone."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from layersite.cli import main
from layersite.database.clone import Order, admit, provide
from layersite.database.clone.postgresql import PostgreSQL
from layersite.model.database import Golden
from layersite.model.yaml import dump
from tests.database.server import Server

SITE = {
    "organization": "acme",
    "environments": {"url": "environments.git"},
    "cluster": {"baseline": {"namespace": "staging"}},
    "exposure": {"domain": "preview.example.com"},
    "databases": {"pagila": {"host": "postgres.databases.svc"}},
}


@pytest.fixture
def golden(tmp_path: Path, postgres: Server, pagila: str, monkeypatch: pytest.MonkeyPatch) -> Golden:
    """A golden of the real Pagila, built as a team would."""
    (tmp_path / "layersite.yaml").write_text(dump(SITE))
    for what, value in (("SOURCE", pagila), ("SERVER", postgres.uri()), ("KEY", "0123456789abcdef" * 2)):
        monkeypatch.setenv(f"LAYERSITE_DATABASE_PAGILA_{what}", value)
    for verb in ("propose", "build"):
        result = CliRunner().invoke(main, ["--site", str(tmp_path), "golden", verb, "pagila"])
        assert result.exit_code == 0, result.output
    with closing(PostgreSQL(postgres.uri(), "V")) as engine:
        records = engine.records().values()
    found = [each for each in records if isinstance(each, Golden) and each.database == "pagila"]
    return max(found, key=lambda golden: golden.built)


def test_five_apps_read_and_write_their_own_pagila_alone(postgres: Server, golden: Golden) -> None:
    def make(number: int) -> tuple[str, str]:
        order = Order("site.git", "five-", f"web-{number}", "pagila", golden.name)
        with closing(PostgreSQL(postgres.uri(), "V")) as engine:
            provide(engine, order)
            with engine.locked(order.name):
                return order.name, admit(engine, order.name, None)

    with ThreadPoolExecutor(5) as pool:
        made = list(pool.map(make, range(5)))
    for name, password in made:
        with psycopg.connect(postgres.uri(name, name, password)) as app:
            assert app.execute("SELECT (SELECT count(*) FROM film), (SELECT count(*) FROM payment)").fetchone() == (
                1000,
                16049,
            )
            app.execute("UPDATE film SET title = current_user")
            app.execute("CREATE TABLE own (id int PRIMARY KEY)")
            app.execute("REFRESH MATERIALIZED VIEW rental_by_category")
            app.execute("SELECT film_in_stock(1, 1)")
        for other, _ in made:
            if other != name:
                with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                    psycopg.connect(postgres.uri(other, name, password))
    for name, _ in made:  # as the superuser sees it
        with psycopg.connect(postgres.uri(name)) as independent:
            assert independent.execute("SELECT DISTINCT title FROM film").fetchall() == [(name,)]
