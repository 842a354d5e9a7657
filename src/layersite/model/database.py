"""The databases that layersite makes, goldens and clones: what a server remembers of them, and what they are called."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from layersite.model.document import Many, Model
from layersite.model.names import fit

__all__ = [
    "PODS",
    "Brought",
    "Clone",
    "Data",
    "Delivery",
    "Golden",
    "Instance",
    "Suited",
    "clone_name",
    "golden_name",
    "secret_name",
    "variable_of",
]

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Instant = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$")]
"""As exact as it takes to tell a clone from the one before."""


class Golden(Model):
    """A masked, verified, read-only database that clones are made from.

    `contract` and `attestation` are SHA-256 digests, `migrations` is what the source's migration ledger lists, in its
    order, `bytes` the size on disk, `built` is UTC to the second.
    """

    name: str
    database: str
    engine: Literal["postgresql", "mariadb"]
    built: Moment
    contract: Digest
    attestation: Digest
    server: str
    migrations: tuple[str, ...] = ()
    bytes: int = 0
    rows: int = 0


class Instance(Model):
    """A server of a clone's own: the host that it runs on, its folder there, and its port."""

    host: str
    directory: str
    port: int


class Clone(Model):
    """One environment's own database, made from a golden; `method` is how, `seconds` how long it took.

    Without a golden it was made empty, and `filled` says how many rows were made up since, None where it was not yet
    tried. `again` is that of the `Data` that asked for it.
    """

    name: str
    site: str
    environment: str
    database: str
    golden: str | None
    method: str
    seconds: float
    built: Instant
    again: int = 0
    filled: int | None = None
    instance: Instance | None = None


class Brought(Model):
    """What an environment got: its clone `name`, made in `seconds` by `method`, of a golden with so many rows.

    Without a golden it was made empty, and the rows were made up since.
    """

    database: str
    name: str
    golden: str | None
    golden_built: str
    rows: int
    method: str
    seconds: float

    @classmethod
    def of(cls, clone: Clone, golden: Golden | None) -> "Brought":
        """Return what `clone` is, with what its golden tells if that is still there."""
        built, rows = (golden.built, golden.rows) if golden else ("", clone.filled or 0)
        made = clone.model_dump(include={"database", "name", "golden", "method", "seconds"})
        return cls.model_validate({**made, "golden_built": built, "rows": rows})

    @property
    def how(self) -> str:
        """How it was made, and how long that took."""
        return f"cloned by {self.method} in {self.seconds:g} s" if self.golden else f"made empty in {self.seconds:g} s"


PODS = "pods"
"""Among what was changed: pods that had to begin again, for they knew another clone."""


@dataclass(frozen=True)
class Delivery:
    """What became of the databases of an environment: what it got, and why not all (None if it is all).

    `is_made`: one of them was not there before. `is_renewed`: its pods had to begin again, for they knew another.
    """

    problem: str | None = None
    databases: tuple[Brought, ...] = ()
    is_made: bool = False
    is_renewed: bool = False


@dataclass(frozen=True)
class Suited:
    """What a database is made from that suits what an environment shows, and what its people should know.

    Without a golden it is made empty. `is_anew`: even where there is one of the same origin, for it serves no more.
    """

    golden: Golden | None
    notes: tuple[str, ...] = ()
    is_anew: bool = False


class Data(Model):
    """What `environment.yaml` says of one database of an environment: where it is and which proof it rests on.

    Without a golden it is made empty, for the app to migrate and for made-up rows. `again` counts how often it had to
    be made anew because a push took back what it may have applied. `notes` are for people: why it is not the newest
    golden, and what a change's new migrations may do.
    """

    name: str
    golden: str | None = None
    attestation: Digest | None = None
    migration: str | None = None
    again: int | None = None
    notes: Many[str] | None = None


def golden_name(database: str, digest: str) -> str:
    """Return the name of the golden of `database` whose content has `digest` (hex), at most 63 characters."""
    return f"golden_{_word(fit(database, 40))}_{digest[:12]}"


def clone_name(prefix: str, environment: str, database: str) -> str:
    """Return the name of a clone, and of the role that owns it, at most 63 characters.

    `prefix` is the site's namespace prefix, by which alone a clone is known as the site's; no two pairs share a name.
    """
    return _word(f"{prefix}{environment}__{fit(database, 63 - len(prefix) - len(environment) - 2)}")


def secret_name(database: str) -> str:
    """Return the name of the Secret by which the pods of an environment find their clone of `database`."""
    return f"database-{database}"


def variable_of(database: str, what: Literal["SOURCE", "SERVER", "GOLDENS", "KEY"]) -> str:
    """Return the variable that holds a connection URI of `database`, or the key by which it is masked."""
    return f"LAYERSITE_DATABASE_{_word(database).upper()}_{what}"


def _word(text: str) -> str:
    """Return `text` without hyphens; names here have single ones and no underscores, so none becomes another's."""
    return text.replace("-", "_")
