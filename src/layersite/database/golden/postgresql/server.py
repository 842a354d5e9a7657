"""The server that holds goldens: one builder at a time, leftovers of killed builds, publishing in one step."""

import json
import secrets
from contextlib import suppress
from dataclasses import dataclass, field

from psycopg.sql import SQL, Identifier

from layersite.database import ledger
from layersite.database.creating import create_private
from layersite.database.dropping import drop_database
from layersite.database.golden.api import Draft, Source
from layersite.database.golden.attestation import Attestation, Check
from layersite.database.golden.postgresql import canaries, checks, draft
from layersite.database.golden.postgresql.archive import archive
from layersite.database.golden.postgresql.connect import Connection, connect, explained
from layersite.database.golden.postgresql.schema import read_schema
from layersite.database.golden.postgresql.source import PostgreSQLSource
from layersite.database.golden.postgresql.values import identifier
from layersite.database.golden.postgresql.verification import Verification
from layersite.model.contract import Contract
from layersite.model.database import Golden
from layersite.model.errors import LayersiteError

__all__ = ["Server"]

_RANDOM_BYTES = 4
"""What tells the drafts of one database from each other, written in hexadecimal."""


@dataclass(frozen=True)
class Server:
    """One server, for goldens of `database`; `seed` is the setting by which values are compared."""

    uri: str = field(repr=False)
    connection: Connection
    database: str
    seed: dict[str, str] = field(repr=False)
    workers: int = 2

    @property
    def version(self) -> str:
        """The server's version, such as 18.4."""
        return str(self.connection.info.parameter_status("server_version")).split()[0]

    @property
    def _prefix(self) -> str:
        return f"layersite_draft_{self.database.replace('-', '_')[:30]}_"

    def clean(self) -> list[str]:
        """Drop what killed builds left; nobody else builds goldens of this database now."""
        # The length tells it from the prefix of another database, whose name only begins with this one's.
        query = "SELECT datname FROM pg_database WHERE starts_with(datname, %s) AND length(datname) = %s"
        given = (self._prefix, len(self._prefix) + 2 * _RANDOM_BYTES)
        names = [str(row[0]) for row in self.connection.execute(query, given)]
        half_gone = ledger.half_gone(self.connection).values()
        names += [each.name for each in half_gone if isinstance(each, Golden) and each.database == self.database]
        for name in names:
            self.drop(name)
        return names

    def fill(self, source: Source, contract: Contract) -> Draft:
        """Make a draft with the masked rows of `source`; if that fails, nothing of it is left."""
        assert isinstance(source, PostgreSQLSource)  # noqa: S101  one engine gives both
        name = self._prefix + secrets.token_hex(_RANDOM_BYTES)
        schema_sql = archive(source.uri, source.snapshot)
        try:
            draft.create(self.connection, name, source)
            rows = draft.fill(self.uri, name, source, contract, schema_sql, self.workers)
        except BaseException:
            with suppress(LayersiteError):
                self.drop(name)
            raise
        return Draft(name, rows, (*schema_sql.left_out, *source.schema.left_out))

    def verify(self, draft: str, source: Source, contract: Contract) -> tuple[Check, ...]:
        """Check a draft, against its source too."""
        assert isinstance(source, PostgreSQLSource)  # noqa: S101  one engine gives both
        return Verification(self.connection, self.uri, draft, source, contract, self.seed).run(self.workers)

    def verify_again(self, golden: str, contract: Contract) -> tuple[Check, ...]:
        """Check a published golden by itself, in a copy that goes again."""
        name = self._prefix + secrets.token_hex(_RANDOM_BYTES)
        with explained(f"{golden} cannot be copied"):
            create_private(self.connection, name, SQL("TEMPLATE {}").format(Identifier(golden)))
        try:
            with connect(self.uri, name, read_only=True) as copy:
                found = checks.alone(copy, read_schema(copy), contract)
            return (*found, canaries.dump_is_clean(self.uri, name, contract.canaries))
        finally:
            self.drop(name)

    def drop(self, name: str) -> None:
        """Remove a database, a template too, if it is there."""
        with explained(f"{name} cannot be dropped"):
            query = "SELECT FROM pg_database WHERE datname = %s AND datistemplate"
            if self.connection.execute(query, (name,)).fetchone() is not None:
                self.connection.execute(f"ALTER DATABASE {identifier(name)} IS_TEMPLATE false".encode())
            drop_database(self.connection, name)

    def size(self, name: str) -> int:
        """Return how many bytes a database has."""
        row = self.connection.execute("SELECT pg_database_size(%s::name)", (name,)).fetchone()
        return int(row[0]) if row else 0

    def publish(self, draft: str, golden: Golden, attestation: Attestation) -> None:
        """Make the draft a golden: name, template, closed to all, recorded; all of it or nothing."""
        comment = ledger.text(golden, attestation.model_dump(mode="json")).replace("'", "''")
        name = identifier(golden.name)
        with explained(f"{golden.name} cannot be published"), self.connection.transaction():
            for statement in (
                f"ALTER DATABASE {identifier(draft)} WITH ALLOW_CONNECTIONS false",
                f"ALTER DATABASE {identifier(draft)} RENAME TO {name}",
                f"ALTER DATABASE {name} WITH IS_TEMPLATE true",
                f"COMMENT ON DATABASE {name} IS '{comment}'",
            ):
                self.connection.execute(statement.encode())

    def goldens(self) -> list[tuple[Golden, Attestation | None]]:
        """Return the goldens of this database, the newest first."""
        found = [each for each in ledger.entries(self.connection).values() if isinstance(each, Golden)]
        mine = [each for each in found if each.database == self.database]
        return [
            (each, self._attestation(each.name)) for each in sorted(mine, key=lambda each: each.built, reverse=True)
        ]

    def used(self) -> set[str]:
        """Return the names of the goldens that clones rest on."""
        return ledger.used(ledger.entries(self.connection))

    def _attestation(self, name: str) -> Attestation | None:
        query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
        row = self.connection.execute(query, (name,)).fetchone()
        document = json.loads(row[0]).get("attestation") if row and row[0] else None
        return Attestation.model_validate_json(json.dumps(document)) if document else None
