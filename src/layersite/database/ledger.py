"""The ledger of a PostgreSQL server: the comment of a database says which golden or clone it is.

So nothing is in the ledger that is not on the server, and `CREATE DATABASE … TEMPLATE` never copies an entry.
"""

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from layersite.model.database import Clone, Golden
from layersite.model.yaml import Yaml

if TYPE_CHECKING:  # importing it costs commands that need no database a tenth of a second
    from psycopg import Connection

__all__ = ["Record", "entries", "read", "text"]

Record = Golden | Clone

_COMMENTS = "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database ORDER BY datname"


def text(record: Record, attestation: Yaml = None) -> str:
    """Return the comment that makes a database the golden or clone `record`, with a golden's attestation beside it."""
    entry: Yaml = {type(record).__name__.lower(): record.model_dump(mode="json")}
    return json.dumps({**entry, **({"attestation": attestation} if attestation else {})}, sort_keys=True)


def read(comment: str | None) -> Record | None:
    """Return what a comment records; None if it is none of ours."""
    try:
        entry = json.loads(comment or "null")
        if isinstance(entry, dict) and "golden" in entry:
            return Golden.model_validate_json(json.dumps(entry["golden"]))
        if isinstance(entry, dict) and "clone" in entry:
            return Clone.model_validate_json(json.dumps(entry["clone"]))
    except (ValueError, ValidationError):
        return None
    return None


def entries(connection: "Connection") -> dict[str, Record]:
    """Return every golden and clone of the server, by the name of its database."""
    found = {str(name): read(comment) for name, comment in connection.execute(_COMMENTS)}
    return {name: record for name, record in found.items() if record is not None and record.name == name}
