"""Whether the schema itself quotes somebody: a default, a function, a view or an enum label that holds a masked value.

The words of the draft's schema are hashed here and looked for among the hashes of the source's values, over there.
"""

import hashlib
import re
from collections.abc import Iterator

from psycopg import RawCursor

from layersite.database.golden.attestation import Check
from layersite.database.golden.overlap import DISTINCTIVE, columns_of
from layersite.database.golden.postgresql.connect import Connection, explained, without_password
from layersite.database.golden.postgresql.hashes import hash_of
from layersite.database.schema import Schema
from layersite.model.contract import Contract
from layersite.process import run

__all__ = ["schema_is_clean"]

_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_WORD = re.compile(r"[\w@.+/-]{6,}")
_SHORTEST = 6


def schema_is_clean(uri: str, name: str, source: Connection, schema: Schema, contract: Contract, nonce: bytes) -> Check:
    """No value of a column whose rule stands for one person is written in the schema of the database `name`."""
    target, secret = without_password(uri, name)
    text = run(["pg_dump", "--schema-only", f"--dbname={target}"], env=secret, timeout=600).decode()
    words = {word for word in _words(text) if len(word) >= _SHORTEST}
    hashes = [int.from_bytes(hashlib.sha256(nonce + word.encode()).digest()[:7], "big") for word in words]
    problems = []
    looked_at = 0
    for relation, column, action in columns_of(schema, contract):
        if isinstance(action, str) or action.mask not in DISTINCTIVE or column.array:
            continue
        looked_at += 1
        hashed = f"SELECT {hash_of((), column.name)} AS h FROM {relation.name}"
        query = f"SELECT count(DISTINCT h) FROM ({hashed}) s WHERE h = ANY ($1)"
        with explained(f"{relation.name} cannot be compared"), RawCursor(source) as cursor:
            row = cursor.execute(query.encode(), (hashes,)).fetchone()
        if row and row[0]:
            problems.append(f"it quotes {row[0]} values of {relation.name}.{column.name}; change that at the source")
    return Check(name="schema", looked_at=looked_at, problems=tuple(problems))


def _words(text: str) -> Iterator[str]:
    yield from (quoted.replace("''", "'") for quoted in _QUOTED.findall(text))
    yield from _WORD.findall(text)
