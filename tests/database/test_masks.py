"""What each rule makes of a value: keyed, the same everywhere, of its shape, and by no extension."""

import hashlib
import re
from typing import get_args

import pytest

from layersite.database.contract.rules import SYLLABLES, shape
from layersite.database.golden.make import subkey
from layersite.database.schema import Column
from layersite.model.contract import Value
from tests.database.building import KEY, Build, Golden
from tests.database.server import Server

RULES = get_args(Value.model_fields["mask"].annotation)
SQL = f"""
CREATE TABLE person (id int PRIMARY KEY, {", ".join(f"{rule} text" for rule in RULES)},
    code text, number bigint, guid uuid);
INSERT INTO person SELECT n, {", ".join("'value ' || n || ' ü'" for _ in RULES)}, 'value ' || n, n, gen_random_uuid()
    FROM generate_series(1, 2000) n;
CREATE TABLE again (mail text, guid uuid, code text);
INSERT INTO again SELECT email, guid, code FROM person;
INSERT INTO person (id) VALUES (0);
"""
PERSON = {
    "id": "keep",
    **{rule: {"mask": rule} for rule in RULES},
    **{column: {"mask": "identifier"} for column in ("code", "number", "guid")},
}
AGAIN = {"mail": {"mask": "email"}, "guid": {"mask": "identifier"}, "code": {"mask": "identifier", "domain": "other"}}


@pytest.fixture(scope="module")
def golden(postgres: Server) -> Golden:
    return Build(postgres, postgres)(SQL, {"public.person": PERSON, "public.again": AGAIN})


@pytest.mark.parametrize("rule", RULES)
def test_a_value_has_the_shape_of_its_rule(golden: Golden, rule: str) -> None:
    pattern = shape(Value.model_validate({"mask": rule}), Column(rule, "text", "text")).pattern
    values = [row[0] for row in golden.rows(f"SELECT {rule} FROM person WHERE id > 0")]
    assert pattern is not None
    assert [value for value in values if not re.fullmatch(pattern, value)] == []
    assert len(set(values)) > 1900


def test_nothing_stays_nothing(golden: Golden) -> None:
    assert golden.rows("SELECT * FROM person WHERE id = 0") == [(0, *[None] * (len(RULES) + 3))]


def test_equal_values_of_one_domain_meet_across_tables(golden: Golden) -> None:
    assert golden.value("SELECT count(*) FROM person p JOIN again a ON a.mail = p.email AND a.guid = p.guid") == 2000
    assert golden.value("SELECT count(*) FROM person p JOIN again a ON a.code = p.code") == 0


def test_identifiers_do_not_collide(golden: Golden) -> None:
    query = "SELECT count(DISTINCT code), count(DISTINCT number), count(DISTINCT guid) FROM person"
    assert golden.rows(query) == [(2000, 2000, 2000)]


def test_a_mask_is_the_keyed_hash_that_python_computes(golden: Golden) -> None:
    assert golden.value("SELECT code FROM person WHERE id = 7") == keyed("identifier", "value 7").hex()[:24]
    syllables = [SYLLABLES[2 * (byte & 63) :][:2] for byte in keyed("first_name", "value 7 ü")[:3]]
    assert golden.value("SELECT first_name FROM person WHERE id = 7") == "".join(syllables).capitalize()
    phone = int.from_bytes(keyed("phone", "value 7 ü")[:7], "big") % 10**7
    assert golden.value("SELECT phone FROM person WHERE id = 7") == f"+1555{phone:07}"


def keyed(domain: str, value: str) -> bytes:
    key = hashlib.sha256(subkey(KEY, "mask") + domain.encode()).digest()[:16]
    return hashlib.sha256(key + value.encode()).digest()


def test_ibans_have_their_check_digits(golden: Golden) -> None:
    for (iban,) in golden.rows("SELECT iban FROM person WHERE id BETWEEN 1 AND 50"):
        assert int(f"{iban[4:]}3333{iban[2:4]}") % 97 == 1


def test_another_key_makes_other_masks_and_the_same_key_the_same(golden: Golden, postgres: Server) -> None:
    before = golden.value("SELECT email FROM person WHERE id = 1")
    again = Build(postgres, postgres).again({"public.person": PERSON, "public.again": AGAIN})
    assert again.value("SELECT email FROM person WHERE id = 1") == before
    other = Build(postgres, postgres, key="another made-up key of enough characters")
    made = other.again({"public.person": PERSON, "public.again": AGAIN})
    assert made.value("SELECT count(*) FROM person WHERE email = '" + before + "'") == 0


def test_dates_of_one_subject_move_alike_and_never_stay(postgres: Server) -> None:
    sql = """
    CREATE TABLE person (id int PRIMARY KEY, born date, joined timestamptz);
    CREATE TABLE visit (person int, day date);
    INSERT INTO person SELECT n, '1980-05-05', '2020-01-01 12:00Z' FROM generate_series(1, 500) n;
    INSERT INTO visit SELECT n, '2024-02-29' FROM generate_series(1, 500) n;
    """
    date = {"mask": "date", "days": 20}
    golden = Build(postgres, postgres)(
        sql,
        {
            "public.person": {"id": "keep", "born": {**date, "subject": "id"}, "joined": {**date, "subject": "id"}},
            "public.visit": {"person": "keep", "day": {**date, "subject": "person"}},
        },
    )
    moved = """SELECT born - '1980-05-05', day - '2024-02-29', extract(day FROM joined - '2020-01-01 12:00Z')::int
        FROM person JOIN visit ON person = id"""
    found = golden.rows(moved)
    assert len(found) == 500
    assert all(born == day == joined and 1 <= abs(born) <= 20 for born, day, joined in found)
    assert len({born for born, _, _ in found}) == 40
