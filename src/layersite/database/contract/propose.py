"""A first contract from names, types, references and a few sampled values: what looks personal is masked or emptied.

It is a start for the people who review it. What it cannot judge, free text and documents above all, it never keeps.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from layersite.database.contract.rules import unfit
from layersite.database.schema import Column, Relation, Schema
from layersite.model.contract import Action, Constant, Date, Identifier, Json, Value
from layersite.model.yaml import Yaml

__all__ = ["Samples", "as_data", "propose"]

Samples = Callable[[Relation], Mapping[str, Sequence[str]]]
"""Gives some values of each column of a relation, as text."""

_NAMES: tuple[tuple[str, str], ...] = (
    (r"(^|_|e)mail($|_|address)", "email"),
    (r"phone|mobile|fax|(^|_)tel($|_)", "phone"),
    (r"iban|account_?(no|number)|card_?(no|number)", "iban"),
    (r"(^|_)ip($|_)|ip_?addr|remote_addr", "ip"),
    (r"(first|given|fore|middle)_?name", "first_name"),
    (r"(last|sur|family)_?name", "last_name"),
    (r"company|employer|organi[sz]ation", "company"),
    (r"street|address|addr(_?line)?_?\d?$", "street"),
    (r"(^|_)(city|town)($|_)", "city"),
    (r"post(al)?_?code|(^|_)zip", "postal_code"),
    (r"user_?name|login|nick|(^|_)(ssn|national|passport|tax|licen[cs]e|vat)", "identifier"),
    (r"password|secret|token|hash|salt|api_?key|(^|_)key$", "identifier"),
    (r"(full|display|contact|customer|owner)_?name$", "full_name"),
)
_SHAPES: tuple[tuple[str, str], ...] = (
    (r"[^@\s]+@[^@\s]+\.[^@\s]+", "email"),
    (r"\+?[\d][\d ()/.-]{8,18}\d", "phone"),
    (r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", "iban"),
    (r"\d{1,3}(\.\d{1,3}){3}", "ip"),
)
_PEOPLE = re.compile(r"customer|user|person|people|employee|staff|patient|contact|member|author|owner|lead|client")
_BIRTH = re.compile(r"birth|(^|_)dob($|_)|death|hired|joined")
_PLAIN = 8
"""A text column of which the sample shows at most so many different values is a list of states, not of people."""


def propose(schema: Schema, samples: Samples) -> dict[str, Action | dict[str, Action]]:
    """Return what is to become of every relation that can be in a contract, in the order of their names."""
    found: dict[str, Action | dict[str, Action]] = {}
    for name, relation in sorted(schema.relations.items()):
        if relation.kind in ("view", "matview"):
            found[name] = "keep"
        elif relation.kind == "foreign":
            found[name] = "drop"
        elif relation.parent is None:
            seen = samples(relation)
            found[name] = {each: _column(relation, column, seen) for each, column in relation.columns.items()}
    _align(schema, found)
    return found


def as_data(proposal: Mapping[str, Action | dict[str, Action]]) -> dict[str, Yaml]:
    """Return a proposal as a contract's `relations`, ready to be written."""
    return {
        name: _plain(listed) if not isinstance(listed, dict) else {key: _plain(each) for key, each in listed.items()}
        for name, listed in proposal.items()
    }


def _plain(action: Action) -> Yaml:
    return action if isinstance(action, str) else action.model_dump(exclude_defaults=True) | {"mask": action.mask}


def _column(relation: Relation, column: Column, samples: Mapping[str, Sequence[str]]) -> Action:
    if column.generated:
        return "keep"
    if column.family == "text":
        return _text(relation, column, samples.get(column.name, ()))
    if column.family == "json":
        return "null" if column.nullable else Json(mask="json")
    if column.family == "inet":
        return Value(mask="ip") if not column.array else _blank(column)
    if column.family == "bytes":
        return _blank(column)
    if column.family == "other" and not column.array and column.type in ("tsvector", "xml", "hstore"):
        return "null" if column.nullable else Constant(mask="constant", value="")
    if column.family in ("date", "timestamp") and _BIRTH.search(column.name.lower()):
        return Date(mask="date", subject=relation.primary[0] if len(relation.primary) == 1 else None)
    return "keep"


def _text(relation: Relation, column: Column, seen: Sequence[str]) -> Action:
    rule = _named(column.name.lower()) or _shaped(seen)
    if column.name.lower() == "name" and _PEOPLE.search(relation.name.lower()):
        rule = "full_name"
    unique = (column.name,) in relation.unique
    if rule in ("full_name", "first_name", "last_name", "street", "city") and unique:
        rule = "identifier"
    wanted = _rule(rule) if rule else None
    if wanted is not None and unfit(wanted, column) is None:
        return wanted
    if wanted is None and not unique and seen and len(set(seen)) <= _PLAIN and len(seen) > 2 * len(set(seen)):
        return "keep"
    return (
        Identifier(mask="identifier")
        if unique and unfit(Identifier(mask="identifier"), column) is None
        else _blank(column)
    )


def _blank(column: Column) -> Action:
    if column.nullable:
        return "null"
    return Value(mask="text") if column.family == "text" else Identifier(mask="identifier")


def _rule(name: str) -> Value | Identifier:
    return Identifier(mask="identifier") if name == "identifier" else Value.model_validate({"mask": name})


def _named(name: str) -> str | None:
    return next((rule for pattern, rule in _NAMES if re.search(pattern, name)), None)


def _shaped(seen: Sequence[str]) -> str | None:
    """Return the rule of the shape that most of the values have."""
    filled = [value for value in seen if value]
    for pattern, rule in _SHAPES:
        if filled and sum(bool(re.fullmatch(pattern, value)) for value in filled) * 2 > len(filled):
            return rule
    return None


def _align(schema: Schema, found: dict[str, Action | dict[str, Action]]) -> None:
    """Let both sides of each reference have the same action: that of what is referred to."""
    for _ in range(len(schema.references) + 1):
        for reference in map(schema.rooted, schema.references):
            mine, theirs = found.get(reference.relation), found.get(reference.target)
            for column, target in zip(reference.columns, reference.target_columns, strict=True):
                if isinstance(mine, dict) and isinstance(theirs, dict):
                    mine[column] = theirs[target]
