"""The databases of a site: where their servers are for pods, and where their migrations are."""

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from layersite.model.document import Label, Many, Matching, Model

__all__ = ["Cidr", "Database", "Instances", "Migrations"]

Cidr = Annotated[str, Matching(r"^[0-9a-fA-F.:]+/\d+$", "a network such as 192.0.2.0/24")]


class Migrations(Model):
    """Where a database's migrations are: the tool that applies them, and the folder of a repository that holds them.

    A golden then serves only changes whose migrations lead on from what it has applied.
    """

    tool: Literal["alembic", "django", "flyway", "golang-migrate", "goose", "liquibase", "prisma", "rails"]
    repository: Label
    path: Annotated[
        str, Matching(r"^(?![/-])(?!(.*/)?\.\.(/|$))[^\x00-\x1f:]+$", "a folder inside the repository, or `.`")
    ]
    table: (
        Annotated[str, Matching(r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$", "`table` or `schema.table`")]
        | None
    ) = None
    """Where the tool's ledger is not in its usual table."""


class Instances(Model):
    """A server of its own for each environment: a copy of the golden's, on the host where layersite runs."""

    directory: Annotated[
        str, Matching(r"^(/[A-Za-z0-9_][A-Za-z0-9._-]*)+$", "an absolute folder of letters, digits and ._-", 150)
    ]
    """The folder of all of them, which is there already, and whose owner runs the servers."""
    ports: Annotated[str, Matching(r"^[1-9]\d{0,4}-[1-9]\d{0,4}$", "two ports such as 33100-33399", 11)]
    """The first and the last port that they may have."""
    start: Many[str] = ()
    """The command that starts one, where layersite does not itself: `{name}` is the clone, `{directory}` its folder."""
    stop: Many[str] = ()
    """The command that stops it."""

    @model_validator(mode="after")
    def _is_whole(self) -> "Instances":
        first, last = self.port_range
        if not first <= last <= 65535:
            raise ValueError(f"`{self.ports}` are no ports from a lower to a higher one, at most 65535")
        if bool(self.start) != bool(self.stop):
            raise ValueError("`start` and `stop` belong together; give both or neither")
        return self

    @property
    def port_range(self) -> tuple[int, int]:
        """The first and the last port."""
        first, _, last = self.ports.partition("-")
        return int(first), int(last)


class Database(Model):
    """A database of which environments get masked clones; `data/<name>/contract.yaml` says what becomes of each column.

    `host` and `port` are what pods call, and only they may: a Service such as postgres.databases.svc, an IP address, or
    any name with the `cidrs` that it is in. The server that holds goldens and clones, the source, and the masking key
    are read from the variables LAYERSITE_DATABASE_<NAME>_SERVER, …_SOURCE and …_KEY, never from a file.
    """

    engine: Literal["postgresql", "mariadb"] = "postgresql"
    host: Annotated[str, Matching(r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$", "a host name or an IP address", 253)]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """By default the engine's own."""
    cidrs: Many[Cidr] = ()
    keep: Annotated[int, Field(ge=1, le=100)] = 3
    """How many goldens are kept; one that a clone rests on is never removed."""
    instances: Instances | None = None
    """On MariaDB and MySQL, where each clone shall have a server of its own."""
    migrations: Migrations | None = None
    otherwise: Literal["refuse", "fixtures"] = "refuse"
    """What a change gets where no golden is there or fits it: no environment, or an empty database, which the app
    migrates and `data/<name>/fixtures.yaml` then fills."""

    @model_validator(mode="after")
    def _has_instances_of_its_engine(self) -> "Database":
        if self.instances and self.engine != "mariadb":
            raise ValueError("only `engine: mariadb` has `instances`; PostgreSQL copies databases within one server")
        return self

    @model_validator(mode="after")
    def _can_be_let_through(self) -> "Database":
        if self.service_namespace is None and not self.networks:
            text = (
                "is neither a Service (<service>.<namespace>.svc) nor an IP address, so give the `cidrs` that it is in"
            )
            raise ValueError(f"`{self.host}` {text}")
        return self

    @property
    def called_port(self) -> int:
        """The port that pods call."""
        return self.port or {"postgresql": 5432, "mariadb": 3306}[self.engine]

    @property
    def service_namespace(self) -> str | None:
        """The namespace of the Service that `host` names, None where it names something else."""
        found = re.fullmatch(r"[^.]+\.([^.]+)\.svc(\..+)?", self.host)
        return found[1] if found and not self.cidrs else None

    @property
    def networks(self) -> tuple[str, ...]:
        """The networks that the server is in, as CIDRs."""
        try:
            return self.cidrs or (str(ipaddress.ip_network(self.host)),)
        except ValueError:
            return ()
