"""Find the rows of a smaller golden in PostgreSQL.

Rows are known by where they lie (table and ctid), which holds as long as the snapshot does: no value leaves the server,
and nothing needs to be written there.
"""

from collections.abc import Iterator, Sequence, Set

from layersite.database.golden.postgresql.connect import Connection, explained
from layersite.database.golden.postgresql.values import identifier
from layersite.database.schema import Schema

__all__ = ["PostgreSQLReader"]

_AT_ONCE = 50_000


class PostgreSQLReader:
    """Rows of `source`, by their ctid. Every method raises DatabaseError."""

    def __init__(self, source: Connection, schema: Schema) -> None:
        self._source = source
        self._names = {relation.oid: relation.name for relation in schema.relations.values()}

    def seeds(self, name: str, condition: str) -> Iterator[tuple[str, str]]:
        """Give the rows of a relation that meet `condition`."""
        with explained(f"the seeds of {name} cannot be read"):
            yield from self._found(f"SELECT tableoid::oid, ctid::text FROM {name} WHERE {condition}")

    def joined(
        self, name: str, places: Set[str], mine: Sequence[str], there: str, theirs: Sequence[str]
    ) -> Iterator[tuple[str, str]]:
        """Give the rows of `there` that the rows at `places` of `name` are joined with."""
        pairs = zip(map(identifier, mine), map(identifier, theirs), strict=True)
        same = " AND ".join(f"n.{other} = t.{one}" for one, other in pairs)
        query = (
            f"SELECT DISTINCT n.tableoid::oid, n.ctid::text FROM ONLY {name} t JOIN {there} n ON {same}"
            " WHERE t.ctid = ANY ($1::tid[])"
        )
        listed = sorted(places)
        for first in range(0, len(listed), _AT_ONCE):
            with explained(f"the rows that {name} leads to cannot be read"):
                yield from self._found(query, listed[first : first + _AT_ONCE])

    def _found(self, query: str, *parameters: list[str]) -> list[tuple[str, str]]:
        from psycopg import RawCursor

        with RawCursor(self._source) as cursor:
            return [(self._names[oid], place) for oid, place in cursor.execute(query.encode(), parameters or None)]
