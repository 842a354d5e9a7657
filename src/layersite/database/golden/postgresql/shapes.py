"""How to see in PostgreSQL that values are of a rule's making, value by value, or all values of many pages at once.

A regular expression takes far longer to begin than to go on, so one that begins once for many values is ten times as
fast. What it does not prove is looked at value by value.
"""

from collections.abc import Mapping

from layersite.database.contract.rules import shape
from layersite.database.golden.postgresql.connect import Connection, explained
from layersite.database.golden.postgresql.copy import ranges
from layersite.database.golden.postgresql.values import identifier, literal
from layersite.database.schema import Column, Relation
from layersite.model.contract import Action, Choice, Constant, Json, Number, Rule

__all__ = ["proven", "wrong"]

_BETWEEN = "\x1f"
"""What stands between values that are looked at together; no rule makes it."""
_LONG = 200
"""Bytes from which on a value is looked at by itself."""

_TABLES = """
WITH RECURSIVE mine AS (
    SELECT %s::regclass::oid AS oid UNION SELECT inhrelid FROM pg_inherits JOIN mine ON inhparent = mine.oid
)
SELECT oid::regclass::text, pg_relation_size(oid) / current_setting('block_size')::int
FROM mine JOIN pg_class USING (oid) WHERE relkind <> 'p'"""


def proven(golden: Connection, relation: Relation, actions: Mapping[str, Action]) -> set[str]:
    """Return columns of which every value is of its rule's making; of the others nothing is known yet."""
    rules = {name: rule for name, rule in actions.items() if not isinstance(rule, str)}
    tests = {name: sql for name, rule in rules.items() if (sql := _together(relation.columns[name], rule))}
    found = set(tests)
    if not tests:
        return found
    with explained(f"{relation.name} cannot be checked"):
        for table, pages in golden.execute(_TABLES, (relation.name,)).fetchall():
            for _, condition in ranges(pages):
                query = f"SELECT {', '.join(tests.values())} FROM ONLY {table} t WHERE {condition}"
                row = golden.execute(query.encode()).fetchone() or ()
                found -= {name for name, is_wrong in zip(tests, row, strict=True) if is_wrong}
    return found


def _together(column: Column, rule: Rule) -> str | None:
    """Return the aggregate that some value is not of the rule's making, if a pattern tells all about it."""
    if isinstance(rule, Json | Number | Constant | Choice) or column.array:
        return None
    if (pattern := shape(rule, column).pattern) is None:
        return None
    value, between = _text(column, identifier(column.name)), literal(_BETWEEN)
    one = f"octet_length({value}) < {_LONG}"
    all_of_them = literal(f"^(({pattern})?{_BETWEEN})*({pattern})?$")
    tests = (
        f"string_agg({value}, {between}) FILTER (WHERE {one}) !~ {all_of_them}",
        f"bool_or({value} !~ {literal(f'^({pattern})$')}) FILTER (WHERE NOT {one})",
        f"bool_or(strpos({value}, {between}) > 0)",
    )
    return f"({' OR '.join(tests)}) IS TRUE"


def wrong(column: Column, rule: Rule) -> str | None:
    """Return the condition that a value is not of the rule's making."""
    there = identifier(column.name)
    if isinstance(rule, Json):
        return _foreign_leaves(f"{there}::jsonb", column, rule)
    pattern = shape(rule, column).pattern
    value = _text(column, "v" if column.array else there)
    if isinstance(rule, Number):
        bad = f"{value}::numeric NOT BETWEEN {rule.min} AND {rule.max}"
    elif isinstance(rule, Constant | Choice):
        values = (rule.value,) if isinstance(rule, Constant) else rule.values
        bad = f"{value} NOT IN ({', '.join(f'{literal(each)}::{_single(column)}::text' for each in values)})"
    elif pattern is not None:
        bad = f"{value} <> '' AND {value} !~ {literal(f'^({pattern})$')}"
    else:
        return None
    return f"EXISTS (SELECT FROM unnest({there}) v WHERE {bad})" if column.array else bad


def _text(column: Column, item: str) -> str:
    return f"host({item})" if column.family == "inet" else f"{item}::text"


def _single(column: Column) -> str:
    return column.type.removesuffix("[]")


def _foreign_leaves(there: str, column: Column, rule: Json) -> str:
    """Look for anything in a document that is on no listed path, and for masked leaves of another shape."""
    paths = {path: f"ARRAY[{', '.join(map(literal, path.split('.')))}]" for path in rule.paths}
    rest = " #- ".join([there, *paths.values()])
    tests = [f"jsonb_path_exists({rest}, '$.** ? (@.type() != \"object\")')"]
    for path, leaf in rule.paths.items():
        if isinstance(leaf, Number):
            tests.append(f"{there} #> {paths[path]} NOT BETWEEN '{leaf.min}'::jsonb AND '{leaf.max}'::jsonb")
        elif leaf != "keep":
            pattern = literal(f"^({shape(leaf, column).pattern})?$")
            tests.append(f"{there} #>> {paths[path]} !~ {pattern}")
    parents = {tuple(path.split(".")[:depth]) for path in rule.paths for depth in range(path.count(".") + 1)}
    steps = sorted(f"ARRAY[{', '.join(map(literal, parent))}]::text[]" for parent in parents)
    is_odd = " OR ".join(f"jsonb_typeof({there} #> {step}) <> 'object'" for step in steps) or "false"
    return f"CASE WHEN {is_odd} THEN true ELSE {' OR '.join(tests)} END"
