"""A rule that masks nothing is seen, though its raw values look as masks do: each column on its own."""

from collections.abc import Mapping

import pytest

from layersite.database.golden.attestation import Check
from layersite.database.golden.make import Wish
from tests.database import unmasked
from tests.database.building import wish
from tests.database.mariadb import MariaDBServer
from tests.database.server import Server
from tests.database.test_mariadb_golden import wish as mariadb_wish

Found = Mapping[str, Check]


def verified(ordered: Wish, server: Server | MariaDBServer, is_mariadb: bool = False) -> tuple[Found, Found]:
    """Return what the checks say of a draft, and once the raw values are back in it."""
    with ordered.engine.open_server() as goldens, ordered.engine.open_source() as source:
        draft = goldens.fill(source, ordered.contract).name
        try:
            right = goldens.verify(draft, source, ordered.contract)
            server.run(draft, unmasked.rows(is_mariadb))
            spoilt = goldens.verify(draft, source, ordered.contract)
        finally:
            goldens.drop(draft)
    return {check.name: check for check in right}, {check.name: check for check in spoilt}


@pytest.fixture(scope="module")
def found(postgres: Server) -> tuple[Found, Found]:
    postgres.create("bare", unmasked.tables() + unmasked.rows())
    return verified(wish(postgres, unmasked.contract(), "bare"), postgres)


@pytest.fixture(scope="module")
def found_on_mariadb(mariadb: MariaDBServer) -> tuple[Found, Found]:
    mariadb.create("bare", unmasked.tables(is_mariadb=True) + unmasked.rows(is_mariadb=True))
    return verified(mariadb_wish(mariadb, mariadb, "bare", unmasked.contract(is_mariadb=True)), mariadb, True)


def seen(check: Check, column: str) -> bool:
    return any(f"{column} " in problem for problem in check.problems)


def remarked(check: Check, column: str) -> bool:
    return any(f"{column}:" in remark or f"{column} at" in remark for remark in check.remarks)


def is_right(right: Found, expected: list[tuple[str, str]]) -> bool:
    """Whether masks are green and just those columns are counted that could be compared."""
    compared = [column for column, check in expected if check == "overlap"]
    missing = [column for column, _ in expected if remarked(right["overlap"], column)]
    assert [problem for check in right.values() for problem in check.problems] == []
    assert missing == [column for column, _ in expected if column not in compared]
    return right["overlap"].looked_at == len(compared)


def test_masks_are_green_and_what_cannot_be_compared_is_named(found: tuple[Found, Found]) -> None:
    assert is_right(found[0], unmasked.expected())


def test_masks_on_mariadb_are_green_and_what_cannot_be_compared_is_named(
    found_on_mariadb: tuple[Found, Found],
) -> None:
    assert is_right(found_on_mariadb[0], unmasked.expected(is_mariadb=True))


@pytest.mark.parametrize(("column", "check"), unmasked.expected())
def test_raw_values_are_red_or_named(found: tuple[Found, Found], column: str, check: str) -> None:
    _, spoilt = found
    assert seen(spoilt[check], column) if check else remarked(spoilt["overlap"], column)


@pytest.mark.parametrize(("column", "check"), unmasked.expected(is_mariadb=True))
def test_raw_values_on_mariadb_are_red_or_named(found_on_mariadb: tuple[Found, Found], column: str, check: str) -> None:
    _, spoilt = found_on_mariadb
    assert seen(spoilt[check], column) if check else remarked(spoilt["overlap"], column)


def test_two_values_that_a_mask_may_leave_as_they_are_stop_no_build(postgres: Server) -> None:
    status = {"mask": "choice", "values": ["active", "blocked"]}
    columns = [f"status{number}" for number in range(8)]
    values = ", ".join("CASE WHEN n % 20 > 0 THEN 'active' ELSE 'blocked' END" for _ in columns)
    made = f"CREATE TABLE t (id int PRIMARY KEY, {' text, '.join(columns)} text);"
    postgres.create("states", f"{made} INSERT INTO t SELECT n, {values} FROM generate_series(1, 300) n")
    actions = {"id": "keep", **{name: {**status, "domain": name} for name in columns}}
    ordered = wish(postgres, {"public.t": actions}, "states")
    with ordered.engine.open_server() as server, ordered.engine.open_source() as source:
        draft = server.fill(source, ordered.contract).name
        try:
            checks = {check.name: check for check in server.verify(draft, source, ordered.contract)}
        finally:
            server.drop(draft)
    assert checks["overlap"].problems == ()
    assert [remark.split(":")[0] for remark in checks["overlap"].remarks] == [f"public.t.{name}" for name in columns]
