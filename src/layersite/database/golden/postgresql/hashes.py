"""Hashes of a column's values, made by the server itself under a key of one check."""

from functools import partial

from layersite.database.golden.overlap import Hasher, Hashes, share_of
from layersite.database.golden.postgresql.connect import Connection, explained
from layersite.database.golden.postgresql.masks import identifier
from layersite.database.schema import Relation

__all__ = ["hash_of", "hasher"]


def hasher(connection: Connection) -> Hasher:
    """Hash what `connection` sees; both sides must have the same `layersite.nonce`."""
    return partial(_hashes, connection)


def hash_of(pairing: tuple[str, ...], name: str) -> str:
    """Return the expression of a column's hash under the session's nonce, together with the key `pairing`."""
    key = " || chr(31) || ".join(f"{identifier(each)}::text" for each in (*pairing, name))
    hashed = f"sha256(decode(current_setting('layersite.nonce'), 'hex') || convert_to({key}, 'UTF8'))"
    return f"('x' || encode(substr({hashed}, 1, 7), 'hex'))::bit(56)::bigint"


def _hashes(connection: Connection, relation: Relation, name: str, pairing: tuple[str, ...], shortest: int) -> Hashes:
    share, column = share_of(relation), identifier(name)
    finite = f" AND isfinite({column})" if relation.columns[name].family in ("date", "timestamp") else ""
    query = (
        f"SELECT DISTINCT h FROM (SELECT {hash_of(pairing, name)} AS h FROM {relation.name}"
        f" WHERE length({column}::text) >= {shortest}{finite} OFFSET 0) s WHERE h % {share} = 0"
    )
    with explained(f"{relation.name} cannot be compared"):
        return Hashes(frozenset(row[0] for row in connection.execute(query.encode())), share)
