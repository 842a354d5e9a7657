"""Hashes of a column's values under a nonce that only one check knows, and whether the schema itself quotes one."""

from collections.abc import Collection, Iterable
from functools import cache

from layersite.database.golden.attestation import Check
from layersite.database.golden.overlap import DISTINCTIVE, SHORTEST, Hasher, Hashes, columns_of, share_of
from layersite.database.golden.words import words_of
from layersite.database.mariadb.connect import Session, identifier, literal, text_of
from layersite.database.schema import Relation, Schema
from layersite.model.contract import Contract

__all__ = ["hasher", "schema_is_clean"]

_AT_ONCE = 5_000


def hasher(session: Session) -> Hasher:
    """Hash what `session` sees, each column once; both sides must have the same `@layersite_nonce`."""
    relations: dict[str, Relation] = {}
    known = cache(lambda name, *more: _hashes(session, relations[name], *more))

    def hashes(relation: Relation, name: str, pairing: tuple[str, ...], shortest: int) -> Hashes:
        relations[relation.name] = relation
        return known(relation.name, name, pairing, shortest)

    return hashes


def _hashes(session: Session, relation: Relation, name: str, pairing: tuple[str, ...], shortest: int) -> Hashes:
    share, column = share_of(relation), text_of(identifier(name))
    key = ", CHAR(31), ".join([*(text_of(identifier(each)) for each in pairing), column])
    table = identifier(relation.name)
    sql = f"SELECT DISTINCT {_hash(f'CONCAT({key})')} AS h FROM {table} WHERE CHAR_LENGTH({column}) >= {shortest}"
    return Hashes(frozenset(int(row[0]) for row in session.ask(f"{sql} HAVING h % {share} = 0")), share)


def _hash(text: str) -> str:
    hashed = f"SHA2(CONCAT(@layersite_nonce, CAST({text} AS BINARY)), 256)"
    return f"CAST(CONV(LEFT({hashed}, 14), 16, 10) AS UNSIGNED)"


def schema_is_clean(definition: str, source: Session, hashed: Hasher, schema: Schema, contract: Contract) -> Check:
    """No value of a column whose rule stands for one person is written in the golden's definition."""
    words = sorted({word for word in words_of(definition) if len(word) >= SHORTEST})
    quoted = set(_hashes_of(source, words))
    problems, looked_at = [], 0
    for relation, column, action in columns_of(schema, contract):
        if isinstance(action, str) or action.mask not in DISTINCTIVE:
            continue
        looked_at += 1
        raw = hashed(relation, column.name, (), SHORTEST)
        found = len(raw.values & quoted) if raw.share == 1 else _among(source, relation, column.name, quoted)
        if found:
            problems.append(f"it quotes {found} values of {relation.name}.{column.name}; change that at the source")
    return Check(name="schema", looked_at=looked_at, problems=tuple(problems))


def _hashes_of(source: Session, words: list[str]) -> Iterable[int]:
    for first in range(0, len(words), _AT_ONCE):
        listed = " UNION ALL ".join(f"SELECT {_hash(literal(word))}" for word in words[first : first + _AT_ONCE])
        yield from (int(number) for (number,) in source.ask(listed))


def _among(source: Session, relation: Relation, name: str, quoted: Collection[int]) -> int:
    """Ask for every value, where only a share of the hashes is at hand."""
    listed = ", ".join(map(str, sorted(quoted))) or "NULL"
    number = _hash(text_of(identifier(name)))
    return int(
        source.one(f"SELECT count(DISTINCT {number}) FROM {identifier(relation.name)} WHERE {number} IN ({listed})")
    )
