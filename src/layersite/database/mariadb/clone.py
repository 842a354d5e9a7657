"""Clones on a MariaDB server: by the files of tables where this program can reach them, else row by row."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress

from layersite.database.clone.api import EMPTY, Copied, Order, Taken, private_name
from layersite.database.ledger import Record, Role
from layersite.database.mariadb import ledger
from layersite.database.mariadb.connect import Session, identifier, literal
from layersite.database.mariadb.copy import Reach, copy_tables, reaches
from layersite.database.mariadb.ddl import Definition, move, read_definition
from layersite.database.mariadb.passwords import of_mariadb, of_mysql
from layersite.model.contract import Quiet
from layersite.model.database import Clone
from layersite.model.errors import DatabaseError

__all__ = ["MariaDBClones"]

_PATIENCE = 60


class MariaDBClones:
    """The server at `uri`, which is in `variable`; `reach` tells which of its folders this program may use.

    Every method raises DatabaseError.
    """

    def __init__(self, uri: str, variable: str, reach: Reach = reaches) -> None:
        self._uri, self._reach = uri, reach
        self.session = Session(uri, "", f"the server in {variable}")

    def close(self) -> None:
        """End the session and with it the locks that it holds."""
        self.session.close()

    @contextmanager
    def locked(self, name: str, patience: int = _PATIENCE) -> Iterator[None]:
        """Keep every other run from the clone or golden `name` meanwhile."""
        key = hashlib.sha256(f"layersite {name}".encode()).hexdigest()[:40]
        if self.session.one("SELECT GET_LOCK(%s, %s)", key, patience) != "1":
            text = f"another run is at work on `{name}`, for more than {patience} s"
            raise DatabaseError(f"{text}; run this again later")
        try:
            yield
        finally:
            self.session.ask("DO RELEASE_LOCK(%s)", key)

    def records(self) -> Mapping[str, Record]:
        """Return the goldens and clones of the server by name."""
        return ledger.entries(self.session)

    def has(self, name: str) -> bool:
        """Whether there is a database `name`, whoever made it, or a note of one."""
        return self._exists(name) or self.has_begun(name)

    def has_begun(self, name: str) -> bool:
        """Whether a run of ours has begun to make or to remove the database `name` and did not finish."""
        return name in ledger.begun(self.session)

    def ensure_role(self, order: Order) -> bool:
        """Make the clone's user, who cannot sign in yet; return whether it was missing."""
        name = order.name
        owner = Role(site=order.site, environment=order.environment, database=order.database)
        found = self.session.one("SELECT count(*) FROM mysql.user WHERE user = %s", name)
        known = ledger.users(self.session).get(name)
        if found != "0" and known != owner:
            raise DatabaseError(f"there is a user `{name}` that is not this clone's; it was not touched: rename it")
        if found == "0":
            ledger.make(self.session)
            ledger.write(self.session, name, owner, kind="user")
            self.session.ask(f"CREATE USER {identifier(name)} ACCOUNT LOCK")
        return bool(found == "0")

    def copy(self, golden: str | None, private: str, owner: str) -> Copied:
        """Copy the golden's tables to the new database `private`, empty without one, which nobody may enter."""
        ledger.begin(self.session, private)
        if golden is None:
            self.session.ask(f"CREATE DATABASE {identifier(private)}")
            return Copied(EMPTY, 0.0)
        with closing(self.session.another(golden)) as source:
            found = read_definition(source)
            found.make_database(self.session, private)
            begun = time.monotonic()
            with closing(self.session.another(private)) as target:
                target.ask("SET foreign_key_checks = 0, unique_checks = 0")
                found.make_tables(target)
                method = copy_tables(source, target, found, self._reach)
                found.add_keys(target)
            return Copied(method, round(time.monotonic() - begun, 3))

    def hand_over(self, private: str, owner: str, quiet: Quiet) -> None:
        """Quieten the copy; what it is given to its owner for has no name yet, so that happens when it gets it."""
        with closing(self.session.another(private)) as inside:
            there = {str(name) for (name,) in inside.ask("SHOW TABLES")}
            for table in {*quiet.set, *quiet.empty} - there:
                text = f"the contract quietens the table `{table}`, which the golden does not have"
                raise DatabaseError(f"{text}; mend its name")
            inside.ask("SET foreign_key_checks = 0")
            for table, columns in quiet.set.items():
                pairs = ", ".join(
                    f"{identifier(name)} = %s".replace("%", "%%").replace("%%s", "%s") for name in columns
                )
                inside.ask(f"UPDATE {identifier(table)} SET {pairs}", *columns.values())
            for table in quiet.empty:
                inside.ask(f"TRUNCATE {identifier(table)}")

    def publish(self, private: str, clone: Clone) -> None:
        """Give the copy its name, in place of one that has it until now, hand it to its user, and record it."""
        with closing(self.session.another(clone.golden or private)) as source:
            found = read_definition(source)
        self.drop(clone.name)
        ledger.begin(self.session, clone.name)
        self.give(private, clone.name, found)
        ledger.write(self.session, clone.name, clone)
        ledger.forget(self.session, private)

    def give(self, private: str, name: str, definition: Definition) -> None:
        """Give the copy its name, with all of `definition`, and hand it to the user of that name."""
        move(self.session, private, name, definition, identifier(name))
        # In a grant, `_` and `%` stand for any character: without the backslash a role would enter its neighbours.
        pattern = name.replace("_", "\\_")
        self.session.ask(f"GRANT ALL ON {identifier(pattern)}.* TO {identifier(name)}")

    def revive(self, name: str, *, dry_run: bool) -> bool:
        """Do nothing: this server answers."""
        return False

    def record(self, clone: Clone) -> None:
        """Record anew what the clone is."""
        ledger.write(self.session, clone.name, clone)

    def can_sign_in(self, name: str, password: str) -> bool:
        """Whether the user `name` reaches its database with `password`."""
        try:
            Session(self._uri, name, signs_in=(name, password)).close()
        except DatabaseError:
            return False
        return True

    def set_password(self, name: str, password: str) -> None:
        """Let the user `name` sign in with `password`, which the server gets to see only as a hash."""
        self.session.ask(f"ALTER USER {identifier(name)} IDENTIFIED {self.verifier(password)} ACCOUNT UNLOCK")

    def verifier(self, password: str) -> str:
        """Return how this server is told of a password without seeing it."""
        if self.session.is_mysql:
            return f"WITH caching_sha2_password AS {literal(of_mysql(password))}"
        return f"BY PASSWORD {literal(of_mariadb(password))}"

    def drop(self, name: str) -> None:
        """Remove the database `name`, whoever is connected to it, if it is there."""
        for (number,) in self.session.ask("SELECT id FROM information_schema.processlist WHERE db = %s", name):
            with suppress(DatabaseError):  # it may have ended by itself; where it goes on, the next statement fails
                self.session.ask(f"KILL {int(number)}")
        ledger.remove(self.session, name)

    def drop_role(self, name: str) -> None:
        """Remove the user `name`, if it is there."""
        self.session.ask(f"DROP USER IF EXISTS {identifier(name)}")
        ledger.forget(self.session, name, "user")

    def taken(self, site: str, prefix: str) -> list[Taken]:
        """Return everything on the server that runs of the site have made for clones, and nothing else."""
        clones = {n: each for n, each in self.records().items() if isinstance(each, Clone) and each.site == site}
        users = {n: each for n, each in ledger.users(self.session).items() if each.site == site}
        begun = ledger.begun(self.session)
        found = []
        owners: dict[str, Role | Clone] = {**users, **clones}
        for name, owner in sorted(owners.items()):
            mine = (private_name(name, prefix), name)
            there = tuple(n for n in mine if n in begun or n in clones)
            built = clones[name].built if name in clones else None
            found.append(Taken(name, owner.environment, owner.database, built, there))
        return found

    def _exists(self, name: str) -> bool:
        sql = "SELECT count(*) FROM information_schema.schemata WHERE schema_name = %s"
        return bool(self.session.one(sql, name) != "0")
