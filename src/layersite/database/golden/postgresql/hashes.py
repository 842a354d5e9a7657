"""Hashes of a column's values, made by the server itself from a seed that only one check knows.

They are PostgreSQL's own of 64 bits, ten times as fast as SHA-256; nothing ever keeps them.
"""

from layersite.database.golden.overlap import Hasher, Hashes, share_of
from layersite.database.golden.postgresql.connect import Connection, explained
from layersite.database.golden.postgresql.values import identifier, literal
from layersite.database.schema import Column, Relation
from layersite.model.errors import DatabaseError

__all__ = ["check_alike", "hash_text", "hashed_values", "hasher"]

_VALUE = '"layersite value"'
_LEAVES = """'strict $.** ? (@.type() == "string" || @.type() == "number")'"""


def hasher(connection: Connection) -> Hasher:
    """Hash what `connection` sees, each column once; both sides must have the same `layersite.seed`."""
    known: dict[tuple[str, str, str, tuple[str, ...], int], Hashes] = {}

    def hashes(relation: Relation, name: str, path: str, pairing: tuple[str, ...], shortest: int) -> Hashes:
        asked = (relation.name, name, path, pairing, shortest)
        if asked not in known:
            known[asked] = _hashes(connection, relation, name, path, pairing, shortest)
        return known[asked]

    return hashes


def hashed_values(relation: Relation, column: Column, path: str, pairing: tuple[str, ...] = ()) -> str:
    """Return the SELECT of a column's hashes from the session's seed: h together with the key `pairing`, v alone."""
    key = " || chr(31) || ".join([*(f"{identifier(each)}::text" for each in pairing), _VALUE])
    values = f'CROSS JOIN LATERAL ({_values(column, path)}) "layersite values"("layersite value")'
    return f"SELECT {hash_text(key)} AS h, {hash_text(_VALUE)} AS v FROM {relation.name} {values}"


def _values(column: Column, path: str) -> str:
    """Return the SELECT of what there is in one row's column."""
    name = identifier(column.name)
    if column.array:
        return f"SELECT e::text FROM unnest({name}) e"
    if column.family == "json":
        steps = f"ARRAY[{', '.join(map(literal, path.split('.') if path else ()))}]::text[]"
        return f"SELECT e #>> '{{}}' FROM jsonb_path_query({name}::jsonb #> {steps}, {_LEAVES}) e"
    return f"SELECT concat({name})" if column.family == "inet" else f"SELECT {name}::text"  # as text it has a /32


def hash_text(text: str) -> str:
    """Return the expression of the hash of `text`."""
    return f"hashtextextended(({text}) COLLATE \"C\", (SELECT current_setting('layersite.seed')::bigint))"


def check_alike(source: Connection, golden: Connection) -> None:
    """Stop where the two servers hash differently, for then nothing would ever be found. Raises DatabaseError."""
    query = f"SELECT {hash_text(literal('layersite'))}".encode()
    if source.execute(query).fetchone() != golden.execute(query).fetchone():
        raise DatabaseError("the source and the server of goldens hash differently; use servers of one architecture")


def _hashes(
    connection: Connection, relation: Relation, name: str, path: str, pairing: tuple[str, ...], shortest: int
) -> Hashes:
    share, column = share_of(relation), relation.columns[name]
    is_dated = column.family in ("date", "timestamp") and not column.array
    finite = f" AND isfinite({identifier(name)})" if is_dated else ""
    values = f"{hashed_values(relation, column, path, pairing)} WHERE length({_VALUE}) >= {shortest}{finite}"
    with explained(f"{relation.name} cannot be compared"):
        rows = connection.execute(
            f"SELECT DISTINCT h, {'v' if pairing else 'h'} FROM ({values} OFFSET 0) s WHERE h % {share} = 0".encode()
        )
        return Hashes(dict(rows.fetchall()), share)
