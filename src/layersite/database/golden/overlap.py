"""Whether values of the source survived in the golden, told from hashes: no value leaves either server.

Both servers hash under a key of this one check. What a masking rule makes can meet a real value by chance, as often as
the number of its different values lets expect; only more than that is a leak. Of large columns both sides take the same
share of all hashes, so a survivor is as likely to be seen as any other value.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cache, partial

from layersite.database.contract.rules import shape
from layersite.database.golden.attestation import Check
from layersite.database.golden.chance import Meeting
from layersite.database.schema import Column, Relation, Schema
from layersite.model.contract import Action, Choice, Constant, Contract, Date, Identifier, Json, Number, Rule

__all__ = ["DISTINCTIVE", "SHORTEST", "Hasher", "Hashes", "columns_of", "masked", "overlap", "quoted", "share_of"]

_SAMPLE = 100_000
"""How many hashes of one column are compared at most."""
DISTINCTIVE = ("email", "phone", "iban", "ip", "identifier", "street")
"""Rules for values that stand for one person: they may not be found in any other column either."""
SHORTEST = 6
"""From how many characters on a value is looked for elsewhere."""
_ONE = "every row has the same value, which the shapes prove"
_FEW = "its values are too few to tell a leak from chance, or no kept primary key tells which row is which"


@dataclass(frozen=True)
class Hashes:
    """Hashes of a column, one in `share`: of each different value with its key, the hash of the value alone."""

    values: Mapping[int, int]
    share: int

    @property
    def different(self) -> int:
        """Return how many different values they are of."""
        return len(set(self.values.values()))

    def common(self, other: "Hashes") -> int:
        """Return how many values the two have in common, and count only what both would have taken."""
        share = max(self.share, other.share)
        both = self.values.keys() & other.values.keys()
        return len({self.values[each] for each in both if each % share == 0})


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


@dataclass(frozen=True)
class _Way:
    """One way to compare: along the key `pairing`, values from `shortest` characters on, of which there are `size`."""

    pairing: tuple[str, ...]
    shortest: int
    size: float


def overlap(source: Hasher, golden: Hasher, schema: Schema, contract: Contract) -> Check:
    """No more values of a masked column are in the golden than chance explains."""
    problems: list[str] = []
    remarks: list[str] = []
    looked_at = 0
    of_golden = cache(lambda relation, name, path, pairing: golden(schema.relations[relation], name, path, pairing, 1))
    for relation, column, path, rule in masked(schema, contract):
        what = _named(relation, column, path)
        raw, made = partial(source, relation, column.name, path), partial(of_golden, relation.name, column.name, path)
        ways = _ways(relation, column, rule, contract)
        meetings = (_meeting(raw(way.pairing, way.shortest), made(way.pairing), way) for way in ways)
        if met := next((each for each in meetings if each.is_telling), None):
            looked_at += 1
            if met.is_leak:
                said = f"are in the golden as they are in the source; chance explains {met.explained:.1f}"
                problems.append(f"{met.found} values of {what} {said}")
        else:
            remarks.append(f"{what}: {_ONE if isinstance(rule, Constant) else _FEW}")
        if rule.mask in DISTINCTIVE:
            problems += _elsewhere(what, raw((), SHORTEST), schema, contract, of_golden)
    return Check(name="overlap", looked_at=looked_at, problems=tuple(problems), remarks=tuple(remarks))


def _named(relation: Relation, column: Column, path: str) -> str:
    return f"{relation.name}.{column.name}{f' at {path}' if path else ''}"


def _ways(relation: Relation, column: Column, rule: Rule, contract: Contract) -> Iterator[_Way]:
    """Give the ways to compare a column, the best first: row by row where a rule has few different values."""
    actions = contract.columns(relation.name)
    is_single = not column.array and column.family != "json"
    key = relation.primary if is_single and all(actions.get(name) == "keep" for name in relation.primary) else ()
    size = min(shape(rule, column).size, _room(column) if isinstance(rule, Identifier) else math.inf)
    is_bare = column.family in ("integer", "decimal", "bytes")
    if isinstance(rule, Date):
        yield from [_Way(key, 1, math.inf)] if key else []  # none stays where it was
    elif rule.mask == "text":
        yield _Way((), 12, size)
        yield from [_Way(key, 4, 64**2)] if key else []  # two syllables
    elif not isinstance(rule, Constant):
        is_few = isinstance(rule, (Number, Choice)) or rule.mask == "postal_code" or is_bare
        yield _Way(key if is_few else (), SHORTEST if rule.mask in DISTINCTIVE and not is_bare else 1, size)


def _room(column: Column) -> float:
    """Return how many identifiers a short column has room for: a byte of a hash, as text two digits, at a time."""
    if column.length is None or column.family not in ("text", "bytes"):
        return math.inf
    return 256.0 ** (min(column.length, 24) // 2 if column.family == "text" else min(column.length, 16))


def _meeting(raw: Hashes, made: Hashes, way: _Way) -> Meeting:
    """Count different values, not rows: equal ones are masked alike, so chance leaves all of them or none."""
    if way.pairing:
        of, chance = int(min(raw.different, way.size)), 1 / way.size
    else:
        of, chance = raw.different, min(1, made.different * made.share / way.size)
    found = raw.common(made)
    return Meeting(found, min(raw.different, made.different, of), of, chance)


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
        if relation.kind == "view":
            continue
        for name, column in relation.columns.items():
            action = contract.columns(relation.name).get(name)
            if isinstance(action, Json):
                yield from ((relation, column, path) for path, leaf in action.paths.items() if leaf == "keep")
            elif column.family in ("text", "json") and action == "keep":
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
        if found := len(raw.values.keys() & hashes) if raw.share == 1 else among(relation, column, path):
            problems.append(f"it quotes {found} values of {relation.name}.{column.name}; change that at the source")
    return Check(name="schema", looked_at=looked_at, problems=tuple(problems))
