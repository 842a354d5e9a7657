"""Whether the schema itself quotes somebody: a default, a function, a view or an enum label that holds a masked value.

The words of the draft's schema are hashed here and looked for among the hashes of the source's values, over there.
"""

from collections.abc import Collection
from functools import partial

from psycopg import RawCursor

from layersite.database.golden.attestation import Check
from layersite.database.golden.overlap import SHORTEST, Hasher, quoted
from layersite.database.golden.postgresql.connect import Connection, explained, without_password
from layersite.database.golden.postgresql.hashes import hash_text, hashed_values
from layersite.database.golden.words import words_of
from layersite.database.schema import Column, Relation, Schema
from layersite.model.contract import Contract
from layersite.process import run

__all__ = ["schema_is_clean"]


def schema_is_clean(
    uri: str, golden: Connection, source: Connection, hashed: Hasher, schema: Schema, contract: Contract
) -> Check:
    """No value of a column whose rule stands for one person is written in the golden's schema."""
    target, secret = without_password(uri, golden.info.dbname)
    text = run(["pg_dump", "--schema-only", f"--dbname={target}"], env=secret, timeout=600).decode()
    words = {word for word in words_of(text) if len(word) >= SHORTEST}
    with RawCursor(source) as cursor:
        query = f"SELECT {hash_text('w')} FROM unnest($1::text[]) w"
        hashes = {row[0] for row in cursor.execute(query.encode(), (list(words),))}
    return quoted(hashes, hashed, schema, contract, partial(_among, source, hashes))


def _among(source: Connection, hashes: Collection[int], relation: Relation, column: Column, path: str) -> int:
    """Ask for every value, where only a share of the hashes is at hand."""
    inner = f"{hashed_values(relation, column, path)} OFFSET 0"
    query = f"SELECT count(DISTINCT h) FROM ({inner}) s WHERE h = ANY ($1)"
    with explained(f"{relation.name} cannot be compared"), RawCursor(source) as cursor:
        row = cursor.execute(query.encode(), (list(hashes),)).fetchone()
    return int(row[0]) if row else 0
