"""What each rule makes: in which columns it may stand, what its values look like, and how many different ones it has.

No person, company or place bears these names, so a real one that shows up in a golden is a leak and no coincidence.
"""

import re
from dataclasses import dataclass

from layersite.database.schema import Column, Family
from layersite.model.contract import Choice, Constant, Date, Identifier, Json, Number, Rule, Value

__all__ = ["CONSONANTS", "LEAF", "SYLLABLES", "VOWELS", "Shape", "domain_of", "shape", "unfit"]

CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
SYLLABLES = "".join(consonant + vowel for consonant in CONSONANTS for vowel in VOWELS)[:128]
"""64 syllables of two letters, so that six bits of a hash choose one."""

_SYLLABLE = f"[{CONSONANTS}][{VOWELS}]"
_NAME = f"[{CONSONANTS.upper()}][{VOWELS}]({_SYLLABLE}){{2}}"
_SURNAME = f"{_NAME}[lnrs]"
_NAMES, _SURNAMES = 64**3, 64**3 * 4


@dataclass(frozen=True)
class Shape:
    """`pattern` matches every value (a POSIX expression, without anchors), of which there are `size`.

    `longest` is in characters, None where the value fits itself to the column.
    """

    pattern: str | None
    size: int
    longest: int | None = None


_VALUES = {
    "first_name": Shape(_NAME, _NAMES, 6),
    "last_name": Shape(_SURNAME, _SURNAMES, 7),
    "full_name": Shape(f"{_NAME} {_SURNAME}", _NAMES * _SURNAMES, 14),
    "company": Shape(f"{_SURNAME} (Ltd|Inc|Group|Works)", _SURNAMES * 4, 13),
    "email": Shape(rf"{_NAME.lower()}\.[0-9a-f]{{12}}@example\.com", _NAMES * 16**12, 31),
    "phone": Shape(r"\+1555[0-9]{7}", 10**7, 12),
    "street": Shape(f"[1-9][0-9]{{0,2}} {_SURNAME} Street", _SURNAMES * 999, 18),
    "city": Shape(f"{_NAME}(ton|ville|ford|field)", _NAMES * 4, 11),
    "postal_code": Shape("[0-9]{5}", 10**5, 5),
    "ip": Shape(r"198\.1[89]\.[0-9]{1,3}\.[0-9]{1,3}", 2**17, 14),
    "iban": Shape("XX[0-9]{2}[1-9][0-9]{17}", 9 * 10**17, 22),
    "text": Shape(f"[{''.join(sorted(CONSONANTS + VOWELS))} ]*", 64**4),
}
_IDENTIFIERS: dict[Family, Shape] = {
    **dict.fromkeys(("text", "json"), Shape("[0-9a-f]{8,24}", 16**24)),
    "uuid": Shape("[0-9a-f-]{36}", 16**30),
    "bytes": Shape(None, 16**32),
}
_FAMILIES: dict[str, tuple[Family, ...]] = {
    "identifier": ("text", "uuid", "integer", "decimal", "bytes"),
    "number": ("integer", "decimal", "float"),
    "date": ("date", "timestamp"),
    "json": ("json",),
    "ip": ("text", "inet"),
}
_SHORTEST_IDENTIFIER = 8
LEAF = Column("", "text", "text")
"""A value in a document: identifiers there are text, numbers whole."""


def domain_of(rule: Rule) -> str:
    """Return within which equal values are masked alike."""
    return getattr(rule, "domain", None) or rule.mask


def shape(rule: Rule, column: Column) -> Shape:
    """Return what `rule` makes in `column`, or in a document there."""
    if isinstance(rule, Value):
        return _VALUES[rule.mask]
    if isinstance(rule, Identifier):
        digits = min(column.length or 18, 18) - column.scale
        return _IDENTIFIERS.get(column.family, Shape(f"[0-9]{{1,{digits}}}(\\.0+)?", 10**digits))
    if isinstance(rule, Number):
        return Shape(None, (rule.max - rule.min) * 10**column.scale + 1)
    if isinstance(rule, Constant):
        return Shape(re.escape(rule.value), 1, len(rule.value))
    if isinstance(rule, Choice):
        alternatives = "|".join(re.escape(value) for value in rule.values)
        return Shape(f"({alternatives})", len(set(rule.values)), max(map(len, rule.values)))
    return Shape(None, 2 * rule.days if isinstance(rule, Date) else 2**62)


def unfit(rule: Rule, column: Column) -> str | None:
    """Say why `rule` cannot stand in `column`, if so."""
    families = _FAMILIES.get(rule.mask, ("text",) if isinstance(rule, Value) else None)
    if families and column.family not in families:
        return f"`{rule.mask}` makes {' or '.join(families)}, and this column is {column.type}"
    if isinstance(rule, Json | Date) and column.array:
        return f"`{rule.mask}` masks one {'date' if isinstance(rule, Date) else 'document'}, not a list of them"
    if column.family != "text" or column.length is None:
        return None
    longest = shape(rule, column).longest or (_SHORTEST_IDENTIFIER if isinstance(rule, Identifier) else 0)
    if longest > column.length:
        return f"`{rule.mask}` needs {longest} characters, and this column has {column.length}"
    return None
