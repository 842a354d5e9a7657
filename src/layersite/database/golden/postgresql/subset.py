"""Choose the rows of a smaller golden so that no reference of them leads nowhere.

Rows are known by where they lie (table and ctid), which holds as long as the snapshot does: no value leaves the server,
and nothing needs to be written there. From the seeds everything that refers to them is taken, and what refers to that;
then whatever all of these rows refer to, round and round until nothing new is found, so cycles end by themselves.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from layersite.database.golden.postgresql.connect import Connection, explained
from layersite.database.golden.postgresql.copy import Rows
from layersite.database.golden.postgresql.values import identifier
from layersite.database.schema import Reference, Schema
from layersite.model.contract import Contract

__all__ = ["chosen_rows"]

_AT_ONCE = 50_000
Places = dict[str, set[str]]
"""By relation that holds rows itself, the places of some of them."""


def chosen_rows(source: Connection, schema: Schema, contract: Contract) -> Rows:
    """Return the rows of the contract's subset. Raises DatabaseError."""
    if contract.subset is None:
        return {}
    return _Search(source, schema, contract).rows()


class _Search:
    def __init__(self, source: Connection, schema: Schema, contract: Contract) -> None:
        assert contract.subset is not None  # noqa: S101  its caller has looked
        self._source = source
        self._schema = schema
        self._subset = contract.subset
        self._names = {relation.oid: relation.name for relation in schema.relations.values()}
        cut = {(each.relation, each.columns) for each in contract.references if each.cut}
        known = (*schema.references, *Reference.declared(contract))
        self._references = [each for each in known if (schema.rooted(each).relation, each.columns) not in cut]
        self._taken: Places = defaultdict(set)

    def rows(self) -> Rows:
        """Search, and say of every relation that holds rows which ones; those that are missing are taken whole."""
        seeds = (self._seed(name, condition) for name, condition in self._subset.seeds.items())
        self._spread([found for seed in seeds for found in seed], down=True)
        self._spread([(name, place) for name, places in self._taken.items() for place in places], down=False)
        whole = self._unjoined() if self._subset.others == "keep" else set()
        return {
            relation.name: sorted(self._taken[relation.name])
            for relation in self._schema.relations.values()
            if relation.holds_rows and self._schema.root(relation).name not in whole
        }

    def _seed(self, name: str, condition: str) -> list[tuple[str, str]]:
        with explained(f"the seeds of {name} cannot be read"):
            return self._found(f"SELECT tableoid::oid, ctid::text FROM {name} WHERE {condition}")

    def _spread(self, fresh: Iterable[tuple[str, str]], down: bool) -> None:
        """Take `fresh` rows and all that they lead to: what refers to them, or what they refer to."""
        frontier = self._new(fresh) if down else _grouped(fresh)
        while frontier:
            frontier = self._new(found for name, places in frontier.items() for found in self._next(name, places, down))

    def _new(self, found: Iterable[tuple[str, str]]) -> Places:
        new = {name: places - self._taken[name] for name, places in _grouped(found).items()}
        for name, places in new.items():
            self._taken[name] |= places
        return {name: places for name, places in new.items() if places}

    def _next(self, name: str, places: set[str], down: bool) -> Iterator[tuple[str, str]]:
        holders = {name, self._schema.root(self._schema.relations[name]).name}
        for reference in self._references:
            here, there = reference.relation, reference.target
            mine, theirs = reference.columns, reference.target_columns
            if down:
                here, there, mine, theirs = there, here, theirs, mine
            if here in holders:
                yield from self._joined(name, sorted(places), mine, there, theirs)

    def _joined(
        self, name: str, places: Sequence[str], mine: Sequence[str], there: str, theirs: Sequence[str]
    ) -> Iterator[tuple[str, str]]:
        pairs = zip(map(identifier, mine), map(identifier, theirs), strict=True)
        same = " AND ".join(f"n.{other} = t.{one}" for one, other in pairs)
        query = (
            f"SELECT DISTINCT n.tableoid::oid, n.ctid::text FROM ONLY {name} t JOIN {there} n ON {same}"
            " WHERE t.ctid = ANY ($1::tid[])"
        )
        for first in range(0, len(places), _AT_ONCE):
            with explained(f"the rows that {name} leads to cannot be read"):
                yield from self._found(query, list(places[first : first + _AT_ONCE]))

    def _found(self, query: str, *parameters: list[str]) -> list[tuple[str, str]]:
        from psycopg import RawCursor

        with RawCursor(self._source) as cursor:
            return [(self._names[oid], place) for oid, place in cursor.execute(query.encode(), parameters or None)]

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


def _grouped(found: Iterable[tuple[str, str]]) -> Places:
    places: Places = defaultdict(set)
    for name, place in found:
        places[name].add(place)
    return places
