"""Raw values that look just as the masks of their rule, so that nothing but a comparison tells that none was masked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["KEYED", "contract", "expected", "rows", "tables"]

KEYED, PLAIN = "keyed", "plain"
"""A table with a kept primary key, and the same without."""

_SYLLABLES = [consonant + vowel for consonant in "bdfg" for vowel in "aeiou"]


@dataclass(frozen=True)
class Case:
    """A column of `type` on PostgreSQL and on MariaDB (None: there is none), its rule and its raw values."""

    name: str
    type: str
    rule: str | dict[str, Any]
    raw: Callable[[int], str]
    mariadb: str | None = "varchar(60)"
    needs_key: bool = False
    """Without a kept primary key nobody can tell whether it was masked."""

    @property
    def action(self) -> dict[str, Any]:
        return {"mask": self.rule} if isinstance(self.rule, str) else self.rule


def _word(n: int, count: int = 3) -> str:
    return "".join(_SYLLABLES[n // 20**place % 20] for place in range(count))


def _name(n: int) -> str:
    return _word(n).capitalize()


_DOCUMENT = {"mask": "json", "paths": {"code": {"mask": "postal_code"}}}
_CASES = [
    Case("first_name", "text", "first_name", _name),
    Case("last_name", "text", "last_name", lambda n: f"{_name(n)}s"),
    Case("full_name", "text", "full_name", lambda n: f"{_name(n)} {_name(n)}s"),
    Case("company", "text", "company", lambda n: f"{_name(n)}s Ltd"),
    Case("email", "text", "email", lambda n: f"{_word(n)}.{n:012x}@example.com"),
    Case("phone", "text", "phone", lambda n: f"+1555{n:07}"),
    Case("street", "text", "street", lambda n: f"{n} {_name(n)}s Street"),
    Case("city", "text", "city", lambda n: f"{_name(n)}ton"),
    Case("postal_code", "text", "postal_code", lambda n: f"{10000 + n}"),
    Case("postal_codes", "text[]", "postal_code", lambda n: f"{{{10000 + n}}}", None),
    Case("ip", "text", "ip", lambda n: f"198.18.{n // 250}.{n % 250}"),
    Case("inet", "inet", "ip", lambda n: f"198.18.{n // 250}.{n % 250}", None),
    Case("iban", "text", "iban", lambda n: f"XX11{10**17 + n}"),
    Case("long_text", "text", "text", lambda n: f"{_word(n)} {_word(n)}"),
    Case("short_text", "text", "text", lambda n: _word(n, 2), needs_key=True),
    Case("day", "date", "date", lambda n: f"20{10 + n % 9}-01-{1 + n % 28:02}", "date", needs_key=True),
    Case("at", "timestamp", "date", lambda n: f"20{10 + n % 9}-01-{1 + n % 28:02} 12:00", "datetime", needs_key=True),
    Case("number", "int", {"mask": "number", "min": 1, "max": 1000}, str, "int"),
    Case("price", "numeric(8, 2)", {"mask": "number", "min": 1, "max": 1000}, lambda n: f"{n}.5", "decimal(8, 2)"),
    Case("ratio", "float8", {"mask": "number", "min": 1, "max": 1000}, str, "double"),
    Case(
        "choice",
        "text",
        {"mask": "choice", "values": [f"v{n}" for n in range(20)]},
        lambda n: f"v{n % 20}",
        needs_key=True,
    ),
    Case("identifier", "text", "identifier", lambda n: f"{n:024x}"),
    Case("uuid", "uuid", "identifier", lambda n: f"00000000-0000-4000-8000-{n:012}", "uuid"),
    Case("number_of", "int", "identifier", lambda n: f"{10000 + n}", "int"),
    Case("numbers_of", "int[]", "identifier", lambda n: f"{{{10000 + n}}}", None),
    Case("small", "smallint", "identifier", str, "smallint"),
    Case("big", "bigint", "identifier", str, "bigint"),
    Case("exact", "numeric(12, 2)", "identifier", str, "decimal(12, 2)"),
    Case("bytes", "bytea", "identifier", lambda n: f"\\x{n % 256:02x}", None),
    Case("byte", "bytea", "identifier", lambda n: chr(97 + n % 26), "binary(1)"),
    Case("short", "varchar(8)", "identifier", lambda n: f"{n:08x}", "varchar(8)"),
    Case("document", "jsonb", _DOCUMENT, lambda n: f'{{"code": "{n:05}"}}', "json"),
    Case("fixed", "text", {"mask": "constant", "value": "made up"}, lambda n: f"raw {n}"),
]


def _cases(is_mariadb: bool) -> list[Case]:
    return [case for case in _CASES if case.mariadb or not is_mariadb]


def tables(is_mariadb: bool = False) -> str:
    """Return the SQL that makes both tables."""
    columns = ", ".join(f"{case.name} {case.mariadb if is_mariadb else case.type}" for case in _cases(is_mariadb))
    return f"CREATE TABLE {KEYED} (id int PRIMARY KEY, {columns}); CREATE TABLE {PLAIN} (id int, {columns});"


def rows(is_mariadb: bool = False) -> str:
    """Return the SQL that fills both tables with raw values, whatever was in them."""
    texts = ([str(n), *(case.raw(n) for case in _cases(is_mariadb))] for n in range(1, 301))
    values = ", ".join(f"""('{"', '".join(each)}')""" for each in texts)
    return "".join(f"DELETE FROM {table}; INSERT INTO {table} VALUES {values};\n" for table in (KEYED, PLAIN))


def contract(is_mariadb: bool = False) -> dict[str, Any]:
    """Return what becomes of both tables."""
    columns = {"id": "keep", **{case.name: case.action for case in _cases(is_mariadb)}}
    return {table if is_mariadb else f"public.{table}": dict(columns) for table in (KEYED, PLAIN)}


def expected(is_mariadb: bool = False) -> list[tuple[str, str]]:
    """Return every column and which check sees that none of its values was masked, if one can."""
    return [
        (
            f"{table}.{case.name}",
            "shapes" if case.name == "fixed" else "" if table == PLAIN and case.needs_key else "overlap",
        )
        for table in (KEYED, PLAIN)
        for case in _cases(is_mariadb)
    ]
