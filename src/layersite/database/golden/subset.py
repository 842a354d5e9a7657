"""Choose the rows of a smaller golden so that no reference of them leads nowhere, on whichever engine they lie.

From the seeds everything that refers to them is taken, and what refers to that; then whatever all of these rows refer
to, round and round until nothing new is found, so cycles end by themselves. What a row is known by, its place, is for
the engine to say.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Generic, Protocol, TypeVar

from layersite.database.schema import Reference, Schema
from layersite.model.contract import Action, Contract, Subset

__all__ = ["Reader", "chosen", "emptied"]

Place = TypeVar("Place", bound=Hashable)


class Reader(Protocol[Place]):
    """Finds rows of the source. Every method raises DatabaseError."""

    def seeds(self, name: str, condition: str) -> Iterable[tuple[str, Place]]:
        """Give the rows of a relation that meet `condition`: the relation that holds each itself, and its place."""

    def joined(
        self, name: str, places: Set[Place], mine: Sequence[str], there: str, theirs: Sequence[str]
    ) -> Iterable[tuple[str, Place]]:
        """Give the rows of `there` whose columns `theirs` equal the columns `mine` of those `places` of `name`."""


def chosen(reader: Reader[Place], schema: Schema, contract: Contract) -> Mapping[str, Sequence[Place]]:
    """Return, of every relation that holds rows, those of the contract's subset; one that is missing is taken whole."""
    return _Search(reader, schema, contract, contract.subset).rows() if contract.subset else {}


def emptied(contract: Contract, relation: str) -> dict[str, Action]:
    """Return what becomes of the columns of `relation` whose references a subset does not follow."""
    cut = [each for each in contract.references if each.cut and each.relation == relation] if contract.subset else []
    return {column: "null" for each in cut for column in each.columns}


class _Search(Generic[Place]):
    def __init__(self, reader: Reader[Place], schema: Schema, contract: Contract, subset: Subset) -> None:
        self._reader = reader
        self._schema = schema
        self._subset = subset
        cut = {(each.relation, each.columns) for each in contract.references if each.cut}
        known = (*schema.references, *Reference.declared(contract))
        self._references = [each for each in known if (schema.rooted(each).relation, each.columns) not in cut]
        self._taken: dict[str, set[Place]] = defaultdict(set)

    def rows(self) -> Mapping[str, Sequence[Place]]:
        seeds = (self._reader.seeds(name, condition) for name, condition in self._subset.seeds.items())
        self._spread([found for seed in seeds for found in seed], down=True)
        self._spread([(name, place) for name, places in self._taken.items() for place in places], down=False)
        whole = self._unjoined() if self._subset.others == "keep" else set()
        return {
            relation.name: sorted(self._taken[relation.name], key=str)
            for relation in self._schema.relations.values()
            if relation.holds_rows and self._schema.root(relation).name not in whole
        }

    def _spread(self, fresh: Iterable[tuple[str, Place]], down: bool) -> None:
        """Take `fresh` rows and all that they lead to: what refers to them, or what they refer to."""
        frontier = self._new(fresh) if down else _grouped(fresh)
        while frontier:
            frontier = self._new(found for name, places in frontier.items() for found in self._next(name, places, down))

    def _new(self, found: Iterable[tuple[str, Place]]) -> dict[str, set[Place]]:
        new = {name: places - self._taken[name] for name, places in _grouped(found).items()}
        for name, places in new.items():
            self._taken[name] |= places
        return {name: places for name, places in new.items() if places}

    def _next(self, name: str, places: Set[Place], down: bool) -> Iterator[tuple[str, Place]]:
        holders = {name, self._schema.root(self._schema.relations[name]).name}
        for reference in self._references:
            here, there = reference.relation, reference.target
            mine, theirs = reference.columns, reference.target_columns
            if down:
                here, there, mine, theirs = there, here, theirs, mine
            if here in holders:
                yield from self._reader.joined(name, places, mine, there, theirs)

    def _unjoined(self) -> set[str]:
        """Return the relations that no chain of references joins with a seed."""
        joined, waiting = set(self._subset.seeds), list(self._subset.seeds)
        while waiting:
            name = waiting.pop()
            rooted = map(self._schema.rooted, self._references)
            ends = [{each.relation, each.target} for each in rooted]
            further = {other for pair in ends if name in pair for other in pair} - joined
            joined |= further
            waiting += further
        return set(self._schema.relations) - joined


def _grouped(found: Iterable[tuple[str, Place]]) -> dict[str, set[Place]]:
    places: dict[str, set[Place]] = defaultdict(set)
    for name, place in found:
        places[name].add(place)
    return places
