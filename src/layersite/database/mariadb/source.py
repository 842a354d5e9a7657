"""The MariaDB database that a golden is made from: one transaction on one snapshot, through which all rows are read."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property

from layersite.database.fit import read_applied
from layersite.database.mariadb.connect import Session, identifier
from layersite.database.mariadb.ddl import Definition, read_definition
from layersite.database.mariadb.describe import read_schema
from layersite.database.schema import Relation, Schema

__all__ = ["MariaDBSource"]

_SAMPLE = 200


class MariaDBSource:
    """An open transaction on the source; nothing that it does can change anything there."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.snapshot = f"a consistent snapshot of {datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"

    @cached_property
    def schema(self) -> Schema:
        """What the database consists of."""
        return read_schema(self.session)

    @cached_property
    def definition(self) -> Definition:
        """The statements that make it again."""
        return read_definition(self.session)

    @property
    def version(self) -> str:
        """The server's version, such as 10.11.19."""
        return str(self.session.one("SELECT version()")).partition("-")[0]

    def samples(self, relation: Relation) -> Mapping[str, Sequence[str]]:
        """Return some values of each text column, for a proposal."""
        names = [name for name, column in relation.columns.items() if column.family == "text"]
        if not names:
            return {}
        listed = ", ".join(map(identifier, names))
        rows = self.session.ask(f"SELECT {listed} FROM {identifier(relation.name)} LIMIT {_SAMPLE}")
        return {name: [row[n] for row in rows if row[n] is not None] for n, name in enumerate(names)}

    def applied(self, tool: str, table: str | None) -> tuple[str, ...]:
        """Return the migrations that `tool` has applied, in its order."""
        return read_applied(self.session.ask, tool, table)
