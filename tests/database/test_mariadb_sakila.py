"""The whole way of the Sakila database on MariaDB: contract, golden, checks, and five clones at once, each its own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pymysql
import pytest

from layersite.database.clone import Order, admit, provide
from layersite.database.contract import as_data, propose
from layersite.database.golden.make import Made, Verdict, Wish, verify
from layersite.database.mariadb.clone import MariaDBClones
from layersite.model.database import Clone
from tests.database.mariadb import MariaDBServer, running_mariadb
from tests.database.test_mariadb_golden import make, wish

SAKILA = Path(__file__).parents[3] / "shared" / "samples" / "sakila-mysql"
CANARIES = ["canary.mary.smith@sakilacustomer.org", "canary.47.MySakila-Drive"]
PLANT = f"""
UPDATE customer SET email = '{CANARIES[0]}' WHERE customer_id = 1;
UPDATE address SET address = '{CANARIES[1]}' WHERE address_id = 5;
"""


@pytest.fixture(scope="module")
def source() -> Iterator[MariaDBServer]:
    """A server of its own, so that the logs of the server of goldens are looked at too."""
    if not SAKILA.is_dir():
        pytest.skip("the Sakila samples are not beside the checkout")
    scripts = [(SAKILA / f"sakila-mv-{part}.sql").read_text(encoding="utf-8") for part in ("schema", "data")]
    with running_mariadb() as server:
        server.create("sakila", "".join(scripts))
        server.run("sakila", PLANT)
        yield server


@pytest.fixture(scope="module")
def ordered(source: MariaDBServer, mariadb: MariaDBServer) -> Wish:
    """What was proposed, and what somebody who knows the data has decided."""
    engine = wish(source, mariadb, "sakila", {}).engine
    with engine.open_source() as opened:
        proposed = as_data(propose(opened.schema, opened.samples))
    decided = {
        ("film", "title"): "keep",
        ("film", "description"): "keep",
        ("film_text", "title"): "keep",
        ("film_text", "description"): "keep",
        ("customer", "create_date"): {"mask": "date", "subject": "customer_id"},
        ("rental", "rental_date"): {"mask": "date", "subject": "customer_id"},
        ("rental", "return_date"): {"mask": "date", "subject": "customer_id"},
        ("payment", "payment_date"): {"mask": "date", "subject": "customer_id"},
        ("staff", "password"): "null",
        ("staff", "picture"): "null",
    }
    for (table, column), action in decided.items():
        proposed[table][column] = action
    anonymity = [{"relation": "customer", "columns": ["store_id", "active"], "k": 5}]
    return wish(source, mariadb, "sakila", proposed, canaries=CANARIES, anonymity=anonymity)


@pytest.fixture(scope="module")
def made(ordered: Wish) -> Made:
    return make(ordered)


def test_it_becomes_a_golden_in_which_nobody_is_found(
    source: MariaDBServer, mariadb: MariaDBServer, ordered: Wish, made: Made
) -> None:
    name = made.golden.name
    count = "SELECT count(*) FROM information_schema.{} WHERE {}_schema = '{}'"
    for what, place in [("tables", "table"), ("triggers", "trigger"), ("routines", "routine"), ("views", "table")]:
        there, here = (count.format(what, place, each) for each in ("sakila", name))
        assert source.ask(there) == mariadb.ask(here)
    rows = "SELECT (SELECT count(*) FROM rental), (SELECT count(*) FROM payment), (SELECT count(*) FROM customer_list)"
    assert mariadb.ask(rows, name) == source.ask(rows, "sakila") == [(16044, 16049, 599)]
    for column in ("email", "last_name"):
        raw = {value for (value,) in source.ask(f"SELECT {column} FROM customer", "sakila")}
        assert raw.isdisjoint(value for (value,) in mariadb.ask(f"SELECT {column} FROM customer", name))
    assert [check.name for check in made.attestation.checks if check.looked_at == 0 or check.problems] == []
    assert not any(check.remarks for check in made.attestation.checks if check.name == "files")


def test_every_rental_stays_as_long_as_it_was(source: MariaDBServer, mariadb: MariaDBServer, made: Made) -> None:
    spans = "SELECT sum(DATEDIFF(return_date, rental_date)), count(return_date) FROM rental"
    moved = "SELECT count(*) FROM rental WHERE DATE(rental_date) = date '2005-05-24'"
    assert mariadb.ask(spans, made.golden.name) == source.ask(spans, "sakila")
    assert mariadb.ask(moved, made.golden.name) != source.ask(moved, "sakila")


def test_what_was_changed_since_is_seen(mariadb: MariaDBServer, ordered: Wish, made: Made) -> None:
    name = made.golden.name
    assert verify(ordered) == {name: Verdict()}
    ((kept,),) = mariadb.ask("SELECT first_name FROM staff WHERE staff_id = 1", name)
    mariadb.ask("UPDATE staff SET first_name = 'Mike Hillyer' WHERE staff_id = 1", name)
    try:
        found = verify(ordered)[name].problems
    finally:
        mariadb.ask(f"UPDATE staff SET first_name = '{kept}' WHERE staff_id = 1", name)
    assert found == ("shapes: staff.first_name is not what `first_name` makes: 1 values",)


def test_five_clones_come_at_once_and_each_account_has_its_own_alone(mariadb: MariaDBServer, made: Made) -> None:
    def clone(number: int) -> tuple[Clone, str]:
        order = Order("site.git", f"s{number}-", "web-1", "sakila", made.golden.name)
        with closing(MariaDBClones(mariadb.uri(""), "LAYERSITE_DATABASE_SAKILA_SERVER")) as engine:
            return provide(engine, order)[0], admit(engine, order.name, None)

    with ThreadPoolExecutor(5) as pool:
        clones = list(pool.map(clone, range(5)))
    for each, password in clones:
        own = (each.name, each.name, password)
        assert mariadb.ask("SELECT count(*) FROM customer_list", *own) == [(599,)]
        search = "SELECT count(*) > 0 FROM film_text WHERE MATCH (title, description) AGAINST ('dinosaur')"
        assert mariadb.ask(search, *own) == [(1,)]
        mariadb.ask("UPDATE film SET title = 'CHANGED' WHERE film_id = 1", *own)
        assert mariadb.ask("SELECT title FROM film_text WHERE film_id = 1", *own) == [("CHANGED",)]  # by a trigger
        with pytest.raises(pymysql.IntegrityError, match="fk_rental_customer"):
            mariadb.ask("UPDATE rental SET customer_id = 9999 LIMIT 1", *own)
    keys = "SELECT count(*) FROM information_schema.referential_constraints WHERE constraint_schema = '{}'"
    assert {mariadb.ask(keys.format(each.name))[0] for each, _ in clones} == {(22,)}
    (first, password), (second, _) = clones[:2]
    for other in (second.name, made.golden.name, "layersite", "mysql"):
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            mariadb.connect(other, first.name, password)
    with pytest.raises(pymysql.OperationalError, match="denied"):
        mariadb.ask(f"SELECT * FROM {second.name}.customer", first.name, first.name, password)
    assert mariadb.ask("SHOW DATABASES", first.name, first.name, password) == [("information_schema",), (first.name,)]
    assert mariadb.ask("SELECT title FROM film WHERE film_id = 1", made.golden.name) != [("CHANGED",)]
