"""Masking rules as PostgreSQL expressions that run inside the source server, in plain SQL without any extension.

Each value is chosen by a keyed SHA-256 of what was there. The session has the key as a setting, so no statement ever
holds it. A hash is computed once per value, in a subquery that `OFFSET 0` keeps the planner from merging, and its bytes
choose among syllables, digits and lists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from layersite.database.contract.rules import LEAF, domain_of
from layersite.database.golden.postgresql.values import VALUES, choice, identifier, literal, number
from layersite.database.schema import Column, Relation
from layersite.model.contract import Action, Choice, Constant, Date, Identifier, Json, Leaf, Number, Rule, Value

__all__ = ["Selection", "key_settings", "selection"]


def key_settings(key: bytes) -> Mapping[str, str]:
    """Return the settings of a session whose expressions mask under `key`, of 32 bytes."""
    return {"layersite.key": key.hex()}


@dataclass
class Selection:
    """What a masked copy reads of one relation: `columns` go into it, `expressions` make their values.

    `hashes` are computed once per row, in the subquery `m`, as h0, h1 and so on.
    """

    columns: list[str] = field(default_factory=list)
    expressions: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)

    def query(self, relation: str, condition: str = "true") -> str:
        """Return the SELECT of the rows that meet `condition`."""
        named = ", ".join(f"{sql} AS h{index}" for index, sql in enumerate(self.hashes))
        lateral = f" CROSS JOIN LATERAL (SELECT {named} OFFSET 0) m" if named else ""
        return f"SELECT {', '.join(self.expressions)} FROM ONLY {relation} t{lateral} WHERE {condition}"

    def hash(self, domain: str, value: str) -> str:
        """Compute the keyed hash of the text `value` and return what it is called."""
        self.hashes.append(_keyed(domain, value))
        return f"m.h{len(self.hashes) - 1}"


def selection(relation: Relation, actions: Mapping[str, Action]) -> Selection:
    """Return what to read of `relation` where its columns have these `actions`."""
    made = Selection()
    for name, column in relation.columns.items():
        action = actions[name]
        if column.generated or action == "drop":
            continue
        made.columns.append(identifier(name))
        made.expressions.append(_expression(made, column, action))
    return made


def _expression(made: Selection, column: Column, action: Action) -> str:
    there = f"t.{identifier(column.name)}"
    if action == "keep":
        return there
    if isinstance(action, str):
        return f"NULL::{column.type}"
    if isinstance(action, Constant):
        return f"CASE WHEN {there} IS NOT NULL THEN {literal(action.value)}::{column.type} END"
    if isinstance(action, Date):
        subject = f"t.{identifier(action.subject)}::text" if action.subject else "NULL"
        return _moved(there, column, action, made.hash(domain_of(action), f"coalesce({subject}, {there}::text)"))
    if isinstance(action, Json):
        return f"CASE WHEN {there} IS NOT NULL THEN {_document(made, action, there)}::{column.type} END"
    if column.array:
        return _each(there, column, action)
    text = f"lower({there}::text)" if column.folds_case else f"{there}::text"
    return f"({_value(action, made.hash(domain_of(action), text), text, column)})::{column.type}"


def _keyed(domain: str, value: str) -> str:
    """The subquery, in which the key of a domain follows from the session's, is evaluated once per statement."""
    key = f"decode(current_setting('layersite.key'), 'hex') || {literal(domain)}::bytea"
    return f"sha256((SELECT substr(sha256({key}), 1, 16)) || textsend({value}))"


def _each(there: str, column: Column, rule: Rule) -> str:
    value = _value(rule, "x.h", "u.e::text", column)
    items = f"SELECT array_agg({value} ORDER BY u.o) FROM unnest({there}) WITH ORDINALITY u(e, o)"
    lateral = f"CROSS JOIN LATERAL (SELECT {_keyed(domain_of(rule), 'u.e::text')} AS h OFFSET 0) x"
    return f"CASE WHEN {there} IS NOT NULL THEN coalesce(({items} {lateral})::{column.type}, '{{}}') END"


def _document(made: Selection, rule: Json, there: str) -> str:
    tree: dict[str, object] = {}
    for path, leaf in rule.paths.items():
        *parents, last = path.split(".")
        node = tree
        for key in parents:
            node = node.setdefault(key, {})  # type: ignore[assignment]
        steps = f"ARRAY[{', '.join(map(literal, path.split('.')))}]"
        node[last] = (
            f"{there}::jsonb #> {steps}" if leaf == "keep" else _leaf(made, leaf, f"{there}::jsonb #>> {steps}")
        )
    return f"jsonb_strip_nulls({_object(tree)})"


def _leaf(made: Selection, rule: Leaf, there: str) -> str:
    if isinstance(rule, Constant):
        return f"CASE WHEN {there} IS NOT NULL THEN to_jsonb({literal(rule.value)}::text) END"
    return f"to_jsonb({_value(rule, made.hash(domain_of(rule), f'({there})'), f'({there})', LEAF)})"


def _object(tree: Mapping[str, object]) -> str:
    pairs = [f"{literal(key)}, {_object(value) if isinstance(value, dict) else value}" for key, value in tree.items()]
    return f"jsonb_build_object({', '.join(pairs)})"


def _moved(there: str, column: Column, rule: Date, hashed: str) -> str:
    step = f"({number(hashed, 1)} % {2 * rule.days})"
    days = f"({step} - {rule.days} + ({step} >= {rule.days})::int)::int"
    return f"({there} + {days if column.family == 'date' else f'make_interval(days => {days})'})::{column.type}"


def _value(rule: Rule, hashed: str, text: str, column: Column) -> str:
    """Return the masked value; an empty text stays empty."""
    if isinstance(rule, Value):
        return f"CASE WHEN {text} = '' THEN '' ELSE {VALUES[rule.mask](hashed, text)} END"
    if isinstance(rule, Choice):
        return choice(hashed, 1, rule.values)
    if isinstance(rule, Number):
        unit = 10**column.scale
        steps = f"({number(hashed, 1)} % {(rule.max - rule.min) * unit + 1})"
        return f"{rule.min} + {steps}" if unit == 1 else f"{rule.min} + {steps} / {unit}::numeric"
    assert isinstance(rule, Identifier)  # noqa: S101  each other rule has its own form above
    return _identifier(hashed, column)


def _identifier(hashed: str, column: Column) -> str:
    if column.family == "uuid":
        return f"overlay(overlay(encode(substr({hashed}, 1, 16), 'hex') PLACING '4' FROM 13) PLACING '8' FROM 17)"
    if column.family == "bytes":
        return f"substr({hashed}, 1, 16)"
    if column.family == "text":
        return f"encode(substr({hashed}, 1, {min(column.length or 24, 24) // 2}), 'hex')"
    return f"{number(hashed, 1, 8)} % {10 ** (min(column.length or 18, 18) - column.scale)}"
