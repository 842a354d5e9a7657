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
    """Return `size` bytes of a hash, from byte `at` on, as a number that is not negative.

    Bytes that are shifted into place take half the time of what PostgreSQL has for it, a cast from bits.
    """
    places = range(size)
    taken = (f"get_byte({hashed}, {at - 1 + n}){' & 127' if size == 8 and n == 0 else ''}" for n in places)
    whole = "::bigint" if size > 3 else ""
    shifted = (f"({byte}){whole} << {8 * (size - 1 - n)}" for n, byte in zip(places, taken, strict=True))
    return f"({' | '.join(f'({each})' for each in shifted)})"


def _letters(hashed: str, at: int, count: int, capital: bool = False) -> str:
    """Return syllables as bytes: those have fixed places, which text in UTF-8 would have to be searched for."""
    tables = [_CAPITALS if capital and n == 0 else SYLLABLES for n in range(count)]
    picked = (
        f"substr('{table}'::bytea, 1 + 2 * (get_byte({hashed}, {at + n}) & 63), 2)" for n, table in enumerate(tables)
    )
    return " || ".join(picked)


def _said(letters: str) -> str:
    return f"encode({letters}, 'escape')"


def choice(hashed: str, at: int, values: Sequence[str]) -> str:
    """Return one of `values`, which four bytes of a hash choose."""
    listed = ", ".join(map(literal, values))
    return f"(ARRAY[{listed}])[1 + {number(hashed, at, 4)} % {len(values)}]"


def _name(hashed: str, at: int = 0, capital: bool = True) -> str:
    return _letters(hashed, at, 3, capital)


def _surname(hashed: str, at: int = 3, capital: bool = True) -> str:
    return f"{_letters(hashed, at, 3, capital)} || substr('lnrs'::bytea, 1 + (get_byte({hashed}, {at + 3}) & 3), 1)"


def _email(hashed: str, text: str) -> str:
    return f"{_said(_name(hashed, capital=False))} || '.' || encode(substr({hashed}, 9, 6), 'hex') || '@example.com'"


def _iban(hashed: str, text: str) -> str:
    """XX is no country; as digits it is 3333, and the two check digits follow from the others modulo 97.

    Behind the account, 333300 makes it 10**6 times as large, 27 modulo 97, and adds 8.
    """
    account = f"(100000000000000000 + {number(hashed, 1, 8)} % 900000000000000000)"
    return f"'XX' || lpad((98 - ({account} % 97 * 27 + 8) % 97)::text, 2, '0') || {account}"


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
    "phone": lambda hashed, _: f"'+' || 15550000000 + {number(hashed, 1)} % 10000000",
    "street": lambda hashed, _: f"1 + {number(hashed, 8, 4)} % 999 || ' ' || {_said(_surname(hashed, 0))} || ' Street'",
    "city": lambda hashed, _: f"{_said(_name(hashed))} || {choice(hashed, 8, ('ton', 'ville', 'ford', 'field'))}",
    "postal_code": lambda hashed, _: f"lpad(({number(hashed, 1)} % 100000)::text, 5, '0')",
    "ip": lambda hashed, _: (
        f"'198.' || 18 + (get_byte({hashed}, 0) & 1) || '.' || get_byte({hashed}, 1) || '.' || get_byte({hashed}, 2)"
    ),
    "iban": _iban,
    "text": _text,
}
"""By rule, the value that a hash, and the text that was there, give."""
