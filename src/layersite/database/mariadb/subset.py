"""Find the rows of a smaller golden in MariaDB, which does not tell where a row lies.

A row is known by its primary key where the contract keeps that, for the golden shows it anyway; else by a hash of its
key, or, without one, of all that it holds: rows that are alike refer to the same. No other value leaves the server.
"""

from collections.abc import Collection, Iterator, Sequence, Set

from layersite.database.mariadb.connect import Session, identifier, literal
from layersite.database.schema import Column, Family, Relation, Schema
from layersite.model.contract import Contract

__all__ = ["MariaDBReader", "Place"]

Place = tuple[str | bytes, ...]
_AT_ONCE = 5_000
_HASHES_AT_ONCE = 50_000
"""All of a table is read to find hashes, so the more at once the better."""
_NUMBERS: tuple[Family, ...] = ("integer", "decimal")
_KEYS: tuple[Family, ...] = (*_NUMBERS, "text", "date", "timestamp", "uuid", "bytes")
"""What a literal finds again; a float, for one, it does not."""


class MariaDBReader:
    """Rows of `source`, which has a `@layersite_nonce`. Every method raises DatabaseError."""

    def __init__(self, source: Session, schema: Schema, contract: Contract) -> None:
        self._source, self._schema = source, schema
        self._kept = {relation.name: _kept(relation, contract) for relation in schema.relations.values()}
        if not source.is_mysql:  # a list that became a table would lose its collation
            source.ask("SET in_predicate_conversion_threshold = 0")

    def seeds(self, name: str, condition: str) -> Iterator[tuple[str, Place]]:
        """Give the rows of a table that meet `condition`."""
        sql = f"SELECT DISTINCT {self._place(name, 't')} FROM {identifier(name)} t WHERE {condition}"
        yield from ((name, place) for place in self._source.ask(sql))

    def joined(
        self, name: str, places: Set[Place], mine: Sequence[str], there: str, theirs: Sequence[str]
    ) -> Iterator[tuple[str, Place]]:
        """Give the rows of `there` that the rows at `places` of `name` are joined with."""
        pairs = zip(map(identifier, mine), map(identifier, theirs), strict=True)
        same = " AND ".join(f"n.{other} = t.{one}" for one, other in pairs)
        tables = f"{identifier(name)} t JOIN {identifier(there)} n ON {same}"
        for condition in self.conditions(name, sorted(places, key=str)):
            sql = f"SELECT DISTINCT {self._place(there, 'n')} FROM {tables} WHERE {condition}"
            yield from ((there, place) for place in self._source.ask(sql))

    def conditions(self, name: str, places: Sequence[Place]) -> Iterator[str]:
        """Give conditions on `t` that the rows at `places` meet, each one of them."""
        kept = self._kept[name]
        at_once = _AT_ONCE if kept else _HASHES_AT_ONCE
        for first in range(0, len(places), at_once):
            listed = ", ".join(_literal(kept, place) for place in places[first : first + at_once])
            yield f"({self._place(name, 't')}) IN ({listed})"

    def _place(self, name: str, alias: str) -> str:
        if kept := self._kept[name]:
            return ", ".join(f"{alias}.{identifier(column.name)}" for column in kept)
        relation = self._schema.relations[name]
        hashed = relation.primary or tuple(relation.columns)
        values = ", ".join(f"COALESCE(HEX(CAST({alias}.{identifier(each)} AS BINARY)), '-')" for each in hashed)
        return f"LEFT(SHA2(CONCAT_WS(',', HEX(@layersite_nonce), {values}), 256), 32)"


def _kept(relation: Relation, contract: Contract) -> tuple[Column, ...]:
    """Return the columns of the primary key if they all come into the golden as they are."""
    actions = contract.columns(relation.name)
    columns = tuple(relation.columns[name] for name in relation.primary)
    return columns if all(each.family in _KEYS and actions.get(each.name) == "keep" for each in columns) else ()


def _literal(kept: Collection[Column], place: Place) -> str:
    numeric = [column.family in _NUMBERS for column in kept] or [False]
    values = [_value(value, each) for value, each in zip(place, numeric, strict=True)]
    return values[0] if len(values) == 1 else f"({', '.join(values)})"


def _value(value: str | bytes, is_number: bool) -> str:
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    return value if is_number else literal(value)
