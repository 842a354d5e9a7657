"""Bring a golden from another PostgreSQL server: dumped and restored in parallel, once, for all clones made of it here.

A golden lets nobody in, so a copy of it is dumped, under a name that says whose it is.
"""

import hashlib
import os
import secrets

from psycopg.sql import SQL, Identifier, Literal

from layersite.database.clone.postgresql import PostgreSQL
from layersite.database.golden.postgresql.connect import without_password
from layersite.database.ledger import replaced
from layersite.folder import private_folder
from layersite.model.database import Golden
from layersite.model.errors import DatabaseError
from layersite.process import run

__all__ = ["fetch"]

_SECONDS = 6 * 60 * 60
_JOBS = str(min(4, os.cpu_count() or 1))
_COMMENT = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
_COPIES = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
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
    base = f"golden__{hashlib.sha256(record.database.encode()).hexdigest()[:24]}"  # one of each database at a time
    with target.locked(base, patience="1h"), source.locked(base, patience="1h"):
        if golden in target.records():
            return
        for server in (source, target):
            half_gone = [n for n, each in server.half_gone().items() if isinstance(each, Golden)]
            for name in (*(name for (name,) in server.ask(_COPIES, base)), *half_gone):
                server.drop(name)
        # A program that a killed run began may outlive it for a moment, so each run's copies have names of their own.
        _bring(source, target, record, f"{base}_{secrets.token_hex(4)}")
        for name in replaced(target.records(), record):
            target.run(SQL("ALTER DATABASE {} IS_TEMPLATE false").format(Identifier(name)))
            target.drop(name)


def _bring(source: PostgreSQL, target: PostgreSQL, golden: Golden, private: str) -> None:
    with private_folder() as folder:
        dump = str(folder / "dump")
        source.copy(golden.name, private, source.user)
        try:
            _run(source, private, "pg_dump", "-Fd", "-Z1", f"-j{_JOBS}", "-f", dump, *_LEFT_OUT)
        finally:
            source.drop(private)
        target.create_like(source, golden.name, private)
        _run(target, private, "pg_restore", f"-j{_JOBS}", "--exit-on-error", *_LEFT_OUT, dump)
    target.settle(private)
    new, name = Identifier(private), Identifier(golden.name)
    target.run(
        SQL("COMMENT ON DATABASE {} IS {}").format(new, Literal(source.ask(_COMMENT, golden.name)[0][0])),
        SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(new),
        SQL("ALTER DATABASE {} RENAME TO {}").format(new, name),
        SQL("ALTER DATABASE {} IS_TEMPLATE true").format(name),
    )


def _run(server: PostgreSQL, database: str, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs; the password is in its environment, not in its arguments."""
    target, secret = without_password(server.address, database)
    run([program, *arguments[:-1], "-d", target, arguments[-1]], timeout=_SECONDS, env=secret)
