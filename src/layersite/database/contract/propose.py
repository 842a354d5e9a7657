"""A first contract from names, types, references and a few sampled values: what looks personal is masked or emptied.

It is a start for the people who review it. What it cannot judge, free text, documents and types that it does not know,
it never keeps; numbers, dates and UUIDs it keeps unless their names tell of somebody.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain

from layersite.database.contract.cover import misfit
from layersite.database.contract.hints import are_states, is_of_a_life, is_plain, measured, named, named_number, shaped
from layersite.database.schema import Column, Relation, Schema
from layersite.model.contract import Action, Constant, Date, Identifier, Json, Number, Value
from layersite.model.yaml import Yaml

__all__ = ["Samples", "as_data", "propose"]

Samples = Callable[[Relation], Mapping[str, Sequence[str]]]
"""Gives some values of each column of a relation, as text."""

_WORDY = ("full_name", "first_name", "last_name", "street", "city")
_EMPTY = ("tsvector", "xml", "hstore")


def propose(schema: Schema, samples: Samples) -> dict[str, Action | dict[str, Action]]:
    """Return what is to become of every relation that can be in a contract, in the order of their names."""
    found: dict[str, Action | dict[str, Action]] = {}
    for name, relation in sorted(schema.relations.items()):
        if relation.is_computed:
            found[name] = dict.fromkeys(relation.columns, "keep") or "drop"
        elif relation.kind == "foreign":
            found[name] = "drop"
        elif relation.parent is None:
            found[name] = _relation(relation, samples(relation))
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


def _relation(relation: Relation, seen: Mapping[str, Sequence[str]]) -> Action | dict[str, Action]:
    """Return what becomes of each column; without any, or with a key that no rule fits, no rows come."""
    listed = {name: _column(relation, column, seen.get(name, ())) for name, column in relation.columns.items()}
    keys = {*relation.primary, *chain.from_iterable(relation.unique)}
    return "drop" if not listed or any(listed[name] == "drop" for name in keys) else listed


def _column(relation: Relation, column: Column, seen: Sequence[str]) -> Action:
    return next(each for each in _candidates(relation, column, seen) if misfit(relation, column, each) is None)


def _candidates(relation: Relation, column: Column, seen: Sequence[str]) -> Iterator[Action]:
    """Give what could become of a column, the best first; what comes last always can."""
    if column.generated:
        yield "keep"
    yield from _judged(relation, column, seen)
    yield "null"
    yield Value(mask="text")
    yield Identifier(mask="identifier")
    if column.family == "float":
        yield Number(mask="number", min=1, max=999)
    if column.array or column.type in _EMPTY:
        yield Constant(mask="constant", value="{}" if column.array else "")
    yield "drop"


def _judged(relation: Relation, column: Column, seen: Sequence[str]) -> Iterator[Action]:
    """Give what a column's name, type and values call for; nothing where they do not tell."""
    if column.family == "text":
        yield from _text(relation, column, seen)
    elif column.family in ("integer", "decimal", "float", "uuid"):
        yield from _number(relation, column)
    elif column.family in ("date", "timestamp"):
        subject = relation.primary[0] if len(relation.primary) == 1 else None
        yield Date(mask="date", subject=subject) if is_of_a_life(column) else "keep"
    elif column.family == "json" and not column.nullable:
        yield Json(mask="json")
    elif column.family == "inet" and not column.array:
        yield Value(mask="ip")
    elif is_plain(column):
        yield "keep"


def _number(relation: Relation, column: Column) -> Iterator[Action]:
    number = measured(column) if column.family != "uuid" else None
    if number:
        yield number
    elif named_number(relation, column):
        yield Identifier(mask="identifier")
    else:
        yield "keep"


def _text(relation: Relation, column: Column, seen: Sequence[str]) -> Iterator[Action]:
    rule, is_unique = named(relation, column) or shaped(seen), (column.name,) in relation.unique
    if rule and rule != "identifier" and not (is_unique and rule in _WORDY):
        yield Value.model_validate({"mask": rule})
    if rule == "identifier" or is_unique:
        yield Identifier(mask="identifier")
    elif rule is None and are_states(column, seen):
        yield "keep"


def _align(schema: Schema, found: dict[str, Action | dict[str, Action]]) -> None:
    """Let both sides of each reference have the same action: that of what is referred to, `null` where that is gone."""
    for _ in range(len(schema.references) + 1):
        for reference in map(schema.rooted, schema.references):
            mine, theirs = found[reference.relation], found[reference.target]
            for column, target in zip(reference.columns, reference.target_columns, strict=True):
                if isinstance(mine, dict):
                    mine[column] = theirs[target] if isinstance(theirs, dict) else "null"
            if isinstance(mine, dict) and _is_torn(schema.relations[reference.relation], reference.columns, mine):
                found[reference.relation] = "drop"


def _is_torn(relation: Relation, columns: Sequence[str], listed: Mapping[str, Action]) -> bool:
    return any(listed[name] == "null" and misfit(relation, relation.columns[name], "null") for name in columns)
