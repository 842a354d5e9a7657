"""What the name of a column, its type and a few of its values tell of what lies in it."""

import re
from collections.abc import Sequence

from layersite.database.schema import Column, Relation
from layersite.model.contract import Number

__all__ = ["are_states", "is_of_a_life", "is_plain", "measured", "named", "named_number", "shaped"]

_NAMES: tuple[tuple[str, str], ...] = (
    (r"(^|_|e)mail($|_|address)", "email"),
    (r"phone|mobile|fax|msisdn|(^|_)(tel|cell)($|_)|contact_?(no|number)", "phone"),
    (r"iban|account_?(no|number)|card_?(no|number)", "iban"),
    (r"(^|_)ip($|_)|ip_?addr|remote_addr", "ip"),
    (r"(first|given|fore|middle)_?name", "first_name"),
    (r"(last|sur|family)_?name", "last_name"),
    (r"company|employer|organi[sz]ation", "company"),
    (r"street|address|addr(_?line)?_?\d?$|house_?(no|number)", "street"),
    (r"(^|_)(city|town)($|_)", "city"),
    (r"post(al)?_?code|(^|_)zip", "postal_code"),
    (r"user_?name|login|nick|(^|_)(ssn|national|passport|tax|licen[cs]e|vat)", "identifier"),
    (r"(^|_)(pin|cvv|cvc|imei|imsi|mrn|nhs)($|_)|(social|insurance|patient|plate)_?(no|number|security)", "identifier"),
    (r"password|secret|token|hash|salt|api_?key|(^|_)key$", "identifier"),
    (r"(full|display|contact|customer|owner)_?name$", "full_name"),
)
_SHAPES: tuple[tuple[str, str], ...] = (
    (r"[^@\s]+@[^@\s]+\.[^@\s]+", "email"),
    (r"\+?[\d][\d ()/.-]{8,18}\d", "phone"),
    (r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", "iban"),
    (r"\d{1,3}(\.\d{1,3}){3}", "ip"),
)
_PEOPLE = re.compile(r"customer|user|person|people|employee|staff|patient|contact|member|author|owner|lead|client")
_LIFE = re.compile(r"birth|(^|_)(dob|died)($|_)|death|deceased|hired|joined|married|wedding|divorc|diagnos|admitted")
_MEASURES: tuple[tuple[str, int, int], ...] = (
    (r"salary|wages?($|_)|income|earnings|pension|bonus|net_?worth|credit_?(limit|score)|balance", 1_000, 90_000),
    (r"birth_?year|year_?of_?birth", 1940, 2005),
    (r"(^|_)age$", 18, 90),
    (r"(^|_)lat(itude)?$", -90, 90),
    (r"(^|_)(lon|lng|long|longitude)$", -180, 180),
    (r"body_?(height|size)", 150, 200),
    (r"body_?(weight|mass)|(^|_)bmi$", 45, 120),
)
_PERSONAL_KEY = re.compile(
    r"(^|_)(national|passport|tax|vat|citizen|personal|social|insurance|licen[cs]e)_?id$|(api|secret)_?key$"
)
_JOINS_OR_COUNTS = re.compile(
    r"(^|_)(id|uuid|key|count|counter|amount|total|sum|rate|percent|version|rounds|attempts|tokens|size|length|tax|vat)$"
    r"|^(is|has|n|num|max|min)_"
)
"""A number under such a name joins rows or counts something, whatever else the name says."""
_PLAIN_TYPE = re.compile(r"bit\(\d\d?\)|interval.*|time(\(\d\))?( with(out)? time zone)?|tinyint\(1\)|year.*")
_STATES = re.compile(
    r"(^|_)(stat(e|us)|kind|type|category|level|mode|stage|phase|priority|severity|currency|country|lang(uage)?|locale)($|_)"
    r"|(^|_)(unit|colou?r|size|role|class|tier|plan|method|channel|rating|format)($|_)"
)
_WORD = re.compile(r"[a-z0-9_./-]+|[A-Z0-9_./-]+")
_FEW, _OFTEN = 8, 20
"""A short list has at most so many values; each of them so often is no chance, as seldom ones of few rows may be."""


def named(relation: Relation, column: Column) -> str | None:
    """Return the rule that the name of a column calls for."""
    name = column.name.lower()
    if name == "name" and _PEOPLE.search(relation.name.lower()):
        return "full_name"
    return next((rule for pattern, rule in _NAMES if re.search(pattern, name)), None)


def named_number(relation: Relation, column: Column) -> bool:
    """Whether the name says that a number, or a UUID, stands for somebody or measures them."""
    name = column.name.lower()
    if is_plain(column) or (_JOINS_OR_COUNTS.search(name) and not _PERSONAL_KEY.search(name)):
        return False
    is_measure = any(re.search(pattern, name) for pattern, _, _ in _MEASURES)
    return is_measure or bool(_PERSONAL_KEY.search(name) or named(relation, column))


def measured(column: Column) -> Number | None:
    """Return the range of what a number tells of somebody, such as an age, as far as the column has room for it."""
    room = 10 ** ((column.length or 18) - column.scale) - 1
    for pattern, low, high in _MEASURES:
        if re.search(pattern, column.name.lower()) and low < room:
            return Number(mask="number", min=low, max=min(high, room))
    return None


def shaped(seen: Sequence[str]) -> str | None:
    """Return the rule of the shape that most of the values have."""
    filled = [value for value in seen if value]
    for pattern, rule in _SHAPES:
        if filled and sum(bool(re.fullmatch(pattern, value)) for value in filled) * 2 > len(filled):
            return rule
    return None


def is_of_a_life(column: Column) -> bool:
    """Whether a date belongs to somebody's life."""
    return bool(_LIFE.search(column.name.lower()))


def is_plain(column: Column) -> bool:
    """Whether the type has no room for anything that is somebody's: flags, states, times of day."""
    return column.family in ("boolean", "enum") or bool(_PLAIN_TYPE.fullmatch(column.type.removesuffix("[]")))


def are_states(column: Column, seen: Sequence[str]) -> bool:
    """Whether repeated values are states rather than names: the column is called so, or words of programs abound."""
    name, different = column.name.lower(), set(seen)
    if not seen or len(different) > _FEW or _PEOPLE.search(name):
        return False
    if _STATES.search(name):
        return len(seen) > 2 * len(different)
    return len(seen) >= _OFTEN * len(different) and all(map(_WORD.fullmatch, different))
