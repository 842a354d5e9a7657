"""The database that a golden is made from: one read-only transaction whose snapshot everything else shares."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from layersite.database.fit.applied import of_postgresql, read_applied
from layersite.database.golden.postgresql.connect import Connection, connect, explained
from layersite.database.golden.postgresql.masks import identifier
from layersite.database.golden.postgresql.schema import read_schema
from layersite.database.schema import Relation, Schema

__all__ = ["PostgreSQLSource"]

_SAMPLE = 200
"""How many rows a proposal looks at."""


class PostgreSQLSource:
    """An open transaction on the source; nothing that it does can change anything there."""

    def __init__(self, uri: str, connection: Connection, settings: Mapping[str, str]) -> None:
        self.uri = uri
        self.connection = connection
        self._settings = settings

    @cached_property
    def snapshot(self) -> str:
        """The name under which other transactions see what this one sees."""
        return str(self._one("SELECT pg_export_snapshot()"))

    @cached_property
    def schema(self) -> Schema:
        """What the database consists of."""
        return read_schema(self.connection)

    @property
    def version(self) -> str:
        """The server's version, such as 18.4."""
        return str(self._one("SELECT current_setting('server_version')"))

    def another(self) -> Connection:
        """Return a further read-only connection with the same settings."""
        return connect(self.uri, read_only=True, **self._settings)

    def samples(self, relation: Relation) -> Mapping[str, Sequence[str]]:
        """Return some values of each text column, for a proposal."""
        names = [name for name, column in relation.columns.items() if column.family == "text" and not column.array]
        if not names:
            return {}
        listed = ", ".join(f"{identifier(name)}::text" for name in names)
        with explained(f"{relation.name} cannot be read"):
            rows = self.connection.execute(f"SELECT {listed} FROM {relation.name} LIMIT {_SAMPLE}".encode()).fetchall()
        return {name: [row[n] for row in rows if row[n] is not None] for n, name in enumerate(names)}

    def applied(self, tool: str, table: str | None) -> tuple[str, ...]:
        """Return the migrations that `tool` has applied, in its order."""
        with self.connection.transaction():
            self.connection.execute("SET LOCAL search_path = public")
            return read_applied(of_postgresql(self.connection), tool, table)

    def _one(self, query: str) -> object:
        row = self.connection.execute(query.encode()).fetchone()
        return row[0] if row else None
