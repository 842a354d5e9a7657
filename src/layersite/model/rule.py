"""What can become of a value in a golden: the rules that a contract gives columns, and paths in documents."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from layersite.model.document import Many, Matching, Model

__all__ = ["Action", "Choice", "Constant", "Date", "Identifier", "Json", "Leaf", "Name", "Number", "Rule", "Value"]

Domain = Annotated[str, Matching(r"^[a-z][a-z0-9_]*$", "lower-case letters, digits and underscores", 40)]
Name = Annotated[str, Matching(r"^[^\x00-\x1f]+$", "a name without control characters")]


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
