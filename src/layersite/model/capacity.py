"""How much environments may use together, and what one of them asks for."""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from layersite.model.document import Matching, Model

__all__ = ["Capacity", "ClusterName", "Requests", "Room", "quantity"]

_UNITS = {"": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
Cap = Annotated[int, Field(ge=1)] | None
ClusterName = Annotated[str, Matching(r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$", "the name that `argocd cluster list` shows")]


class Requests(Model):
    """What the pods of an environment request together, as rendered; nothing while it sleeps."""

    millicores: int = 0
    mebibytes: int = 0


class Room(Model):
    """What environments may use of one cluster; 0 environments: what is there stays, and no new one comes."""

    environments: Annotated[int, Field(ge=0)] | None = None
    cores: Cap = None
    gibibytes: Cap = None


class Capacity(Model):
    """Caps for new environments; what does not fit waits in a queue. Null: no cap."""

    environments: Cap = None
    per_author: Cap = None
    """Environments by one author of changes."""
    per_repository: Cap = None
    """Environments that changes of one repository take part in."""
    cores: Cap = None
    """CPU requests of all together."""
    gibibytes: Cap = None
    """Memory requests of all together."""
    clusters: dict[ClusterName, Room] = {}
    """The clusters that environments are placed on, the emptiest first; by default all go to `cluster.name`."""
    preempt: Literal["sleep", "teardown"] | None = None
    """What becomes of idle environments when there is no room for the first in the queue; null: nothing, it waits."""
    idle_hours: Annotated[int, Field(ge=1, le=87600)] = 24
    """How long nothing must have happened on the changes of an idle one."""


def quantity(text: str) -> Decimal:
    """Return a Kubernetes quantity such as `250m`, `1.5`, `64Mi` or `1e3` as a number. Raises ValueError."""
    found = re.fullmatch(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(m|[kMGTPE]?|[KMGTPE]i)", text)
    if not found:
        raise ValueError(f"{text!r} is no quantity such as 250m or 64Mi")
    number, unit = Decimal(found[1]), found[2]
    if unit == "m":
        return number / 1000
    base = 1024 if unit.endswith("i") else 1000
    return number * Decimal(base) ** _UNITS[unit.removesuffix("i").replace("K", "k")]
