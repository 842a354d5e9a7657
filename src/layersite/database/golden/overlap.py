"""Whether values of the source survived in the golden, told from hashes: no value leaves either server.

Both servers hash under a key of this one check. What a masking rule makes can meet a real value by chance, as often as
the number of its different values lets expect; only more than that is a leak. Of large columns both sides take the same
share of all hashes, so a survivor is as likely to be seen as any other value.
"""

import math
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from functools import cache

from layersite.database.contract.rules import shape
from layersite.database.golden.attestation import Check
from layersite.database.schema import Column, Relation, Schema
from layersite.model.contract import Action, Choice, Constant, Contract, Date, Json, Number, Rule

__all__ = ["DISTINCTIVE", "SHORTEST", "Hasher", "Hashes", "columns_of", "masked", "overlap", "quoted", "share_of"]

_SAMPLE = 100_000
"""How many hashes of one column are compared at most."""
DISTINCTIVE = ("email", "phone", "iban", "ip", "identifier", "street")
"""Rules for values that stand for one person: they may not be found in any other column either."""
SHORTEST = 6
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


Hasher = Callable[[Relation, str, str, tuple[str, ...], int], Hashes]
"""Hashes a relation's column of one side, together with the columns of a key, where values are of some length.

Of a list those are its elements, of a document the texts and numbers at a path and below; without path, all of them.
"""


def share_of(relation: Relation) -> int:
    """Return of how many hashes one is compared."""
    return 1 << max(0, math.ceil(math.log2(max(relation.rows, 1) / _SAMPLE)))


def columns_of(schema: Schema, contract: Contract) -> Iterator[tuple[Relation, Column, Action]]:
    """Give every column of every table that has rows in a golden, with what became of it."""
    for relation in schema.relations.values():
        if relation.kind in ("table", "partitioned") and not relation.parent:
            for name, action in contract.columns(relation.name).items():
                yield relation, relation.columns[name], action


def masked(schema: Schema, contract: Contract) -> Iterator[tuple[Relation, Column, str, Rule]]:
    """Give every masked column with its rule, and of a masked document every masked path."""
    for relation, column, action in columns_of(schema, contract):
        if isinstance(action, Json):
            for path, leaf in action.paths.items():
                if leaf != "keep":
                    yield relation, column, path, leaf
        elif not isinstance(action, str):
            yield relation, column, "", action


def overlap(source: Hasher, golden: Hasher, schema: Schema, contract: Contract) -> Check:
    """No more values of a masked column are in the golden than chance explains."""
    problems: list[str] = []
    remarks: list[str] = []
    looked_at = 0
    of_golden = cache(lambda relation, name, path, pairing: golden(schema.relations[relation], name, path, pairing, 1))
    for relation, column, path, rule in masked(schema, contract):
        what = _named(relation, column, path)
        pairing = _pairing(relation, column, rule, contract)
        if reason := _incomparable(rule, pairing):
            remarks.append(f"{what}: {reason}")
            continue
        looked_at += 1
        raw = source(relation, column.name, path, pairing, _shortest(rule))
        made = of_golden(relation.name, column.name, path, pairing)
        problems += _excess(what, raw, made, _chance(rule, column, raw, made, pairing))
        if rule.mask in DISTINCTIVE:
            problems += _elsewhere(what, raw, schema, contract, of_golden)
    return Check(name="overlap", looked_at=looked_at, problems=tuple(problems), remarks=tuple(remarks))


def _named(relation: Relation, column: Column, path: str) -> str:
    return f"{relation.name}.{column.name}{f' at {path}' if path else ''}"


def _pairing(relation: Relation, column: Column, rule: Rule, contract: Contract) -> tuple[str, ...]:
    """Return the kept primary key by which a rule with few different values is compared row by row."""
    is_few = isinstance(rule, (Number, Date, Choice)) or rule.mask == "postal_code"
    if not is_few or column.array or column.family == "json":
        return ()
    actions = contract.columns(relation.name)
    return relation.primary if all(actions.get(name) == "keep" for name in relation.primary) else ()


def _incomparable(rule: Rule, pairing: tuple[str, ...]) -> str | None:
    if isinstance(rule, Constant):
        return "every row has the same value, which the shapes prove"
    if isinstance(rule, (Number, Date, Choice)) and not pairing:
        return "its values are few, and no kept primary key tells which row is which"
    return None


def _shortest(action: Rule) -> int:
    return 1 if isinstance(action, (Number, Date, Choice)) else _SHORTEST_TEXT if action.mask == "text" else SHORTEST


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
    what: str,
    raw: Hashes,
    schema: Schema,
    contract: Contract,
    of_golden: Callable[[str, str, str, tuple[str, ...]], Hashes],
) -> Iterator[str]:
    """Look for the raw values in all that is kept, and in materialized views."""
    for relation, column, path in _kept(schema, contract):
        if found := raw.common(of_golden(relation.name, column.name, path, ())):
            yield f"{found} values of {what} stand in {_named(relation, column, path)}"


def _kept(schema: Schema, contract: Contract) -> Iterator[tuple[Relation, Column, str]]:
    for relation in schema.relations.values():
        is_computed = relation.kind == "matview" and contract.relations[relation.name] == "keep"
        for name, column in relation.columns.items():
            action = contract.columns(relation.name).get(name)
            if isinstance(action, Json):
                yield from ((relation, column, path) for path, leaf in action.paths.items() if leaf == "keep")
            elif column.family in ("text", "json") and (action == "keep" or is_computed):
                yield relation, column, ""


def quoted(
    hashes: Set[int],
    hashed: Hasher,
    schema: Schema,
    contract: Contract,
    among: Callable[[Relation, Column, str], int],
) -> Check:
    """No value of a column whose rule stands for one person has one of `hashes`, those of the golden's own definition.

    `among` asks the source for every value, where only a share of the hashes is at hand.
    """
    problems, looked_at = [], 0
    for relation, column, path, rule in masked(schema, contract):
        if rule.mask not in DISTINCTIVE:
            continue
        looked_at += 1
        raw = hashed(relation, column.name, path, (), SHORTEST)
        if found := len(raw.values & hashes) if raw.share == 1 else among(relation, column, path):
            problems.append(f"it quotes {found} values of {relation.name}.{column.name}; change that at the source")
    return Check(name="schema", looked_at=looked_at, problems=tuple(problems))
