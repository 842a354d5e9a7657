"""The contract of a database: `data/<name>/contract.yaml` says of every column what becomes of it in a golden."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from layersite.model.document import Document, Many, Matching, Model, read_document
from layersite.model.rule import (
    Action,
    Choice,
    Constant,
    Date,
    Identifier,
    Json,
    Leaf,
    Name,
    Number,
    Rule,
    Value,
)

__all__ = [
    "Action",
    "Choice",
    "Constant",
    "Contract",
    "Date",
    "Identifier",
    "Json",
    "Leaf",
    "Number",
    "Quiet",
    "Rule",
    "Value",
    "VirtualReference",
    "contract_file",
    "load_contract",
]

Condition = Annotated[str, Matching(r"^[^;\x00]+$", "one SQL condition without semicolons", 2000)]
Canary = Annotated[str, Matching(r"^[A-Za-z0-9@._+-]{8,}$", "at least 8 letters, digits and @._+-", 200)]

Columns = Annotated[dict[Name, Action], Field(min_length=1)]


Listed = Annotated[
    Annotated[Literal["keep", "drop"], Tag("word")] | Annotated[Columns, Tag("columns")],
    Discriminator(lambda value: "columns" if isinstance(value, dict) else "word"),
]
"""What becomes of a relation: of each of its columns, or of all of it."""


class VirtualReference(Model):
    """A foreign key that the schema does not declare, or one that a subset shall not follow: `cut: true`."""

    relation: Name
    columns: Annotated[Many[Name], Field(min_length=1)]
    target: Name
    target_columns: Annotated[Many[Name], Field(min_length=1)]
    cut: bool = False
    """In a subset, set these columns to null instead of taking what they refer to along."""


class Subset(Model):
    """The part of the rows that a golden has: those of `seeds`, what refers to them, and what all of these refer to."""

    seeds: Annotated[dict[Name, Condition], Field(min_length=1)]
    """By relation, the SQL condition of the rows to begin with."""
    others: Literal["keep", "drop"] = "keep"
    """Whether relations that no reference joins with a seed keep all their rows, or none."""


class Anonymity(Model):
    """Columns that together may single somebody out: every combination must stand for at least `k` rows."""

    relation: Name
    columns: Annotated[Many[Name], Field(min_length=1)]
    k: Annotated[int, Field(ge=2, le=1_000_000)]


class Quiet(Model):
    """What keeps a clone from acting as the original would: tables to empty, and values for columns of every row.

    Outboxes, queues, sessions and job tables are emptied; addresses of webhooks, keys and switches are set.
    """

    empty: Many[Name] = ()
    set: dict[Name, dict[str, str | int | float | bool | None]] = {}


class Contract(Model):
    """`data/<database>/contract.yaml`: what becomes of every column, and how a golden is checked."""

    relations: dict[Name, Listed] = {}
    """By name as SQL writes it. A table lists its columns, or is `drop`ped: there, without rows. A view or a
    materialized view, computed from the masked tables, lists its columns too, each `keep`, or is `drop`ped: not there
    at all. Partitions follow their root."""
    large_objects: Literal["drop"] | None = None
    """Needed where the database has large objects, none of which comes into a golden."""
    references: Many[VirtualReference] = ()
    subset: Subset | None = None
    anonymity: Many[Anonymity] = ()
    canaries: Many[Canary] = ()
    """Made-up texts that were planted in masked columns of the source: none of them may be found in a golden."""
    quiet: Quiet = Quiet()

    def columns(self, relation: str) -> Mapping[str, Action]:
        """Return what becomes of each listed column of `relation`."""
        found = self.relations.get(relation)
        return found if isinstance(found, dict) else {}


def contract_file(root: Path, database: str) -> Path:
    """Return the path of the contract of `database` in the site at `root`."""
    return root / "data" / database / "contract.yaml"


def load_contract(root: Path, database: str) -> tuple[Contract, Document]:
    """Read the contract of `database`; the document places later problems. Raises InvalidInputError."""
    path = contract_file(root, database)
    document = read_document(path, path.relative_to(root).as_posix())
    return document.parse(Contract), document
