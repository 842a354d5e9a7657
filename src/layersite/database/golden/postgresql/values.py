"""What masked values are made of: the bytes of a hash choose syllables, digits and words, as SQL expressions."""

from collections.abc import Callable, Mapping, Sequence

from layersite.database.contract.rules import SYLLABLES

__all__ = ["VALUES", "choice", "identifier", "literal", "number"]

_CAPITALS = "".join(SYLLABLES[n].upper() + SYLLABLES[n + 1] for n in range(0, len(SYLLABLES), 2))


def identifier(name: str) -> str:
    """Return `name` as SQL names things, whatever it contains."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return `text` as SQL writes text."""
    return "'" + text.replace("'", "''") + "'"


def number(hashed: str, at: int, size: int = 7) -> str:
    """Return `size` bytes of a hash as a number that is not negative."""
    bits = f"('x' || encode(substr({hashed}, {at}, {size}), 'hex'))::bit({8 * size})::bigint"
    return f"({bits} & 9223372036854775807)" if size == 8 else f"({bits})"


def _letters(hashed: str, at: int, count: int, capital: bool = False) -> str:
    """Return syllables as bytes: those have fixed places, which text in UTF-8 would have to be searched for."""
    tables = [_CAPITALS if capital and n == 0 else SYLLABLES for n in range(count)]
    picked = (
        f"substr('{table}'::bytea, 1 + 2 * (get_byte({hashed}, {at + n}) & 63), 2)" for n, table in enumerate(tables)
    )
    return " || ".join(picked)


def _said(letters: str) -> str:
    return f"convert_from({letters}, 'UTF8')"


def choice(hashed: str, at: int, values: Sequence[str]) -> str:
    """Return one of `values`, which four bytes of a hash choose."""
    listed = ", ".join(map(literal, values))
    return f"(ARRAY[{listed}])[1 + {number(hashed, at, 4)} % {len(values)}]"


def _name(hashed: str, at: int = 0, capital: bool = True) -> str:
    return _letters(hashed, at, 3, capital)


def _surname(hashed: str, at: int = 3, capital: bool = True) -> str:
    return f"{_letters(hashed, at, 3, capital)} || substr('lnrs'::bytea, 1 + (get_byte({hashed}, {at + 3}) & 3), 1)"


def _digits(hashed: str, at: int, count: int) -> str:
    return f"lpad(({number(hashed, at)} % {10**count})::text, {count}, '0')"


def _email(hashed: str, text: str) -> str:
    letters = f"{_name(hashed, 0, capital=False)} || '.'::bytea || {_surname(hashed, 3, capital=False)}"
    return f"{_said(letters)} || '.' || encode(substr({hashed}, 9, 4), 'hex') || '@example.com'"


def _iban(hashed: str, text: str) -> str:
    """XX is no country; as digits it is 3333, and the two check digits follow from the others modulo 97."""
    account = f"lpad(({number(hashed, 1, 8)} % 1000000000000000000)::text, 18, '0')"
    return f"'XX' || lpad((98 - mod(({account} || '333300')::numeric, 97))::text, 2, '0') || {account}"


def _text(hashed: str, text: str) -> str:
    words = _said(" || ' '::bytea || ".join(_letters(hashed, 2 * n, 2) for n in range(8)))
    return f"left(repeat({words} || ' ', 1 + length({text}) / 40), length({text}))"


VALUES: Mapping[str, Callable[[str, str], str]] = {
    "first_name": lambda hashed, _: _said(_name(hashed)),
    "last_name": lambda hashed, _: _said(_surname(hashed, 0)),
    "full_name": lambda hashed, _: _said(f"{_name(hashed)} || ' '::bytea || {_surname(hashed)}"),
    "company": lambda hashed, _: (
        f"{_said(_surname(hashed, 0))} || ' ' || {choice(hashed, 8, ('Ltd', 'Inc', 'Group', 'Works'))}"
    ),
    "email": _email,
    "phone": lambda hashed, _: f"'+1555' || {_digits(hashed, 1, 7)}",
    "street": lambda hashed, _: f"1 + {number(hashed, 8, 4)} % 999 || ' ' || {_said(_surname(hashed, 0))} || ' Street'",
    "city": lambda hashed, _: f"{_said(_name(hashed))} || {choice(hashed, 8, ('ton', 'ville', 'ford', 'field'))}",
    "postal_code": lambda hashed, _: _digits(hashed, 1, 5),
    "ip": lambda hashed, _: (
        f"'198.' || 18 + (get_byte({hashed}, 0) & 1) || '.' || get_byte({hashed}, 1) || '.' || get_byte({hashed}, 2)"
    ),
    "iban": _iban,
    "text": _text,
}
"""By rule, the value that a hash, and the text that was there, give."""
