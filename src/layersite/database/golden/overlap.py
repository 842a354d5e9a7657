"""Whether values of the source survived in the golden, told from hashes: no value leaves either server.

Both servers hash under a key of this one check. What a masking rule makes can meet a real value by chance, as often as
the number of its different values lets expect; only more than that is a leak. Of large columns both sides take the same
share of all hashes, so a survivor is as likely to be seen as any other value.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from layersite.database.contract.rules import shape
from layersite.database.golden.attestation import Check
from layersite.database.schema import Column, Relation, Schema
from layersite.model.contract import Action, Choice, Constant, Contract, Date, Json, Number, Rule

__all__ = ["DISTINCTIVE", "Hasher", "Hashes", "columns_of", "overlap", "share_of"]

_SAMPLE = 200_000
"""How many hashes of one column are compared at most."""
DISTINCTIVE = ("email", "phone", "iban", "ip", "identifier", "street")
"""Rules for values that stand for one person: they may not be found in any other column either."""
_SHORTEST = 6
_SHORTEST_TEXT = 12
_DEVIATIONS = 6


@dataclass(frozen=True)
class Hashes:
    """Hashes of the different values of a column; of each, one in `share`."""

    values: frozenset[int]
    share: int

    def common(self, other: "Hashes") -> int:
        """Return how many the two have in common, and count only what both would have taken."""
        share = max(self.share, other.share)
        return sum(value % share == 0 for value in self.values & other.values)


Hasher = Callable[[Relation, str, tuple[str, ...], int], Hashes]
"""Hashes a relation's column of one side, together with the columns of a key, where values are of some length."""


def share_of(relation: Relation) -> int:
    """Return of how many hashes one is compared."""
    return 1 << max(0, math.ceil(math.log2(max(relation.rows, 1) / _SAMPLE)))


def columns_of(schema: Schema, contract: Contract) -> Iterator[tuple[Relation, Column, Action]]:
    """Give every column of every table that has rows in a golden, with what became of it."""
    for relation in schema.relations.values():
        if relation.kind in ("table", "partitioned") and not relation.parent:
            for name, action in contract.columns(relation.name).items():
                yield relation, relation.columns[name], action


def overlap(source: Hasher, golden: Hasher, schema: Schema, contract: Contract) -> Check:
    """No more values of a masked column are in the golden than chance explains."""
    problems: list[str] = []
    remarks: list[str] = []
    looked_at = 0
    of_golden = cache(lambda relation, name, pairing: golden(schema.relations[relation], name, pairing, 1))
    for relation, column, action in columns_of(schema, contract):
        if isinstance(action, str):
            continue
        pairing = _pairing(relation, action, contract)
        if reason := _incomparable(column, action, pairing):
            remarks.append(f"{relation.name}.{column.name}: {reason}")
            continue
        looked_at += 1
        raw = source(relation, column.name, pairing, _shortest(action))
        made = of_golden(relation.name, column.name, pairing)
        problems += _excess(f"{relation.name}.{column.name}", raw, made, _chance(action, column, raw, made, pairing))
        if action.mask in DISTINCTIVE:
            problems += _elsewhere(relation, column, raw, schema, contract, of_golden)
    return Check(name="overlap", looked_at=looked_at, problems=tuple(problems), remarks=tuple(remarks))


def _pairing(relation: Relation, action: Rule, contract: Contract) -> tuple[str, ...]:
    """Return the kept primary key by which a rule with few different values is compared row by row."""
    if not isinstance(action, (Number, Date, Choice)) and action.mask != "postal_code":
        return ()
    actions = contract.columns(relation.name)
    return relation.primary if all(actions.get(name) == "keep" for name in relation.primary) else ()


def _incomparable(column: Column, action: Action, pairing: tuple[str, ...]) -> str | None:
    if isinstance(action, Constant):
        return "every row has the same value, which the shapes prove"
    if column.array or isinstance(action, Json):
        return "lists and documents are not compared"
    if isinstance(action, (Number, Date, Choice)) and not pairing:
        return "its values are few, and no kept primary key tells which row is which"
    return None


def _shortest(action: Rule) -> int:
    return 1 if isinstance(action, (Number, Date, Choice)) else _SHORTEST_TEXT if action.mask == "text" else _SHORTEST


def _chance(action: Rule, column: Column, raw: Hashes, made: Hashes, pairing: tuple[str, ...]) -> float:
    """Return how many values are expected to be in both by chance."""
    if isinstance(action, Date):
        return 0.0
    size = shape(action, column).size
    if pairing:
        return min(len(raw.values), len(made.values)) / size
    return len(raw.values) * len(made.values) * max(raw.share, made.share) / size


def _excess(what: str, raw: Hashes, made: Hashes, chance: float) -> Iterator[str]:
    found = raw.common(made)
    if found > chance + _DEVIATIONS * math.sqrt(chance):
        yield f"{found} values of {what} are in the golden as they are in the source; chance explains {chance:.1f}"


def _elsewhere(
    relation: Relation,
    column: Column,
    raw: Hashes,
    schema: Schema,
    contract: Contract,
    of_golden: Callable[[str, str, tuple[str, ...]], Hashes],
) -> Iterator[str]:
    """Look for the raw values in every column that is kept, and in materialized views."""
    for other in schema.relations.values():
        for name, each in other.columns.items():
            is_kept = contract.columns(other.name).get(name) == "keep"
            is_computed = other.kind == "matview" and contract.relations[other.name] == "keep"
            if each.family != "text" or each.array or not (is_kept or is_computed):
                continue
            if found := raw.common(of_golden(other.name, name, ())):
                yield f"{found} values of {relation.name}.{column.name} stand in {other.name}.{name}"
