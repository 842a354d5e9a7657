"""A server that holds goldens and clones, as far as cloning needs it: one adapter per engine."""

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from layersite.database.ledger import Record
from layersite.model.contract import Quiet
from layersite.model.database import Clone, Instance, clone_name

__all__ = ["EMPTY", "Copied", "Engine", "Order", "Taken", "private_name"]


EMPTY = "empty"
"""The method of a clone without a golden."""


@dataclass(frozen=True)
class Order:
    """A clone that an environment is to have, empty without a golden.

    `reset` makes it anew even where it is right, and so does another `again` than that of the one that is there.
    """

    site: str
    prefix: str
    environment: str
    database: str
    golden: str | None
    quiet: Quiet = field(default_factory=Quiet)
    reset: bool = False
    again: int = 0

    @property
    def name(self) -> str:
        """The name of the clone's database and of its role."""
        return clone_name(self.prefix, self.environment, self.database)


def private_name(name: str, prefix: str) -> str:
    """Return the name under which the clone `name` is made; no clone has such a name.

    A clone's begins with the site's prefix and the environment's, which never starts with an underscore.
    """
    return f"{prefix.replace('-', '_')}_{hashlib.sha256(name.encode()).hexdigest()[:24]}"


@dataclass(frozen=True)
class Copied:
    """How a database was copied, as far as the server shows it, how long it took, and the server of its own, if any."""

    method: str
    seconds: float
    instance: Instance | None = None


@dataclass(frozen=True)
class Taken:
    """What runs of this site have left on a server for one clone: its role, and databases that are it or its remains.

    `built` is None where there is no complete clone. `is_down`: it has a server of its own, which does not answer.
    """

    name: str
    environment: str
    database: str
    built: str | None = None
    databases: tuple[str, ...] = ()
    is_down: bool = False


class Engine(Protocol):
    """One server. Every method raises DatabaseError."""

    def locked(self, name: str) -> AbstractContextManager[None]:
        """Keep every other run from the clone `name` meanwhile."""

    def records(self) -> Mapping[str, Record]:
        """Return the goldens and clones of the server by name."""

    def has(self, name: str) -> bool:
        """Whether there is a database `name`, whoever made it, or something of it."""

    def has_begun(self, name: str) -> bool:
        """Whether a run of ours has begun to make or to remove the database `name` and did not finish."""

    def ensure_role(self, order: Order) -> bool:
        """Make the clone's role, which cannot sign in yet; return whether it was missing."""

    def copy(self, golden: str | None, private: str, owner: str) -> Copied:
        """Copy the golden to the new database `private`, empty without one, which nobody but its owner may enter."""

    def hand_over(self, private: str, owner: str, quiet: Quiet) -> None:
        """Quieten the copy and give everything in it to its owner."""

    def publish(self, private: str, clone: Clone) -> None:
        """Record the clone and give it its name, in place of one that has it until now."""

    def revive(self, name: str, *, dry_run: bool) -> bool:
        """Start the clone's own server, if it has one that does not answer; return whether that was so."""

    def record(self, clone: Clone) -> None:
        """Record anew what the clone is."""

    def can_sign_in(self, name: str, password: str) -> bool:
        """Whether the role `name` reaches its database with `password`."""

    def set_password(self, name: str, password: str) -> None:
        """Let the role `name` sign in with `password`, which the server gets to see only as a verifier."""

    def drop(self, name: str) -> None:
        """Remove the database `name`, whoever is connected to it, if it is there."""

    def drop_role(self, name: str) -> None:
        """Remove the role `name`, if it is there."""

    def taken(self, site: str, prefix: str) -> list[Taken]:
        """Return everything on the server that runs of the site have made for clones, and nothing else."""
