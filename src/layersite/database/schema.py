"""What a database consists of, as every engine describes it: relations, columns, keys and references."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from layersite.model.contract import Contract

__all__ = ["Column", "Family", "Kind", "Reference", "Relation", "Schema"]

Kind = Literal["table", "partitioned", "partition", "view", "matview", "foreign"]
Family = Literal[
    "text",
    "integer",
    "decimal",
    "float",
    "uuid",
    "json",
    "date",
    "timestamp",
    "inet",
    "bytes",
    "boolean",
    "enum",
    "other",
]


@dataclass(frozen=True)
class Column:
    """One column: `type` as the server writes it, `family` what a masking rule needs to know of it.

    `length` is how many characters text may have, or how many digits a number; `scale` the digits behind its point.
    """

    name: str
    type: str
    family: Family
    nullable: bool = True
    generated: bool = False
    array: bool = False
    length: int | None = None
    scale: int = 0
    folds_case: bool = False


@dataclass(frozen=True)
class Relation:
    """One table or what resembles it, under the name that SQL needs, such as `public."order"`.

    `parent` is the root of its partitions, where it is one; `unique` are the column sets that may not repeat.
    """

    name: str
    kind: Kind
    columns: Mapping[str, Column]
    oid: int = 0
    parent: str | None = None
    primary: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    pages: int = 0
    rows: int = 0

    @property
    def holds_rows(self) -> bool:
        """Whether rows lie in it itself."""
        return self.kind in ("table", "partition")

    @property
    def is_computed(self) -> bool:
        """Whether its rows follow from those of others."""
        return self.kind in ("view", "matview")


@dataclass(frozen=True)
class Reference:
    """A foreign key, of the database's own or declared in the contract.

    With one that is not proven, nobody has seen to it that every row finds the one that it refers to.
    """

    relation: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    is_virtual: bool = False
    is_proven: bool = True

    @classmethod
    def declared(cls, contract: Contract) -> "tuple[Reference, ...]":
        """Return the references that only the contract knows."""
        return tuple(
            cls(each.relation, each.columns, each.target, each.target_columns, is_virtual=True)
            for each in contract.references
        )


@dataclass(frozen=True)
class Schema:
    """A whole database at one moment."""

    relations: Mapping[str, Relation]
    references: tuple[Reference, ...] = ()
    large_objects: int = 0
    left_out: tuple[str, ...] = field(default=())
    """What exists beside the relations and never comes into a golden, such as `subscription orders`."""

    def root(self, relation: Relation) -> Relation:
        """Return the relation whose contract holds for `relation`: the root of its partitions, or itself."""
        return self.relations[relation.parent] if relation.parent else relation

    def rooted(self, reference: Reference) -> Reference:
        """Return `reference` between the relations whose contracts hold for its ends."""
        ends = (self.root(self.relations[name]).name for name in (reference.relation, reference.target))
        return replace(reference, relation=next(ends), target=next(ends))
