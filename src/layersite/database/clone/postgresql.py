"""Clones on a PostgreSQL server: one session, whose lock ends with it, so a run that is killed holds up nobody."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier, Literal

from layersite.database import ledger
from layersite.database.clone.api import Copied, Order, Taken, private_name
from layersite.database.clone.handover import hand_over, quieten
from layersite.database.ledger import Record, Role
from layersite.model.contract import Quiet
from layersite.model.database import Clone
from layersite.model.errors import DatabaseError

__all__ = ["PostgreSQL"]

_PATIENCE = "60s"
_SMALL = 150_000_000
"""Bytes below which a copy through the write-ahead log beats one of files, which waits for a checkpoint."""
_WRITTEN = r"SELECT (regexp_match(pg_read_file('/proc/self/io'), '(?n)^write_bytes: (\d+)'))[1]::bigint"
_ROLE = "SELECT rolname, shobj_description(oid, 'pg_authid') FROM pg_roles"


class PostgreSQL:
    """The server at `uri`, which is in `variable`. Every method raises DatabaseError."""

    def __init__(self, uri: str, variable: str) -> None:
        self._variable = variable
        try:
            given = {"dbname": "postgres", "connect_timeout": 10, **conninfo_to_dict(uri)}
        except psycopg.Error:  # whose message may quote the password
            text = f"{variable} is no URI of a PostgreSQL server; it looks like postgresql://user@host:5432/postgres"
            raise DatabaseError(text) from None
        self._address = make_conninfo("", **given)
        with self._talking():
            self._session = self._connect()

    def close(self) -> None:
        """End the session and with it the locks that it holds."""
        self._session.close()

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Keep every other run from the clone `name` meanwhile."""
        key = [f"layersite {name}"]
        with self._talking(f"another run is at work on `{name}`"):
            self._session.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", key)
        try:
            yield
        finally:
            self._session.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", key)

    def records(self) -> Mapping[str, Record]:
        """Return the goldens and clones of the server by name."""
        with self._talking():
            return ledger.entries(self._session)

    def has(self, name: str) -> bool:
        """Whether there is a database `name`, whoever made it."""
        return self._oid(name) is not None

    def ensure_role(self, order: Order) -> bool:
        """Make the clone's role, which cannot sign in yet; return whether it was missing."""
        name = order.name
        owner = Role(site=order.site, environment=order.environment, database=order.database)
        with self._talking():
            found = self._session.execute(SQL(_ROLE + " WHERE rolname = %s"), [name]).fetchone()
        if found is not None:
            if ledger.read(found[1]) != owner:
                raise DatabaseError(f"there is a role `{name}` that is not this clone's; it was not touched: rename it")
            return False
        with self._talking(), self._session.transaction():
            role = Identifier(name)
            self._session.execute(SQL("CREATE ROLE {} LOGIN").format(role))
            self._session.execute(SQL("COMMENT ON ROLE {} IS {}").format(role, ledger.text(owner)))
            if not self._is_superuser:  # who may not give databases to a role that it is not in
                self._session.execute(SQL("GRANT {} TO CURRENT_USER").format(role))
        return True

    def copy(self, golden: str, private: str, owner: str) -> Copied:
        """Copy the golden to the new database `private`, which nobody but its owner may enter."""
        size, version = self._size(golden), self._session.info.server_version
        strategy: LiteralString = "WAL_LOG" if size < _SMALL else "FILE_COPY"
        names = {"new": Identifier(private), "golden": Identifier(golden), "owner": Identifier(owner)}
        with self._talking():
            if version >= 180000:
                self._session.execute("SET file_copy_method = clone")
            before, begun = self._written(), time.monotonic()
            create = "CREATE DATABASE {new} TEMPLATE {golden} OWNER {owner} STRATEGY " + strategy
            self._session.execute(SQL(create).format(**names))
            seconds = time.monotonic() - begun
            self._session.execute(SQL("REVOKE ALL ON DATABASE {new} FROM PUBLIC").format(**names))
            self._copy_settings(golden, private)
        if strategy == "WAL_LOG":
            return Copied("WAL log", round(seconds, 3))
        return Copied(_file_copy(version, size, before, self._written()), round(seconds, 3))

    def hand_over(self, private: str, owner: str, quiet: Quiet) -> None:
        """Quieten the copy and give everything in it to its owner."""
        with self._talking(), self._connect(dbname=private) as inside:
            quieten(inside, quiet)
            inside.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            hand_over(inside, owner)

    def publish(self, private: str, clone: Clone) -> None:
        """Record the clone and give it its name, in place of one that has it until now."""
        names = {"private": Identifier(private), "name": Identifier(clone.name), "text": Literal(ledger.text(clone))}
        with self._talking():
            self._session.execute(SQL("COMMENT ON DATABASE {private} IS {text}").format(**names))
            self.drop(clone.name)
            self._session.execute(SQL("ALTER DATABASE {private} RENAME TO {name}").format(**names))

    def can_sign_in(self, name: str, password: str) -> bool:
        """Whether the role `name` reaches its database with `password`."""
        try:
            psycopg.connect(make_conninfo(self._address, user=name, password=password, dbname=name)).close()
        except psycopg.OperationalError:
            return False
        return True

    def set_password(self, name: str, password: str) -> None:
        """Let the role `name` sign in with `password`, which the server gets to see only as a verifier."""
        verifier = self._session.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
        with self._talking():
            self._session.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(name), verifier))

    def drop(self, name: str) -> None:
        """Remove the database `name`, whoever is connected to it, if it is there."""
        with self._talking():
            self._session.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))

    def drop_role(self, name: str) -> None:
        """Remove the role `name`, if it is there."""
        with self._talking():
            self._session.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(name)))

    def taken(self, site: str, prefix: str) -> list[Taken]:
        """Return everything on the server that runs of the site have made for clones, and nothing else."""
        with self._talking():
            databases = {str(row[0]) for row in self._session.execute("SELECT datname FROM pg_database")}
            roles = {str(name): ledger.read(comment) for name, comment in self._session.execute(_ROLE)}
        clones = {n: each for n, each in self.records().items() if isinstance(each, Clone) and each.site == site}
        owners = {n: each for n, each in roles.items() if isinstance(each, Role) and each.site == site} | clones
        found = []
        for name, owner in sorted(owners.items()):
            if not name.startswith(prefix.replace("-", "_")):
                continue
            there = tuple(n for n in (private_name(name, prefix), name if name in clones else "") if n in databases)
            built = clones[name].built if name in clones else None
            found.append(Taken(name, owner.environment, owner.database, built, there))
        return found

    def _connect(self, **changed: Any) -> psycopg.Connection:  # noqa: ANN401  what a connection string may hold
        connection = psycopg.connect(make_conninfo(self._address, **changed), autocommit=True)
        connection.execute(SQL("SET lock_timeout = {}").format(_PATIENCE))
        return connection

    @contextmanager
    def _talking(self, busy: str = "somebody holds a lock on it") -> Iterator[None]:
        """Turn what the server or the network refuses into a DatabaseError of one line."""
        try:
            yield
        except psycopg.errors.LockNotAvailable as error:
            raise DatabaseError(f"{busy}, for more than {_PATIENCE}; run this again later") from error
        except psycopg.Error as error:
            said = error.diag.message_primary or " ".join(str(error).split())
            raise DatabaseError(f"the server in {self._variable} says: {said}") from error

    @property
    def _is_superuser(self) -> bool:
        return self._session.info.parameter_status("is_superuser") == "on"

    def _oid(self, name: str) -> int | None:
        with self._talking():
            found = self._session.execute("SELECT oid FROM pg_database WHERE datname = %s", [name]).fetchone()
        return int(found[0]) if found else None

    def _size(self, name: str) -> int:
        with self._talking():
            return int(self._session.execute("SELECT pg_database_size(%s::name)", [name]).fetchall()[0][0])

    def _written(self) -> int | None:
        """Return the bytes that the session's process has written until now, None if the server does not tell."""
        try:
            return int(self._session.execute(_WRITTEN).fetchall()[0][0])
        except psycopg.Error:
            return None

    def _copy_settings(self, golden: str, private: str) -> None:
        """Give the copy the settings of its golden: `search_path` and the like are not copied with the data."""
        query = "SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setrole = 0 AND setdatabase = %s"
        for (setting,) in self._session.execute(query, [self._oid(golden)]).fetchall():
            name, _, value = str(setting).partition("=")
            with self._session.transaction():
                self._session.execute("SELECT set_config(%s, %s, true)", [name, value])
                alter = SQL("ALTER DATABASE {} SET {} FROM CURRENT")
                self._session.execute(alter.format(Identifier(private), Identifier(*name.split("."))))


def _file_copy(version: int, size: int, before: int | None, after: int | None) -> str:
    """Say how files were copied: a reflink writes next to nothing, though the server takes a full copy for one too."""
    if version < 180000:
        return "file copy"
    if before is None or after is None:
        return "file copy, by reflink where the server's file system can"
    return "reflink" if after - before < size // 2 else "file copy"
