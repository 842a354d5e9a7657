"""What building a golden needs of an engine: a source that is only read, and a server that holds goldens."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from layersite.database.golden.attestation import Attestation, Check
from layersite.database.schema import Relation, Schema
from layersite.model.contract import Contract
from layersite.model.database import Golden

__all__ = ["Draft", "Engine", "Server", "Source"]


class Source(Protocol):
    """The database that a golden is made from, as of one moment. Every method raises DatabaseError."""

    @property
    def schema(self) -> Schema:
        """What the database consists of."""

    @property
    def version(self) -> str:
        """The server's version, such as 18.4."""

    @property
    def snapshot(self) -> str:
        """As of which moment it is read, as it names that moment."""

    def samples(self, relation: Relation) -> Mapping[str, Sequence[str]]:
        """Return some values of each text column, for a proposal."""

    def applied(self, tool: str, table: str | None) -> tuple[str, ...]:
        """Return the migrations that `tool` has applied, in its order."""


@dataclass(frozen=True)
class Draft:
    """A golden in the making, under a name that only its builder may enter; `left_out` is what never comes into it."""

    name: str
    rows: int
    left_out: tuple[str, ...] = ()


class Server(Protocol):
    """A server that holds goldens, locked against other builds of this database. Every method raises DatabaseError."""

    @property
    def version(self) -> str:
        """The server's version, such as 18.4."""

    def clean(self) -> list[str]:
        """Drop the drafts that killed builds left, and return their names."""

    def fill(self, source: Source, contract: Contract) -> Draft:
        """Make a draft with the masked rows of `source`; if that fails, nothing of it is left."""

    def verify(self, draft: str, source: Source, contract: Contract) -> tuple[Check, ...]:
        """Check a draft, against its source too."""

    def verify_again(self, golden: str, contract: Contract) -> tuple[Check, ...]:
        """Check a published golden by itself, in a copy that goes again."""

    def size(self, name: str) -> int:
        """Return how many bytes a database has."""

    def publish(self, draft: str, golden: Golden, attestation: Attestation) -> None:
        """Make the draft a golden: its name, read-only, closed to all, recorded; all of it or nothing."""

    def goldens(self) -> list[tuple[Golden, Attestation | None]]:
        """Return the goldens of this database, the newest first."""

    def used(self) -> set[str]:
        """Return the names of the goldens that clones rest on."""

    def drop(self, name: str) -> None:
        """Remove a draft or a golden, if it is there."""


class Engine(Protocol):
    """How to reach both; both raise DatabaseError."""

    @property
    def name(self) -> Literal["postgresql", "mariadb"]:
        """What `layersite.yaml` calls it."""

    def open_source(self) -> AbstractContextManager[Source]:
        """Give the source as of now."""

    def open_server(self, lock: bool = True) -> AbstractContextManager[Server]:
        """Give the server, with `lock` while nobody else builds goldens of this database there."""
