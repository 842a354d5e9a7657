"""Bring a golden from another PostgreSQL server: dumped and restored in parallel, once, for all clones made of it here.

A golden lets nobody in, so a copy of it is dumped, under a name that says whose it is.
"""

import hashlib
import os
import tempfile
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier, Literal

from layersite.database.clone.postgresql import PostgreSQL
from layersite.database.ledger import replaced
from layersite.model.database import Golden
from layersite.model.errors import DatabaseError
from layersite.process import run

__all__ = ["fetch"]

_SECONDS = 6 * 60 * 60
_JOBS = str(min(4, os.cpu_count() or 1))
_SHAPE = """SELECT pg_encoding_to_char(encoding), datcollate, datctype, shobj_description(oid, 'pg_database')
FROM pg_database WHERE datname = %s"""
_LEFT_OUT = ("--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions")


def fetch(source: PostgreSQL, target: PostgreSQL, golden: str) -> None:
    """Make the golden of `source` one of `target` too, and drop those there that it replaces and no clone rests on.

    Raises:
        DatabaseError: a server refuses something.
        ToolError: `pg_dump` or `pg_restore` is missing or fails.
    """
    record = source.records().get(golden)
    if not isinstance(record, Golden):
        raise DatabaseError(f"there is no golden `{golden}` on the server of the goldens either")
    private = f"golden__{hashlib.sha256(record.database.encode()).hexdigest()[:24]}"  # one of each database at a time
    with target.locked(private, patience="1h"), source.locked(private, patience="1h"):
        if golden in target.records():
            return
        with tempfile.TemporaryDirectory(prefix="layersite-") as folder:
            dump = str(Path(folder, "dump"))
            source.drop(private)
            source.copy(golden, private, source.user)
            try:
                _run(source, private, "pg_dump", "-Fd", f"-j{_JOBS}", "-f", dump, *_LEFT_OUT)
            finally:
                source.drop(private)
            target.drop(private)
            _create(source, target, golden, private)
            _run(target, private, "pg_restore", f"-j{_JOBS}", "--exit-on-error", *_LEFT_OUT, dump)
        target.settle(private)
        _publish(source, target, record, private)


def _run(server: PostgreSQL, database: str, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs; the password is in its environment, not in its arguments."""
    parts = conninfo_to_dict(server.address, dbname=database)
    password = parts.pop("password", None)
    argv = [program, *arguments[:-1], "-d", make_conninfo("", **parts), arguments[-1]]
    run(argv, timeout=_SECONDS, env={"PGPASSWORD": str(password)} if password else {})


def _create(source: PostgreSQL, target: PostgreSQL, golden: str, private: str) -> None:
    """Make the empty database with the golden's encoding, locale and settings."""
    encoding, collate, ctype, _ = source.ask(_SHAPE, golden)[0]
    parts = {"name": Identifier(private), "encoding": Literal(encoding)}
    create = SQL("CREATE DATABASE {name} TEMPLATE template0 ENCODING {encoding} LC_COLLATE {collate} LC_CTYPE {ctype}")
    target.run(create.format(**parts, collate=Literal(collate), ctype=Literal(ctype)))
    target.run(SQL("REVOKE ALL ON DATABASE {name} FROM PUBLIC").format(**parts))
    target.apply_settings(private, source.settings(golden))


def _publish(source: PostgreSQL, target: PostgreSQL, golden: Golden, private: str) -> None:
    comment = source.ask(_SHAPE, golden.name)[0][3]
    target.run(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(private), Literal(comment)))
    target.run(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(Identifier(private)))
    target.run(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(private), Identifier(golden.name)))
    target.run(SQL("ALTER DATABASE {} IS_TEMPLATE true").format(Identifier(golden.name)))
    for name in replaced(target.records(), golden):
        target.run(SQL("ALTER DATABASE {} IS_TEMPLATE false").format(Identifier(name)))
        target.drop(name)
