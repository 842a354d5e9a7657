"""Bring a golden from another MariaDB server, once, for all clones made of it here.

The rows of several tables at a time flow from server to server, through no file.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from layersite.database.ledger import replaced
from layersite.database.mariadb import ledger
from layersite.database.mariadb.clone import MariaDBClones
from layersite.database.mariadb.connect import Session
from layersite.database.mariadb.copy import carry
from layersite.database.mariadb.ddl import Definition, move, read_definition
from layersite.database.mariadb.describe import read_schema
from layersite.database.schema import Relation
from layersite.model.database import Golden
from layersite.model.errors import DatabaseError

__all__ = ["fetch", "load"]

_PATIENCE = 3600
_AT_ONCE = 4


def fetch(source: MariaDBClones, target: MariaDBClones, golden: str) -> None:
    """Make the golden of `source` one of `target` too, and drop those there that it replaces and no clone rests on.

    Raises:
        DatabaseError: a server refuses something.
    """
    record = source.records().get(golden)
    if not isinstance(record, Golden):
        raise DatabaseError(f"there is no golden `{golden}` on the server of the goldens either")
    private = f"golden__{hashlib.sha256(record.database.encode()).hexdigest()[:24]}"  # one of each database at a time
    with target.locked(private, _PATIENCE):
        if golden in target.records():
            return
        for name in ledger.begun(target.session):
            if name == private or name.rpartition("_")[0] == golden.rpartition("_")[0]:
                target.drop(name)
        ledger.begin(target.session, private)
        definition = load(source, target, golden, private)
        ledger.begin(target.session, golden)
        move(target.session, private, golden, definition)
        attested = ledger.attestation(source.session, golden)
        ledger.write(target.session, golden, record, attested.model_dump(mode="json") if attested else None)
        ledger.forget(target.session, private)
        for name in replaced(target.records(), record):
            target.drop(name)


def load(source: MariaDBClones, target: MariaDBClones, golden: str, private: str) -> Definition:
    """Make the database `private` of `target` with the golden's tables, and return the golden's definition."""
    with closing(source.session.another(golden)) as there:
        definition = read_definition(there)
        definition.make_database(target.session, private)
        with closing(target.session.another(private)) as here:
            definition.make_tables(here)
            relations = read_schema(there).relations
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(lambda table: _carry(there, here, relations[table]), definition.tables))
            definition.add_keys(here)
            definition.analyze(here)
    return definition


def _carry(source: Session, target: Session, relation: Relation) -> None:
    with closing(source.another()) as reader, closing(target.another()) as writer:
        writer.ask("SET foreign_key_checks = 0, unique_checks = 0")
        carry(reader, writer, relation, dict.fromkeys(relation.columns, "keep"), "TRUE")
