"""The words of a schema that could be somebody's: what it quotes, and what looks like a value."""

import re
from collections.abc import Iterator

__all__ = ["words_of"]

_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_WORD = re.compile(r"[\w@.+/-]{6,}")


def words_of(sql: str) -> Iterator[str]:
    """Give every quoted text of `sql`, and every word of it."""
    yield from (quoted.replace("''", "'") for quoted in _QUOTED.findall(sql))
    yield from _WORD.findall(sql)
