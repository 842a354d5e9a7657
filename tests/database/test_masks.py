"""What each rule makes of a value: keyed, the same everywhere, of its shape, and by no extension."""

import hmac
import re

import pytest

from layersite.database.contract.rules import SYLLABLES, shape
from layersite.database.golden.make import subkey
from layersite.database.schema import Column
from layersite.model.contract import Value
from tests.database.building import KEY, Build, Golden, wish
from tests.database.server import Server

RULES = [
    "first_name",
    "last_name",
    "full_name",
    "company",
    "email",
    "phone",
    "street",
    "city",
    "postal_code",
    "ip",
    "iban",
    "text",
]
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


def test_a_mask_is_the_hmac_that_python_computes(golden: Golden) -> None:
    message = b"identifier\x1fvalue 7"
    expected = hmac.digest(subkey(KEY, "mask"), message, "sha256")
    assert golden.value("SELECT code FROM person WHERE id = 7") == expected.hex()[:24]
    named = hmac.digest(subkey(KEY, "mask"), "first_name\x1fvalue 7 ü".encode(), "sha256")
    syllables = [SYLLABLES[2 * (byte & 63) :][:2] for byte in named[:3]]
    assert golden.value("SELECT first_name FROM person WHERE id = 7") == "".join(syllables).capitalize()


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


def test_values_that_repeat_have_the_masks_that_single_ones_have(postgres: Server) -> None:
    sql = """
    CREATE TABLE many (id int PRIMARY KEY, first text);
    CREATE TABLE few (first text);
    INSERT INTO many SELECT n, CASE WHEN n % 9 > 0 THEN 'Name ' || n % 300 END FROM generate_series(1, 20000) n;
    INSERT INTO few SELECT DISTINCT first FROM many WHERE first IS NOT NULL;
    ANALYZE;
    """
    name = {"mask": "first_name"}
    golden = Build(postgres, postgres)(
        sql, {"public.many": {"id": "keep", "first": name}, "public.few": {"first": name}}
    )
    assert golden.value("SELECT count(*) FROM many WHERE (first IS NULL) = (id % 9 = 0)") == 20000
    assert golden.value("SELECT count(*) FROM many JOIN few USING (first)") >= 20000 - 20000 // 9 - 1
    wished = wish(postgres, {})
    with wished.engine.open_source() as source:
        assert [each.name for each in source.schema.relations.values() if "first" in each.repeated] == ["public.many"]
