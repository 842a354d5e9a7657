"""Hashes of a column's values, made by the server itself from a seed that only one check knows.

They are PostgreSQL's own of 64 bits, ten times as fast as SHA-256; nothing ever keeps them.
"""

from layersite.database.golden.overlap import Hasher, Hashes, share_of
from layersite.database.golden.postgresql.connect import Connection, explained
from layersite.database.golden.postgresql.values import identifier, literal
from layersite.database.schema import Relation
from layersite.model.errors import DatabaseError

__all__ = ["check_alike", "hash_of", "hash_text", "hasher"]


def hasher(connection: Connection) -> Hasher:
    """Hash what `connection` sees, each column once; both sides must have the same `layersite.seed`."""
    known: dict[tuple[str, str, tuple[str, ...], int], Hashes] = {}

    def hashes(relation: Relation, name: str, pairing: tuple[str, ...], shortest: int) -> Hashes:
        asked = (relation.name, name, pairing, shortest)
        if asked not in known:
            known[asked] = _hashes(connection, relation, name, pairing, shortest)
        return known[asked]

    return hashes


def hash_of(pairing: tuple[str, ...], name: str) -> str:
    """Return the expression of a column's hash from the session's seed, together with the key `pairing`."""
    key = " || chr(31) || ".join(f"{identifier(each)}::text" for each in (*pairing, name))
    return hash_text(key)


def hash_text(text: str) -> str:
    """Return the expression of the hash of `text`."""
    return f"hashtextextended(({text}) COLLATE \"C\", (SELECT current_setting('layersite.seed')::bigint))"


def check_alike(source: Connection, golden: Connection) -> None:
    """Stop where the two servers hash differently, for then nothing would ever be found. Raises DatabaseError."""
    query = f"SELECT {hash_text(literal('layersite'))}".encode()
    if source.execute(query).fetchone() != golden.execute(query).fetchone():
        raise DatabaseError("the source and the server of goldens hash differently; use servers of one architecture")


def _hashes(connection: Connection, relation: Relation, name: str, pairing: tuple[str, ...], shortest: int) -> Hashes:
    share, column = share_of(relation), identifier(name)
    finite = f" AND isfinite({column})" if relation.columns[name].family in ("date", "timestamp") else ""
    query = (
        f"SELECT DISTINCT h FROM (SELECT {hash_of(pairing, name)} AS h FROM {relation.name}"
        f" WHERE length({column}::text) >= {shortest}{finite} OFFSET 0) s WHERE h % {share} = 0"
    )
    with explained(f"{relation.name} cannot be compared"):
        return Hashes(frozenset(row[0] for row in connection.execute(query.encode())), share)
