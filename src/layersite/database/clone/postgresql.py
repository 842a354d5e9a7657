"""Clones on a PostgreSQL server."""

import time
from collections.abc import Iterable, Mapping
from typing import LiteralString

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier, Literal

from layersite.database import ledger
from layersite.database.clone.api import EMPTY, Copied, Order, Taken, private_name
from layersite.database.clone.counted import shares_blocks, verdict, written
from layersite.database.clone.handover import hand_over, quieten
from layersite.database.clone.session import Session
from layersite.database.creating import alike, create_private
from layersite.database.dropping import drop_database
from layersite.database.ledger import Record, Role
from layersite.model.contract import Quiet
from layersite.model.database import Clone
from layersite.model.errors import DatabaseError

__all__ = ["PostgreSQL"]

_SMALL, _SMALL_FOR_REFLINKS = 150_000_000, 60_000_000
"""Bytes below which a copy through the write-ahead log beats one of files, which waits for a checkpoint."""
_UNHURRIED = "SET synchronous_commit = off"
"""Until a clone gets its name nothing of it need outlast a crash, and on a busy disk each commit waits for long."""
_ROLE = "SELECT rolname, shobj_description(oid, 'pg_authid') FROM pg_roles"


class PostgreSQL(Session):
    """A server that holds goldens and clones. Every method raises DatabaseError."""

    def records(self) -> Mapping[str, Record]:
        """Return the goldens and clones of the server by name."""
        with self._talking():
            return ledger.entries(self._session)

    def has(self, name: str) -> bool:
        """Whether there is a database `name`, whoever made it."""
        return self._oid(name) is not None

    def has_begun(self, name: str) -> bool:
        """Whether the server crashed while it was dropping the clone `name`."""
        return name in self.half_gone()

    def half_gone(self) -> Mapping[str, Record]:
        """Return by name what were goldens and clones until the server crashed that was dropping them."""
        with self._talking():
            return ledger.half_gone(self._session)

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

    def copy(self, golden: str | None, private: str, owner: str) -> Copied:
        """Copy the golden to the new database `private`, empty without one, which nobody but its owner may enter."""
        if golden is None:
            return self._create(private, owner)
        size = int(self.ask("SELECT pg_database_size(%s::name)", golden)[0][0])
        names = {"new": Identifier(private), "golden": Identifier(golden), "owner": Identifier(owner)}
        with self._talking():
            shares = self._session.info.server_version >= 180000 and shares_blocks(self._session)
            if may_share := shares is not False:
                self._session.execute("SET file_copy_method = clone")
            is_small = size < (_SMALL_FOR_REFLINKS if shares else _SMALL)
            strategy: LiteralString = "WAL_LOG" if is_small else "FILE_COPY"
            self._session.execute(_UNHURRIED)
            before, begun = written(self._session), time.monotonic()
            create = "CREATE DATABASE {new} TEMPLATE {golden} OWNER {owner} STRATEGY " + strategy
            self._session.execute(SQL(create).format(**names))
            seconds = round(time.monotonic() - begun, 3)
            self._session.execute(SQL("REVOKE ALL ON DATABASE {new} FROM PUBLIC").format(**names))
        self.apply_settings(private, self.settings(golden))
        if is_small:
            return Copied("WAL log", seconds)
        return Copied(verdict(size, before, written(self._session)) if may_share else "file copy", seconds)

    def _create(self, private: str, owner: str) -> Copied:
        names, begun = {"new": Identifier(private), "owner": Identifier(owner)}, time.monotonic()
        with self._talking():
            self._session.execute(SQL("CREATE DATABASE {new} OWNER {owner}").format(**names))
            self._session.execute(SQL("REVOKE ALL ON DATABASE {new} FROM PUBLIC").format(**names))
        return Copied(EMPTY, round(time.monotonic() - begun, 3))

    def create_like(self, source: "PostgreSQL", golden: str, private: str) -> None:
        """Make the empty database `private` with the encoding, collation and settings of a golden of `source`."""
        with source._talking():
            options = alike(source._session, golden)
        with self._talking():
            create_private(self._session, private, options)
        self.apply_settings(private, source.settings(golden))

    def settings(self, database: str) -> list[str]:
        """Return the settings that hold in a database, such as `search_path=…`: its copies do not take them along."""
        query = "SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setrole = 0 AND setdatabase = %s"
        return [str(row[0]) for row in self.ask(query, self._oid(database))]

    def apply_settings(self, database: str, settings: Iterable[str]) -> None:
        """Let `settings` hold in a database."""
        for setting in settings:
            name, _, value = setting.partition("=")
            with self._talking(), self._session.transaction():
                self._session.execute("SELECT set_config(%s, %s, true)", [name, value])
                alter = SQL("ALTER DATABASE {} SET {} FROM CURRENT")
                self._session.execute(alter.format(Identifier(database), Identifier(*name.split("."))))

    def hand_over(self, private: str, owner: str, quiet: Quiet) -> None:
        """Quieten the copy and give everything in it to its owner."""
        with self._talking(), self._connect(dbname=private) as inside:
            inside.execute(_UNHURRIED)
            inside.execute("SET row_security = off")  # a row that policies hide would stay loud; so it is an error
            quieten(inside, quiet)
            inside.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            hand_over(inside, owner)

    def publish(self, private: str, clone: Clone) -> None:
        """Record the clone and give it its name, in place of one that has it until now."""
        self._comment(private, clone)
        with self._talking():
            self.drop(clone.name)
            self._session.execute("RESET synchronous_commit")
            rename = SQL("ALTER DATABASE {} RENAME TO {}")
            self._session.execute(rename.format(Identifier(private), Identifier(clone.name)))

    def revive(self, name: str, *, dry_run: bool) -> bool:
        """Do nothing: this server answers."""
        return False

    def record(self, clone: Clone) -> None:
        """Record anew what the clone is."""
        self._comment(clone.name, clone)

    def _comment(self, name: str, clone: Clone) -> None:
        comment = SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(name), Literal(ledger.text(clone)))
        with self._talking():
            self._session.execute(comment)

    def can_sign_in(self, name: str, password: str) -> bool:
        """Whether the role `name` reaches its database with `password`."""
        try:
            psycopg.connect(make_conninfo(self.address, user=name, password=password, dbname=name)).close()
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
            drop_database(self._session, name)

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
        ours, found = {*clones, *self.half_gone()}, []
        for name, owner in sorted(owners.items()):
            if not name.startswith(prefix.replace("-", "_")):
                continue
            there = tuple(n for n in (private_name(name, prefix), *({name} & ours)) if n in databases)
            built = clones[name].built if name in clones else None
            found.append(Taken(name, owner.environment, owner.database, built, there))
        return found

    @property
    def _is_superuser(self) -> bool:
        return self._session.info.parameter_status("is_superuser") == "on"

    def _oid(self, name: str) -> int | None:
        with self._talking():
            found = self._session.execute("SELECT oid FROM pg_database WHERE datname = %s", [name]).fetchone()
        return int(found[0]) if found else None
