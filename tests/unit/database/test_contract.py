"""What a contract must say of a schema: each way to fall short is told, at its line, before anything is built."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from layersite.database.contract import as_data, check, propose
from layersite.database.schema import Column, Reference, Relation, Schema
from layersite.model.contract import Contract, Rule, Value
from layersite.model.document import read_document
from layersite.model.errors import InvalidInputError
from layersite.model.yaml import dump

ROOT = Path(__file__).parents[3]


def relation(name: str, *columns: Column, **more: Any) -> Relation:
    return Relation(name, more.pop("kind", "table"), {column.name: column for column in columns}, **more)


ID = Column("id", "integer", "integer", nullable=False, length=9)
CUSTOMER = relation(
    "public.customer",
    ID,
    Column("mail", "text", "text"),
    Column("code", "character varying(5)", "text", nullable=False, length=5),
    Column("whole", "text", "text", generated=True),
    Column("body", "jsonb", "json"),
    primary=("id",),
    unique=(("id",), ("mail",)),
)
ORDERS = relation("public.orders", ID, Column("customer", "integer", "integer", length=9))
SCHEMA = Schema(
    {
        each.name: each
        for each in (
            CUSTOMER,
            ORDERS,
            relation("public.orders_1", ID, kind="partition", parent="public.orders"),
            relation("public.mails", Column("mail", "text", "text"), ID, kind="view"),
            relation("public.far", ID, kind="foreign"),
        )
    },
    (Reference("public.orders", ("customer",), "public.customer", ("id",)),),
)
RIGHT: dict[str, Any] = {
    "public.customer": {"id": "keep", "mail": {"mask": "email"}, "code": "keep", "whole": "keep", "body": "null"},
    "public.orders": {"id": "keep", "customer": "keep"},
    "public.mails": {"mail": "keep", "id": "keep"},
    "public.far": "drop",
}


def problems(relations: dict[str, Any], **more: Any) -> list[str]:
    document = read_document(Path("contract.yaml"), text=dump({"relations": relations, **more}))
    return [str(problem) for problem in check(SCHEMA, document.parse(Contract), document)]


def changed(name: str, column: str, action: Any) -> dict[str, Any]:
    return {**RIGHT, name: {**RIGHT[name], column: action}}


def test_a_contract_that_says_all_has_no_problem() -> None:
    assert problems(RIGHT) == []


@pytest.mark.parametrize(
    ("relations", "message"),
    [
        ({key: value for key, value in RIGHT.items() if key != "public.orders"}, "table public.orders is not listed"),
        ({**RIGHT, "public.orders": {"id": "keep"}}, "the column `customer` of public.orders is not listed"),
        ({**RIGHT, "public.gone": "drop"}, "there is no public.gone"),
        ({**RIGHT, "public.orders_1": {"id": "keep"}}, "is a partition and follows public.orders"),
        ({**RIGHT, "public.far": {"id": "keep"}}, "public.far is a foreign table"),
        (
            {**RIGHT, "public.mails": "keep"},
            "public.mails is a view; list its columns, each `keep`, or `drop` all of it",
        ),
        ({**RIGHT, "public.mails": {"mail": "keep"}}, "the column `id` of public.mails is not listed"),
        (
            changed("public.mails", "mail", {"mask": "email"}),
            "it can only be `keep`, or all of the view",
        ),
        (changed("public.mails", "id", "null"), "it can only be `keep`, or all of the view"),
        (changed("public.mails", "id", "drop"), "it can only be `keep`, or all of the view"),
        ({**RIGHT, "public.orders": "keep"}, "public.orders is a table; list its columns"),
        (changed("public.customer", "mial", "keep"), "no such column, did you mean `mail`?"),
        (changed("public.customer", "whole", "null"), "it is computed from other columns"),
        (changed("public.customer", "code", "null"), "it may not be null"),
        (changed("public.customer", "code", {"mask": "email"}), "`email` needs 31 characters, and this column has 5"),
        (changed("public.customer", "code", {"mask": "identifier"}), "`identifier` needs 8 characters"),
        (changed("public.customer", "mail", {"mask": "first_name"}), "it is unique, and `first_name` has too few"),
        (changed("public.customer", "mail", {"mask": "number", "min": 1, "max": 2}), "`number` makes integer or"),
        (changed("public.customer", "body", {"mask": "text"}), "`text` makes text, and this column is jsonb"),
        (changed("public.orders", "customer", {"mask": "identifier"}), "public.customer (id), which is `keep`"),
        ({**RIGHT, "public.customer": "drop"}, "it refers to public.customer, which is dropped"),
    ],
)
def test_what_falls_short_is_told(relations: dict[str, Any], message: str) -> None:
    found = problems(relations)
    assert [message in each for each in found] == [True], found
    assert re.match(r"contract\.yaml:\d+: ", found[0])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"subset": {"seeds": {"public.custmer": "true"}}}, "no table public.custmer, did you mean `public.customer`"),
        ({"anonymity": [{"relation": "public.customer", "columns": ["zip"], "k": 5}]}, "has no column `zip`"),
        (
            {"references": [{"relation": "public.orders", "columns": ["x"], "target": "t", "target_columns": ["y"]}]},
            "there is no t",
        ),
    ],
    ids=["seed", "anonymity", "reference"],
)
def test_what_stands_beside_the_relations_is_checked_too(more: dict[str, Any], message: str) -> None:
    assert any(message in each for each in problems(RIGHT, **more))


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        ({"mask": "date"}, "in a document `mask` must be one of choice, city, company, constant, email"),
        ({"mask": "json"}, "let a date be `constant`, or do not list it"),
        ("null", "'keep'"),
        ({"mask": "number", "min": 2, "max": 1}, "`min` must be smaller"),
    ],
)
def test_what_no_value_in_a_document_can_become_is_refused(leaf: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        problems(changed("public.customer", "body", {"mask": "json", "paths": {"who.born": leaf}}))


def test_large_objects_must_be_decided() -> None:
    document = read_document(Path("contract.yaml"), text=dump({"relations": {}}))
    found = check(Schema({}, large_objects=3), document.parse(Contract), document)
    assert "the database has 3 large objects" in str(found[0])


def test_what_is_proposed_covers_the_schema_and_keeps_no_text() -> None:
    proposed = as_data(propose(SCHEMA, lambda _: {}))
    assert problems(proposed) == []
    assert proposed["public.customer"]["mail"] == {"mask": "email"}
    assert proposed["public.customer"]["body"] == "null"
    assert proposed["public.customer"]["code"] == {"mask": "text"}
    assert proposed["public.mails"] == {"mail": "keep", "id": "keep"}


def test_values_tell_what_names_do_not() -> None:
    column = Column("remark", "text", "text")
    schema = Schema({"public.t": relation("public.t", column)})
    mails = propose(schema, lambda _: {"remark": ["a@b.de", "c@d.org", "unknown"]})
    states = propose(schema, lambda _: {"remark": ["new", "paid", "sent"] * 20})
    unknown = propose(schema, lambda _: {"remark": ["met her in May", "prefers mail"]})
    assert [as_data(each)["public.t"]["remark"] for each in (mails, states, unknown)] == [
        {"mask": "email"},
        "keep",
        "null",
    ]


@pytest.mark.parametrize(
    ("name", "values", "action"),
    [
        ("desk", ["Ann", "Bert"] * 100, "null"),
        ("sales_rep", ["ann", "bert"] * 3, "null"),
        ("owner", ["ann", "bert"] * 100, "null"),
        ("status", ["On hold", "Sent"] * 3, "keep"),
        ("flow", ["on-hold", "sent"] * 20, "keep"),
        ("flow", ["on-hold", "sent"] * 19, "null"),
    ],
    ids=["names, often", "names, seldom", "of people", "called so", "words, often", "words, seldom"],
)
def test_repeated_values_are_states_only_where_name_or_count_say_so(name: str, values: list[str], action: str) -> None:
    schema = Schema({"public.t": relation("public.t", Column(name, "text", "text"))})
    assert as_data(propose(schema, lambda _: {name: values}))["public.t"] == {name: action}


HASHED = {"mask": "identifier"}


@pytest.mark.parametrize(
    ("column", "action"),
    [
        (Column("phone", "bigint", "integer", length=18), HASHED),
        (Column("phones", "bigint[]", "integer", array=True, length=18), HASHED),
        (Column("ssn", "integer", "integer", nullable=False, length=9), HASHED),
        (Column("iban", "numeric", "decimal"), HASHED),
        (Column("national_id", "integer", "integer", length=9), HASHED),
        (Column("mobile", "double precision", "float"), "null"),
        (Column("reset_token", "uuid", "uuid"), HASHED),
        (
            Column("salary", "numeric(10,2)", "decimal", length=10, scale=2),
            {"mask": "number", "min": 1000, "max": 90000},
        ),
        (Column("income", "smallint", "integer", length=4), {"mask": "number", "min": 1000, "max": 9999}),
        (Column("age", "numeric(2,2)", "decimal", length=2, scale=2), HASHED),
        (Column("lat", "double precision", "float"), {"mask": "number", "min": -90, "max": 90}),
        (Column("date_of_birth", "date[]", "date", array=True), "null"),
        (Column("home", "point", "other"), "null"),
        (Column("home", "point", "other", nullable=False), "drop"),
        (Column("device", "macaddr", "other"), "null"),
        (Column("words", "tsvector[]", "other", array=True), "null"),
        (Column("words", "tsvector[]", "other", nullable=False, array=True), {"mask": "constant", "value": "{}"}),
        (Column("words", "tsvector", "other", nullable=False), {"mask": "constant", "value": ""}),
        (Column("notes", "jsonb[]", "json", nullable=False, array=True), {"mask": "constant", "value": "{}"}),
        (Column("worth", "money", "other"), "null"),
        (Column("address_id", "integer", "integer", length=9), "keep"),
        (Column("login_count", "integer", "integer", length=9), "keep"),
        (Column("tax_rate", "numeric(5,2)", "decimal", length=5, scale=2), "keep"),
        (Column("email_verified", "tinyint(1)", "integer", length=2), "keep"),
        (Column("address_kind", "kind", "enum"), "keep"),
        (Column("opens", "time without time zone", "other"), "keep"),
        (Column("created_at", "timestamp", "timestamp"), "keep"),
    ],
    ids=lambda value: f"{value.name}-{value.type}" if isinstance(value, Column) else "",
)
def test_names_and_types_speak_for_every_column(column: Column, action: Any) -> None:
    proposed = as_data(propose(Schema({"public.customer": relation("public.customer", column)}), lambda _: {}))
    assert proposed["public.customer"] == {column.name: action}


def test_a_key_that_can_be_neither_kept_nor_masked_takes_its_rows_and_the_references_to_them_along() -> None:
    place = Column("place", "ltree", "other", nullable=False)
    schema = Schema(
        {
            each.name: each
            for each in (
                relation("public.site", place, unique=(("place",),)),
                relation("public.visit", ID, Column("place", "ltree", "other")),
                relation("public.room", ID, place),
            )
        },
        tuple(Reference(f"public.{name}", ("place",), "public.site", ("place",)) for name in ("visit", "room")),
    )
    assert as_data(propose(schema, lambda _: {})) == {
        "public.room": "drop",
        "public.site": "drop",
        "public.visit": {"id": "keep", "place": "null"},
    }


def test_the_reference_explains_every_rule() -> None:
    explained = re.findall(r"(?m)^\| `(\w+)` \|", (ROOT / "docs" / "reference" / "masks.md").read_text("utf-8"))
    kinds = {kind for model in get_args(Rule) for kind in get_args(model.model_fields["mask"].annotation)}
    assert set(explained) == kinds
    assert explained[:12] == list(get_args(Value.model_fields["mask"].annotation))
