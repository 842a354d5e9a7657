"""A site's golden from the command line, on a real server, of real data."""

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from layersite.cli import main
from tests.database.building import Build
from tests.database.server import Server

SITE = """
organization: Example
environments: {url: environments.git}
cluster: {baseline: {managed: true}}
exposure: {domain: preview.example.com}
databases: {pagila: {host: database.databases.svc}}
"""
CANARIES = ["canary.mary.smith@sakilacustomer.org", "canary.47.MySakila-Drive"]
PLANT = f"""
UPDATE customer SET email = '{CANARIES[0]}' WHERE customer_id = 1;
UPDATE address SET address = '{CANARIES[1]}' WHERE address_id = 5;
"""
Command = Callable[..., Result]


@pytest.fixture
def layersite(tmp_path: Path, postgres: Server, pagila: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line in a site whose database `pagila` is the real one."""
    (tmp_path / "layersite.yaml").write_text(SITE, "utf-8")
    for what, value in (("SOURCE", pagila), ("SERVER", postgres.uri()), ("KEY", "0123456789abcdef" * 2)):
        monkeypatch.setenv(f"LAYERSITE_DATABASE_PAGILA_{what}", value)
    return lambda *argv: CliRunner().invoke(main, ["--site", str(tmp_path), "golden", *argv])


def test_the_proposed_contract_of_pagila_gives_a_golden(
    layersite: Command, postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.copy("pagila", "planted")
    postgres.run("planted", PLANT)
    monkeypatch.setenv("LAYERSITE_DATABASE_PAGILA_SOURCE", postgres.uri("planted"))
    assert layersite("propose", "pagila").exit_code == 0
    with (tmp_path / "data" / "pagila" / "contract.yaml").open("a", encoding="utf-8") as contract:
        contract.write(f"canaries: [{', '.join(CANARIES)}]\n")
        contract.write("anonymity: [{relation: public.customer, columns: [store_id, active], k: 5}]\n")
    built = layersite("build", "pagila", "--output", "json")
    assert built.exit_code == 0, built.output
    golden = json.loads(built.stdout)
    with postgres.connect() as admin:
        query = "SELECT datistemplate, datallowconn FROM pg_database WHERE datname = %s"
        assert admin.execute(query, (golden["name"],)).fetchone() == (True, False)
        query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
        (record,) = admin.execute(query, (golden["name"],)).fetchone() or ("",)
    checks = json.loads(record)["attestation"]["checks"]
    assert [check["name"] for check in checks if not check["looked_at"] or check.get("problems")] == []
    assert layersite("verify", "pagila", golden["name"]).exit_code == 0
    postgres.copy(golden["name"], "copy")
    with postgres.connect("copy") as copy:
        assert copy.execute("SELECT count(*) FROM payment").fetchone() == (16049,)
        row = copy.execute("SELECT first_name, email FROM customer WHERE customer_id = 1").fetchone()
        assert row is not None
        assert row[0] != "MARY"
        assert row[1].endswith("@example.com")
    for what in ("SOURCE", "KEY"):
        monkeypatch.delenv(f"LAYERSITE_DATABASE_PAGILA_{what}")
    assert golden["name"] in layersite("list", "pagila").output


PEOPLE = """
CREATE TYPE home AS (street text, number int); CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE TABLE customer (id int PRIMARY KEY, phone bigint, ssn integer NOT NULL, iban numeric UNIQUE, mood mood,
    salary numeric(9, 2), home point, place point NOT NULL, device macaddr, lives home, desk text, phones bigint[],
    words tsvector[] NOT NULL, lat real, opens time, status text, tries int NOT NULL);
INSERT INTO customer SELECT n, 4930123456 + n, 123456 + n, 98765432 + n, 'calm', 45678.90, '(52,13)', '(52,13)',
    '08:00:2b:01:02:03', '(Lane,4)', CASE n % 2 WHEN 0 THEN 'Ann' ELSE 'Bert' END, ARRAY[4930123456],
    ARRAY[to_tsvector('secret')], 52.5, '9:00', CASE n % 2 WHEN 0 THEN 'new' ELSE 'paid' END, n
FROM generate_series(1, 60) n;
"""


def test_nothing_of_somebody_is_kept_by_the_proposed_contract(build: Build) -> None:
    golden = build(PEOPLE)
    masked = "phone < 4930123457 OR phone > 4930123516, ssn - 123456 <> id, iban - 98765432 <> id, salary <> 45678.90"
    assert golden.value(f"SELECT ({masked.replace(', ', ') AND (')}) FROM customer WHERE id = 7")
    emptied = golden.rows(
        "SELECT count(home), count(device), count(lives), count(desk), max(array_length(words, 1)) FROM customer"
    )
    assert emptied == [(0, 0, 0, 0, None)]
    assert golden.value("SELECT count(*) FROM information_schema.columns WHERE column_name = 'place'") == 0
    assert golden.value("SELECT count(*) FROM customer WHERE 4930123456 = ANY (phones) OR lat = 52.5") == 0
    kept = "SELECT DISTINCT mood::text, opens::text, status, tries - id FROM customer WHERE id = 4"
    assert golden.rows(kept) == [("calm", "09:00:00", "new", 0)]


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


def test_a_golden_that_was_tampered_with_is_not_right(layersite: Command, postgres: Server) -> None:
    layersite("propose", "pagila")
    name = json.loads(layersite("build", "pagila", "--output", "json").stdout)["name"]
    with postgres.connect() as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        with postgres.connect(name) as golden:
            golden.execute("UPDATE staff SET email = 'mike.hillyer@real.example' WHERE staff_id = 1")
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        seen = layersite("verify", "pagila", name)
        assert (seen.exit_code, "public.staff.email is not what `email` makes: 1 values" in seen.output) == (13, True)
        comment = admin.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (name,)
        )
        changed = comment.fetchone()[0].replace('"looked_at": 0', '"looked_at": 9')  # type: ignore[index]
        admin.execute(f"COMMENT ON DATABASE {name} IS '{changed}'".encode())
    assert "its attestation is not the one that it names" in layersite("verify", "pagila", name).output


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("KEY", "short", "is too short"),
        ("KEY", "", "the variable LAYERSITE_DATABASE_PAGILA_KEY is not set"),
        ("SOURCE", "postgresql://reader:hunter2@[::1/x", "the address of a database is no URI of a PostgreSQL server"),
        ("SOURCE", "postgresql://reader:hunter2@127.0.0.1:9/x", "the database x at 127.0.0.1:9 cannot be used"),
    ],
)
def test_a_wrong_variable_is_named_and_not_quoted(
    layersite: Command, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    layersite("propose", "pagila")
    monkeypatch.setenv(f"LAYERSITE_DATABASE_PAGILA_{variable}", value)
    stopped = layersite("build", "pagila")
    assert (stopped.exit_code, message in stopped.output, "hunter2" in stopped.output) == (13, True, False)


def test_a_database_that_the_site_does_not_have_is_unknown(layersite: Command) -> None:
    assert layersite("list", "pagilla").exit_code == 9
