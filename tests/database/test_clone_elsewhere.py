"""Clones on another server than the goldens: the golden is brought once, and looks the same there."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from layersite.database import ledger
from layersite.database.clone import Order, engine_of, fetcher, provide
from layersite.database.clone.postgresql import PostgreSQL
from layersite.model.errors import DatabaseError
from tests.database.goldens import SHOP, publish
from tests.database.server import EMBEDDED, Server, running


@pytest.fixture(scope="module")
def other() -> Iterator[Server]:
    with running(EMBEDDED) as server:
        yield server


@pytest.mark.parametrize("kind", ["postgres", "postgres15"])
def test_a_golden_of_another_server_is_restored_once_and_replaces_an_older_one(
    request: pytest.FixtureRequest, other: Server, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source: Server = request.getfixturevalue(kind)
    monkeypatch.setenv("LAYERSITE_DATABASE_SHOP_GOLDENS", source.uri())
    monkeypatch.setenv("LAYERSITE_DATABASE_SHOP_SERVER", other.uri())
    golden = publish(source, SHOP + "CREATE SCHEMA more; CREATE VIEW more.v AS SELECT count(*) FROM orders;")
    with source.connect() as admin:
        admin.execute(SQL("ALTER DATABASE {} SET search_path = more, public").format(Identifier(golden.name)))

    def clone(number: int, name: str) -> tuple[str, bool]:
        order = Order("site.git", f"{kind}-", f"web-{number}", "shop", name, reset=number == 0)
        with engine_of("shop", "postgresql") as engine:
            made, changed = provide(engine, order, fetch=fetcher("shop", "postgresql", name))
        return made.method, changed

    assert clone(1, golden.name) == ("parallel restore of the golden, then WAL log", True)
    assert clone(2, golden.name) == ("WAL log", True)
    with psycopg.connect(other.uri(f"{kind}_web_1__shop")) as found:
        assert found.execute("SELECT * FROM v").fetchone() == (100,)
        owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE oid >= 16384 AND relkind <> 't'"
        assert found.execute(owners).fetchall() == [(f"{kind}_web_1__shop",)]
    with other.connect() as admin:
        assert ledger.entries(admin)[golden.name] == golden
    newer = publish(source, built="2026-01-03T00:00:00Z")
    for number in (1, 2):
        clone(number, newer.name)
    newest = publish(source, built="2026-01-04T00:00:00Z")
    clone(1, newest.name)
    with other.connect() as admin:
        there = set(ledger.entries(admin))
    assert golden.name not in there  # nobody rests on it any more, but on the newer one somebody does
    assert {newer.name, newest.name} <= there
    with pytest.raises(
        DatabaseError, match="there is no golden `golden_shop_gone` on the server of the goldens either"
    ):
        clone(3, "golden_shop_gone")
    with source.connect() as admin:
        left = admin.execute("SELECT datname FROM pg_database WHERE starts_with(datname, 'golden__')").fetchall()
    assert left == []


def test_the_database_of_a_golden_with_an_icu_locale_has_it_too(postgres15: Server) -> None:
    options = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LC_COLLATE 'C' LC_CTYPE 'C'"
    golden = publish(postgres15, options=options)
    with closing(PostgreSQL(postgres15.uri(), "V")) as engine:
        engine.create_like(engine, golden.name, "like")
        query = "SELECT datlocprovider::text, daticulocale, datcollate FROM pg_database WHERE datname = %s"
        assert engine.ask(query, "like") == engine.ask(query, golden.name) == [("i", "de-DE", "C")]
