"""What masks consist of, chosen by the bytes of a hash, as MariaDB expressions."""

from collections.abc import Callable, Mapping, Sequence

from layersite.database.contract.rules import SYLLABLES
from layersite.database.mariadb.connect import literal

__all__ = ["VALUES", "choice", "number"]


def number(hashed: str, at: int, size: int = 7) -> str:
    """Return `size` bytes of a hash, from the `at`th, as a number that is not negative."""
    found = f"CAST(CONV(SUBSTR({hashed}, {2 * at - 1}, {2 * size}), 16, 10) AS UNSIGNED)"
    return f"({found} & 9223372036854775807)" if size == 8 else found


def _byte(hashed: str, index: int) -> str:
    return number(hashed, index + 1, 1)


def _syllables(hashed: str, at: int, count: int, capital: bool = False) -> str:
    first = f"1 + 2 * ({_byte(hashed, at)} & 63)"
    all_of_them = [f"SUBSTR('{SYLLABLES}', 1 + 2 * ({_byte(hashed, at + n)} & 63), 2)" for n in range(count)]
    if capital:
        all_of_them[0] = f"UPPER(SUBSTR('{SYLLABLES}', {first}, 1)), SUBSTR('{SYLLABLES}', {first} + 1, 1)"
    return ", ".join(all_of_them)


def choice(hashed: str, at: int, values: Sequence[str]) -> str:
    """Return one of `values`, chosen by four bytes of a hash from the `at`th."""
    return f"ELT(1 + {number(hashed, at, 4)} % {len(values)}, {', '.join(map(literal, values))})"


def _name(hashed: str, at: int = 0) -> str:
    return _syllables(hashed, at, 3, capital=True)


def _surname(hashed: str, at: int = 3) -> str:
    return f"{_syllables(hashed, at, 3, capital=True)}, SUBSTR('lnrs', 1 + ({_byte(hashed, at + 3)} & 3), 1)"


def _email(hashed: str, text: str) -> str:
    return f"CONCAT({_syllables(hashed, 0, 3)}, '.', SUBSTR({hashed}, 17, 12), '@example.com')"


def _iban(hashed: str, text: str) -> str:
    """As on PostgreSQL: a country that is none, and the two check digits that its number asks for."""
    account = f"(100000000000000000 + {number(hashed, 1, 8)} % 900000000000000000)"
    check = f"LPAD(98 - ({account} % 97 * 27 + 8) % 97, 2, '0')"
    return f"CONCAT('XX', {check}, {account})"


def _sentence(hashed: str, text: str) -> str:
    words = ", ' ', ".join(_syllables(hashed, 2 * n, 2) for n in range(8))
    return f"LEFT(REPEAT(CONCAT({words}, ' '), 1 + CHAR_LENGTH({text}) DIV 40), CHAR_LENGTH({text}))"


VALUES: Mapping[str, Callable[[str, str], str]] = {
    "first_name": lambda hashed, _: f"CONCAT({_name(hashed)})",
    "last_name": lambda hashed, _: f"CONCAT({_surname(hashed, 0)})",
    "full_name": lambda hashed, _: f"CONCAT({_name(hashed)}, ' ', {_surname(hashed)})",
    "company": lambda hashed, _: (
        f"CONCAT({_surname(hashed, 0)}, ' ', {choice(hashed, 8, ('Ltd', 'Inc', 'Group', 'Works'))})"
    ),
    "email": _email,
    "phone": lambda hashed, _: f"CONCAT('+', 15550000000 + {number(hashed, 1)} % 10000000)",
    "street": lambda hashed, _: f"CONCAT(1 + {number(hashed, 8, 4)} % 999, ' ', {_surname(hashed, 0)}, ' Street')",
    "city": lambda hashed, _: f"CONCAT({_name(hashed)}, {choice(hashed, 8, ('ton', 'ville', 'ford', 'field'))})",
    "postal_code": lambda hashed, _: f"LPAD({number(hashed, 1)} % 100000, 5, '0')",
    "ip": lambda hashed, _: (
        f"CONCAT('198.', 18 + ({_byte(hashed, 0)} & 1), '.', {_byte(hashed, 1)}, '.', {_byte(hashed, 2)})"
    ),
    "iban": _iban,
    "text": _sentence,
}
