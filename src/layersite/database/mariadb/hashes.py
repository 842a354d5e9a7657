"""Hashes of a column's values under a nonce that only one check knows, and whether the schema itself quotes one."""

from collections.abc import Collection, Iterable, Iterator
from functools import cache, partial

from layersite.database.golden.attestation import Check
from layersite.database.golden.overlap import SHORTEST, Hasher, Hashes, quoted, share_of
from layersite.database.golden.words import words_of
from layersite.database.mariadb.connect import Session, identifier, literal, text_of
from layersite.database.mariadb.masks import path_of
from layersite.database.schema import Column, Relation, Schema
from layersite.model.contract import Contract
from layersite.model.errors import DatabaseError

__all__ = ["hasher", "schema_is_clean"]

_AT_ONCE = 5_000
_ROWS, _LONGEST = 256, 1 << 22
"""In how many rows hashes come, and how many bytes one may have; a longer one would be cut without a word."""


def hasher(session: Session) -> Hasher:
    """Hash what `session` sees, each column once; both sides must have the same `@layersite_nonce`."""
    relations: dict[str, Relation] = {}
    known = cache(lambda name, *more: _hashes(session, relations[name], *more))

    def hashes(relation: Relation, name: str, path: str, pairing: tuple[str, ...], shortest: int) -> Hashes:
        relations[relation.name] = relation
        return known(relation.name, name, path, pairing, shortest)

    return hashes


def _hashes(
    session: Session, relation: Relation, name: str, path: str, pairing: tuple[str, ...], shortest: int
) -> Hashes:
    share, (rows, value) = share_of(relation), _values(relation, relation.columns[name], path)
    key = ", CHAR(31), ".join([*(text_of(identifier(each)) for each in pairing), value])
    hashed = _hash(f"CONCAT({key})")
    is_taken = f" AND {hashed} % {share} = 0" if share > 1 else ""
    found = f"SELECT DISTINCT {hashed} AS h, {_hash(value) if pairing else 0} AS v FROM {rows}"
    sql = f"{found} WHERE CHAR_LENGTH({value}) >= {shortest}{is_taken}"
    return Hashes({h: v if pairing else h for h, v in _pairs(session, sql, share)}, share)


def _pairs(session: Session, sql: str, share: int) -> Iterator[tuple[int, int]]:
    """Give the pairs that `sql` finds, many in one row, for each row costs more than what is in it."""
    session.ask("SET group_concat_max_len = %s", _LONGEST)
    for (listed,) in session.ask(f"SELECT GROUP_CONCAT(h, ':', v) FROM ({sql}) s GROUP BY h DIV {share} % {_ROWS}"):
        if len(listed) >= _LONGEST:
            raise DatabaseError("a column has too many values to compare; let its relation have fewer rows")
        for pair in str(listed).split(","):
            h, _, v = pair.partition(":")
            yield int(h), int(v)


def _values(relation: Relation, column: Column, path: str) -> tuple[str, str]:
    """Return where a column's values come from, and the expression of one."""
    table, there = identifier(relation.name), identifier(column.name)
    if column.family != "json":
        return table, text_of(there)
    place = path_of(path) if path else "'$'"
    found = f"JSON_EXTRACT({there}, {place}, CONCAT({place}, '**.*'), CONCAT({place}, '**[*]'))"
    leaves = f"JSON_TABLE({found}, '$[*]' COLUMNS (`layersite value` LONGTEXT PATH '$')) `layersite values`"
    return f"{table} CROSS JOIN {leaves}", text_of("`layersite value`")


def _hash(text: str) -> str:
    hashed = f"SHA2(CONCAT(@layersite_nonce, CAST({text} AS BINARY)), 256)"
    return f"CAST(CONV(LEFT({hashed}, 14), 16, 10) AS UNSIGNED)"


def schema_is_clean(definition: str, source: Session, hashed: Hasher, schema: Schema, contract: Contract) -> Check:
    """No value of a column whose rule stands for one person is written in the golden's definition."""
    words = sorted({word for word in words_of(definition) if len(word) >= SHORTEST})
    hashes = set(_hashes_of(source, words))
    return quoted(hashes, hashed, schema, contract, partial(_among, source, hashes))


def _hashes_of(source: Session, words: list[str]) -> Iterable[int]:
    for first in range(0, len(words), _AT_ONCE):
        listed = " UNION ALL ".join(f"SELECT {_hash(literal(word))}" for word in words[first : first + _AT_ONCE])
        yield from (int(number) for (number,) in source.ask(listed))


def _among(source: Session, hashes: Collection[int], relation: Relation, column: Column, path: str) -> int:
    """Ask for every value, where only a share of the hashes is at hand."""
    listed = ", ".join(map(str, sorted(hashes))) or "NULL"
    rows, value = _values(relation, column, path)
    return int(source.one(f"SELECT count(DISTINCT {_hash(value)}) FROM {rows} WHERE {_hash(value)} IN ({listed})"))
