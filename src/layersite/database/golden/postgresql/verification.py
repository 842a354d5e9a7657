"""Verify a draft: checks that do not rest on each other run side by side, on connections of their own."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from operator import call

from layersite.database.golden.attestation import Check
from layersite.database.golden.overlap import overlap
from layersite.database.golden.postgresql import canaries, checks
from layersite.database.golden.postgresql.connect import Connection, connect
from layersite.database.golden.postgresql.copy import snapshot
from layersite.database.golden.postgresql.definitions import definitions
from layersite.database.golden.postgresql.hashes import check_alike, hasher
from layersite.database.golden.postgresql.literals import schema_is_clean
from layersite.database.golden.postgresql.source import PostgreSQLSource
from layersite.model.contract import Contract

__all__ = ["Verification"]

_Checks = tuple[Check, ...]


@dataclass(frozen=True)
class Verification:
    """A draft on the server `server` at `uri`, and the source that it was made from by `contract`."""

    server: Connection
    uri: str = field(repr=False)
    draft: str
    source: PostgreSQLSource
    contract: Contract
    seed: dict[str, str] = field(repr=False)
    """By which values are compared."""

    def run(self, workers: int) -> _Checks:
        """Check everything, `workers` checks at a time; what is not even there is not looked at further."""
        with self._inside() as draft:
            structure = checks.structure(draft, self.source.schema, self.contract)
            if structure.problems:
                return (structure,)
            check_alike(self.source.connection, draft)
        rest = (self._compared, self._alone, self._planted, self._dumped, self._filed)
        with ThreadPoolExecutor(workers) as pool:
            return (structure, *chain.from_iterable(pool.map(call, rest)))

    def _inside(self) -> Connection:
        return connect(self.uri, self.draft, read_only=True, **self.seed)

    def _compared(self) -> _Checks:
        source, schema = self.source.connection, self.source.schema
        raw = hasher(source)
        with self._inside() as draft:
            return (
                definitions(source, draft, schema, self.contract),
                overlap(raw, hasher(draft), schema, self.contract),
                schema_is_clean(self.uri, draft, source, raw, schema, self.contract),
            )

    def _alone(self) -> _Checks:
        with self._inside() as draft:
            return checks.alone(draft, self.source.schema, self.contract)

    def _planted(self) -> _Checks:
        with self.source.another() as source, snapshot(source, self.source.snapshot):
            missing = canaries.planted(source, self.source.schema, self.contract)
        return (Check(name="canaries", looked_at=len(self.contract.canaries), problems=tuple(missing)),)

    def _dumped(self) -> _Checks:
        return (canaries.dump_is_clean(self.uri, self.draft, self.contract.canaries),)

    def _filed(self) -> _Checks:
        with self._inside() as draft, self.source.another() as source:
            return (canaries.files_are_clean(draft, source, self.server, self.contract.canaries),)
