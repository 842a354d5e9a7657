"""There is one golden: closed, a template, and nothing in it is what it was."""

import json

import pytest
from testinfra.host import Host

NAME = "SELECT datname FROM pg_database WHERE starts_with(datname, 'golden_shop_')"


@pytest.fixture
def golden(host: Host) -> str:
    (name,) = host.check_output("psql -XAtd postgres -c %s", NAME).splitlines()
    return str(name)


def test_nobody_may_enter_it(host: Host, golden: str) -> None:
    asked = f"SELECT datistemplate, datallowconn FROM pg_database WHERE datname = '{golden}'"
    assert host.check_output("psql -XAtd postgres -c %s", asked) == "t|f"
    assert host.run("psql -Xd %s -c 'SELECT 1'", golden).rc == 2


def test_its_record_names_its_proof(host: Host, golden: str) -> None:
    asked = f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{golden}'"
    record = json.loads(host.check_output("psql -XAtd postgres -c %s", asked))
    assert (record["golden"]["name"], record["golden"]["rows"]) == (golden, 101)
    assert [check["problems"] for check in record["attestation"]["checks"] if check["problems"]] == []


def test_its_rows_are_masked(host: Host, golden: str) -> None:
    host.check_output("psql -Xqd postgres -c %s", f'CREATE DATABASE molecule_look TEMPLATE "{golden}"')
    asked = "SELECT count(*), count(DISTINCT mail), count(*) FILTER (WHERE mail ~ '@(real|layersite)') FROM customer"
    assert host.check_output("psql -XAtd molecule_look -c %s", asked) == "101|101|0"
