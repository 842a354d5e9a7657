"""The contract of a database: `data/<name>/contract.yaml` says of every column what becomes of it in a golden."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from layersite.model.document import Document, Many, Matching, Model, read_document

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

Domain = Annotated[str, Matching(r"^[a-z][a-z0-9_]*$", "lower-case letters, digits and underscores", 40)]
Name = Annotated[str, Matching(r"^[^\x00-\x1f]+$", "a name without control characters")]
Condition = Annotated[str, Matching(r"^[^;\x00]+$", "one SQL condition without semicolons", 2000)]


class Value(Model):
    """A made-up value of a kind; equal values of one `domain` get the same one, in every table."""

    mask: Literal[
        "first_name",
        "last_name",
        "full_name",
        "company",
        "email",
        "phone",
        "street",
        "city",
        "postal_code",
        "ip",
        "iban",
        "text",
    ]
    domain: Domain | None = None


class Identifier(Model):
    """A keyed hash in the column's own type; equal values of one `domain` get the same, others another."""

    mask: Literal["identifier"]
    domain: Domain | None = None


class Number(Model):
    """A number from `min` to `max`, both included, with as many decimals as the column has."""

    mask: Literal["number"]
    min: int
    max: int
    domain: Domain | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> "Number":
        if self.min >= self.max:
            raise ValueError("`min` must be smaller than `max`")
        return self


class Date(Model):
    """The date moved by up to `days` days, never by none.

    All dates of one `subject`, a column of the same row, move alike, in every table whose subject has the same value.
    """

    mask: Literal["date"]
    days: Annotated[int, Field(ge=1, le=3650)] = 90
    subject: Name | None = None
    domain: Domain | None = None


class Constant(Model):
    """The same value in every row."""

    mask: Literal["constant"]
    value: str


class Choice(Model):
    """One of `values`, chosen by the keyed hash of what was there."""

    mask: Literal["choice"]
    values: Annotated[Many[str], Field(min_length=2)]
    domain: Domain | None = None


def _word_for_null(value: Any) -> Any:  # noqa: ANN401  what YAML gave
    return "null" if value is None else value


_RULES = {
    **{kind: kind for kind in ("identifier", "number", "date", "constant", "choice", "json")},
    **dict.fromkeys(get_args(Value.model_fields["mask"].annotation), "value"),
}


def _kind(value: Any) -> str | None:  # noqa: ANN401  what YAML gave
    """Tell a word from each rule, so that a mistake is told of that rule alone."""
    mask = value.get("mask") if isinstance(value, dict) else getattr(value, "mask", None)
    return _RULES.get(str(mask)) if mask is not None or isinstance(value, dict) else "word"


Path_ = Annotated[
    str, Matching(r"^[^.\x00-\x1f]+(\.[^.\x00-\x1f]+)*$", "keys joined by points, such as customer.email")
]
Leaf = Value | Identifier | Number | Constant | Choice
"""What a value in a document can be masked by: not as a date, which JSON does not tell from other texts."""


class Json(Model):
    """Only what `paths` lists, each kept or masked; all else in the document goes."""

    mask: Literal["json"]
    paths: dict[
        Path_,
        Annotated[
            Annotated[Literal["keep"], Tag("word")]
            | Annotated[Value, Tag("value")]
            | Annotated[Identifier, Tag("identifier")]
            | Annotated[Number, Tag("number")]
            | Annotated[Constant, Tag("constant")]
            | Annotated[Choice, Tag("choice")],
            Discriminator(
                _kind,
                custom_error_type="rule",
                custom_error_message="in a document `mask` must be one of "
                f"{', '.join(sorted(_RULES.keys() - {'date', 'json'}))}; let a date be `constant`, or do not list it",
            ),
        ],
    ] = {}


Rule = Value | Identifier | Number | Date | Constant | Choice | Json

Action = Annotated[
    Annotated[Literal["keep", "null", "drop"], Tag("word")]
    | Annotated[Value, Tag("value")]
    | Annotated[Identifier, Tag("identifier")]
    | Annotated[Number, Tag("number")]
    | Annotated[Date, Tag("date")]
    | Annotated[Constant, Tag("constant")]
    | Annotated[Choice, Tag("choice")]
    | Annotated[Json, Tag("json")],
    Discriminator(
        _kind, custom_error_type="rule", custom_error_message=f"`mask` must be one of {', '.join(sorted(_RULES))}"
    ),
    BeforeValidator(_word_for_null),
]
"""What becomes of a column; `null` may be written without quotes."""

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
