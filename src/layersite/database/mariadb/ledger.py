"""The ledger of a MariaDB server, a table of its own, for databases and users there have no comments.

A row without a record is what a run has begun to make or to remove and not finished: nobody may use it, and the next
run removes it.
"""

import json

from layersite.database import ledger
from layersite.database.golden.attestation import Attestation
from layersite.database.ledger import Record, Role
from layersite.database.mariadb.connect import Session, identifier
from layersite.model.database import Clone, Golden
from layersite.model.yaml import Yaml

__all__ = [
    "attestation",
    "begin",
    "begun",
    "claim",
    "discount",
    "entries",
    "forget",
    "has_claimed",
    "make",
    "remove",
    "users",
    "write",
]

_PLACE = "`layersite`.`ledger`"
_MAKE = (
    "CREATE DATABASE IF NOT EXISTS `layersite` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    f"CREATE TABLE IF NOT EXISTS {_PLACE} (kind ENUM ('database', 'user') NOT NULL, name VARCHAR(80) NOT NULL,"
    " record LONGTEXT, PRIMARY KEY (kind, name)) ENGINE=InnoDB",
    "CREATE TABLE IF NOT EXISTS `layersite`.`folder` (mark VARCHAR(80) PRIMARY KEY) ENGINE=InnoDB",
)
_DATABASES = f"SELECT l.name, l.record FROM {_PLACE} l JOIN information_schema.schemata s ON s.schema_name = l.name"
_USERS = f"SELECT name, record FROM {_PLACE} WHERE kind = 'user'"


def make(session: Session) -> None:
    """Make the ledger itself, if it is not there."""
    for sql in _MAKE:
        session.ask(sql)


def begin(session: Session, name: str) -> None:
    """Note that a run of ours makes the database `name` now, if that is not noted yet."""
    make(session)
    session.ask(f"INSERT IGNORE INTO {_PLACE} (kind, name) VALUES ('database', %s)", name)


def write(session: Session, name: str, record: Record | Role, attested: Yaml = None, kind: str = "database") -> None:
    """Record what `name` is."""
    text = ledger.text(record, attested)
    session.ask(f"REPLACE INTO {_PLACE} (kind, name, record) VALUES (%s, %s, %s)", kind, name, text)


def remove(session: Session, name: str) -> None:
    """Remove the database `name`, if it is there; it counts no longer before the first of its tables goes."""
    discount(session, name)
    session.ask(f"DROP DATABASE IF EXISTS {identifier(name)}")
    forget(session, name)


def discount(session: Session, name: str) -> None:
    """Note that the database `name`, if it is known, is about to be removed."""
    if _is_there(session):
        session.ask(f"UPDATE {_PLACE} SET record = NULL WHERE kind = 'database' AND name = %s", name)


def forget(session: Session, name: str, kind: str = "database") -> None:
    """Strike `name` off."""
    if _is_there(session):
        session.ask(f"DELETE FROM {_PLACE} WHERE kind = %s AND name = %s", kind, name)


def entries(session: Session) -> dict[str, Record]:
    """Return every golden and clone that is on the server, by the name of its database."""
    rows = session.ask(f"{_DATABASES} WHERE l.kind = 'database'") if _is_there(session) else []
    found = {str(name): ledger.read(record) for name, record in rows}
    return {name: record for name, record in found.items() if isinstance(record, Golden | Clone)}


def users(session: Session) -> dict[str, Role]:
    """Return whose clone each user of ours is there for, or was about to be, by the user's name."""
    rows = session.ask(_USERS) if _is_there(session) else []
    found = {str(name): ledger.read(record) for name, record in rows}
    return {name: role for name, role in found.items() if isinstance(role, Role)}


def begun(session: Session) -> set[str]:
    """Return the databases that runs have begun and not finished."""
    rows = (
        session.ask(f"SELECT name FROM {_PLACE} WHERE kind = 'database' AND record IS NULL")
        if _is_there(session)
        else []
    )
    return {str(name) for (name,) in rows}


def claim(session: Session, mark: str) -> None:
    """Note that the folder with this mark is for servers of this one's clones."""
    make(session)
    session.ask("INSERT IGNORE INTO `layersite`.`folder` (mark) VALUES (%s)", mark)


def has_claimed(session: Session, mark: str) -> bool:
    """Whether the folder with this mark is for servers of this one's clones."""
    return (
        _is_there(session, "folder") and session.ask("SELECT 1 FROM `layersite`.`folder` WHERE mark = %s", mark) != []
    )


def attestation(session: Session, name: str) -> Attestation | None:
    """Return what was attested of the golden `name`."""
    rows = session.ask(f"SELECT record FROM {_PLACE} WHERE kind = 'database' AND name = %s", name)
    document = json.loads(rows[0][0] or "{}").get("attestation") if rows else None
    return Attestation.model_validate_json(json.dumps(document)) if document else None


def _is_there(session: Session, table: str = "ledger") -> bool:
    sql = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'layersite' AND table_name = %s"
    return bool(int(session.one(sql, table)))
