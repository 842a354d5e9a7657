"""How much environments may use together, and what one of them asks for."""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from layersite.model.document import Label, Many, Matching, Model

__all__ = ["Capacity", "Caps", "ClusterName", "Requests", "quantity"]

_UNITS = {"": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
Count = Annotated[int, Field(ge=0)]
Cap = Annotated[int, Field(ge=1)] | None
ClusterName = Annotated[str, Matching(r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$", "the name that `argocd cluster list` shows")]


class Requests(Model):
    """What the pods of an environment request together, as rendered; nothing while it sleeps."""

    millicores: int = 0
    mebibytes: int = 0


class Caps(Model):
    """What environments may use together. Null: no cap."""

    environments: Count | None = None
    """With 0, what is there stays and no new one comes."""
    cores: Cap = None
    """What their pods request of CPU, as rendered."""
    gibibytes: Cap = None
    """What their pods request of memory, as rendered."""


def _caps(given: object) -> object:
    """A number alone is one of environments."""
    if given is None:
        return {}
    return {"environments": given} if isinstance(given, int) else given


Each = Annotated[Caps, BeforeValidator(_caps, json_schema_input_type=Caps | Count | None)]


class Team(Caps):
    """What the environments of a team's people may use together."""

    authors: Many[Annotated[str, Matching(r"^\S(.*\S)?$", "a login on the forge, or with plain git a name")]]
    """Their logins, in upper or lower case; who is in no team counts for none."""


class Capacity(Caps):
    """Caps for new environments; what does not fit waits in a queue. Those at the top are for all together."""

    per_author: Each = Caps()
    """What one author's environments may use; a number alone is one of environments."""
    per_repository: Each = Caps()
    """The same for the environments that changes of one repository take part in."""
    teams: dict[Label, Team] = {}
    clusters: dict[ClusterName, Caps] = {}
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
