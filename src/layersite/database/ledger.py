"""The ledger of a PostgreSQL server: the comment of a database says which golden or clone it is.

So nothing is in the ledger that is not on the server, and `CREATE DATABASE … TEMPLATE` never copies an entry.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError

from layersite.model.database import Clone, Golden
from layersite.model.document import Model
from layersite.model.yaml import Yaml

if TYPE_CHECKING:  # importing it costs commands that need no database a tenth of a second
    from psycopg import Connection

__all__ = ["Record", "Role", "entries", "half_gone", "read", "replaced", "text", "used"]


class Role(Model):
    """Whose clone a role is there for, in the comment of the role."""

    site: str
    environment: str
    database: str


Record = Golden | Clone
_KINDS: dict[str, type[Golden | Clone | Role]] = {"golden": Golden, "clone": Clone, "role": Role}

_COMMENTS = """
SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database
WHERE (datconnlimit = -2) = %s ORDER BY datname"""
"""Those of whole databases, or of what a server that crashed had begun to drop, which can only be dropped."""


def text(record: Record | Role, attestation: Yaml = None) -> str:
    """Return the comment that makes something the one of `record`, with a golden's attestation beside it."""
    entry: Yaml = {type(record).__name__.lower(): record.model_dump(mode="json")}
    return json.dumps({**entry, **({"attestation": attestation} if attestation else {})}, sort_keys=True)


def read(comment: str | None) -> Record | Role | None:
    """Return what a comment records; None if it is none of ours."""
    try:
        entry = json.loads(comment or "null")
        kind = next((name for name in _KINDS if isinstance(entry, dict) and name in entry), None)
        return _KINDS[kind].model_validate_json(json.dumps(entry[kind])) if kind else None
    except (ValueError, ValidationError):
        return None


def entries(connection: "Connection") -> dict[str, Record]:
    """Return every golden and clone of the server, by the name of its database."""
    return _entries(connection, is_half_gone=False)


def half_gone(connection: "Connection") -> dict[str, Record]:
    """Return what were goldens and clones until the server crashed that was dropping them."""
    return _entries(connection, is_half_gone=True)


def _entries(connection: "Connection", *, is_half_gone: bool) -> dict[str, Record]:
    found = {str(name): read(comment) for name, comment in connection.execute(_COMMENTS, [is_half_gone])}
    return {n: record for n, record in found.items() if isinstance(record, Golden | Clone) and record.name == n}


def used(records: Mapping[str, Record]) -> set[str]:
    """Return the names of the goldens that clones rest on."""
    return {each.golden for each in records.values() if isinstance(each, Clone) and each.golden}


def replaced(records: Mapping[str, Record], new: Golden) -> list[str]:
    """Return the names of the goldens in whose place `new` is, but for those that clones rest on."""
    goldens = [each for each in records.values() if isinstance(each, Golden) and each.database == new.database]
    return [each.name for each in goldens if each.name not in used(records) | {new.name}]
