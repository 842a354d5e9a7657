"""Clones that have a MariaDB server of their own: a copy of one that has the golden alone, made once for each golden.

The shared server keeps the ledger, and by the clone's name an empty database and a user who can never sign in.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from socket import gethostname

from layersite.database.clone.api import Copied, Taken, private_name
from layersite.database.mariadb import ledger
from layersite.database.mariadb.clone import MariaDBClones
from layersite.database.mariadb.connect import identifier
from layersite.database.mariadb.daemon import Daemon
from layersite.database.mariadb.ddl import read_definition
from layersite.database.mariadb.fetch import load
from layersite.database.mariadb.host import Host
from layersite.model.contract import Quiet
from layersite.model.database import Clone, Instance
from layersite.model.errors import DatabaseError
from layersite.model.site import Instances
from layersite.process import run

__all__ = ["InstanceClones"]

_LOADING = 3600
"""How many seconds clones wait for the first one of their golden, and for the disk."""
_INNER = "layersite_golden"
"""The database of a golden's own server: its tables alone."""
_EMPTY = "empty"


class InstanceClones(MariaDBClones):
    """The server at `uri`, and those of clones, which all new ones get. Every method raises DatabaseError."""

    def __init__(self, uri: str, variable: str, settings: Instances) -> None:
        super().__init__(uri, variable)
        self._host = Host(self, uri, settings)

    def has(self, name: str) -> bool:
        """Whether there is a database or folder `name`, whoever made it, or a note of one."""
        daemon = self._folder(name)
        if daemon and daemon.home.exists() and not daemon.is_ours:
            raise DatabaseError(f"there is a folder {daemon.home} that layersite did not make; move it away")
        return super().has(name) or (daemon is not None and daemon.home.exists())

    def copy(self, golden: str | None, private: str, owner: str) -> Copied:
        """Copy the golden's server to the new one `private`, an empty one without a golden, which nobody may enter."""
        begun, how = time.monotonic(), ""
        self._host.claim()
        template = self._host.daemon(f"{golden or _EMPTY}.golden")
        with self.locked(template.home.name, _LOADING):
            if not template.home.exists():
                self._make_template(template, golden)
                how = "parallel load of the golden, then " if golden else ""
        daemon = self._host.make(private)
        way = "reflink" if daemon.copy(template) else "file copy"
        self._host.start(daemon, daemon.port)
        port = self._host.port_of(private, self._instance(owner))
        instance = Instance(host=gethostname(), directory=str(self._host.daemon(owner).home), port=port)
        return Copied(f"{how}instance, {way}", round(time.monotonic() - begun, 3), instance)

    def hand_over(self, private: str, owner: str, quiet: Quiet) -> None:
        """Quieten the copy; what it is given to its owner for has no name yet, so that happens when it gets it."""
        with self._making(private) as inside:
            inside.hand_over(_INNER, owner, quiet)

    def publish(self, private: str, clone: Clone) -> None:
        """Give the copy its name, in place of what has it until now, hand it to its user, and record it."""
        assert clone.instance is not None  # noqa: S101  what `copy` made
        with self._making(private) as inside:
            there = self.session.another(clone.golden) if clone.golden else inside.session.another(_INNER)
            with closing(there) as source:
                found = read_definition(source)
            inside.session.ask(f"CREATE USER {identifier(clone.name)} ACCOUNT LOCK")
            inside.give(_INNER, clone.name, found)
        self._host.daemon(private).stop()
        self.drop(clone.name)
        ledger.begin(self.session, clone.name)
        daemon = self._host.daemon(private).rename(clone.name)
        self._host.start(daemon, clone.instance.port, is_public=True)
        run(["sync", "--file-system", str(daemon.home)], timeout=_LOADING)
        # Who had a database of this server until now does not enter it any more.
        self.session.ask(f"DROP USER IF EXISTS {identifier(clone.name)}")
        self.session.ask(f"CREATE USER {identifier(clone.name)} ACCOUNT LOCK")
        self.session.ask(f"CREATE DATABASE IF NOT EXISTS {identifier(clone.name)}")
        ledger.write(self.session, clone.name, clone)

    def revive(self, name: str, *, dry_run: bool) -> bool:
        """Start the clone's own server, if it has one that does not answer; return whether that was so."""
        instance = self._instance(name)
        if instance is None or self._host.answers(daemon := self._daemon(instance), instance.port):
            return False
        if not daemon.is_ours:
            raise DatabaseError(f"the server of `{name}` is no longer in {daemon.home}; `clone --reset` makes it anew")
        if not dry_run:
            self._host.end(daemon)
            self._host.start(daemon, instance.port, is_public=True)
        return True

    def can_sign_in(self, name: str, password: str) -> bool:
        """Whether the user `name` reaches its database with `password`."""
        try:
            with self._serving(name) as server:
                return MariaDBClones.can_sign_in(server, name, password)
        except DatabaseError:
            return False

    def set_password(self, name: str, password: str) -> None:
        """Let the user `name` sign in with `password` where its database is, and nowhere else."""
        with self._serving(name) as server:
            MariaDBClones.set_password(server, name, password)

    def drop(self, name: str) -> None:
        """Remove the database `name` or the server that it has, whoever is connected to it, if it is there."""
        instance = self._instance(name)
        daemon = self._daemon(instance) if instance else self._folder(name)
        if daemon and daemon.is_ours and (instance or self.has_begun(name)):
            self._host.end(daemon)
        if daemon and daemon.home.parent == self._host.root:  # where it is found without its record too
            ledger.discount(self.session, name)
        if daemon:
            daemon.remove()
        super().drop(name)
        known = {*self.records(), _EMPTY}
        for each in self._host.left():
            if each.home.stem not in known:
                each.remove()

    def taken(self, site: str, prefix: str) -> list[Taken]:
        """Return everything that runs of the site have made for clones, here and in folders, and nothing else."""
        return [self._with_folders(each, private_name(each.name, prefix)) for each in super().taken(site, prefix)]

    def _with_folders(self, found: Taken, private: str) -> Taken:
        names = (private, found.name) if self._host.is_claimed else ()
        folders = [each for each in names if self._host.daemon(each).is_ours]
        instance = self._instance(found.name)
        is_here = instance is not None and instance.host == gethostname()
        is_down = is_here and instance is not None and not self._host.answers(self._daemon(instance), instance.port)
        return replace(found, databases=tuple(dict.fromkeys((*folders, *found.databases))), is_down=is_down)

    def _make_template(self, template: Daemon, golden: str | None) -> None:
        making = self._host.make(f"{template.home.stem}.making")
        self._host.install(making)
        self._host.start(making, making.port)
        with self._host.inside(making, making.port) as inside:
            for user, host in self._host.others(inside):
                inside.session.ask("DROP USER %s@%s", user, host)
            if golden is None:
                inside.session.ask(f"CREATE DATABASE {_INNER}")
            else:
                load(self, inside, golden, _INNER)
        making.stop()
        (making.home / "port").unlink()
        making.rename(template.home.name)

    def _instance(self, name: str) -> Instance | None:
        record = self.records().get(name)
        return record.instance if isinstance(record, Clone) else None

    def _folder(self, name: str) -> Daemon | None:
        """Return the server in the folder `name`, None where the folder of all is not this server's."""
        return self._host.daemon(name) if self._host.is_claimed else None

    def _daemon(self, instance: Instance) -> Daemon:
        daemon = Daemon(Path(instance.directory))
        if instance.host != gethostname() and not daemon.home.exists():
            text = f"the server in {daemon.home} is on the host {instance.host}, and this is {gethostname()}"
            raise DatabaseError(f"{text}; run this there")
        return daemon

    @contextmanager
    def _making(self, private: str) -> Iterator[MariaDBClones]:
        daemon = self._host.daemon(private)
        with self._host.inside(daemon, daemon.port) as inside:
            yield inside

    @contextmanager
    def _serving(self, name: str) -> Iterator[MariaDBClones]:
        """Give a session on the clone's own server, or on this one if it has none."""
        if (instance := self._instance(name)) is None:
            yield self
        else:
            with self._host.inside(self._daemon(instance), instance.port) as inside:
                yield inside
