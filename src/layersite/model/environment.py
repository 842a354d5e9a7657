"""An environment as it is committed: `environment.yaml` while it lives, `tombstone.yaml` while it goes away."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from layersite.model.capacity import Requests
from layersite.model.change import Change
from layersite.model.database import Data
from layersite.model.document import Label, Many, Model
from layersite.model.life import Call, Lease
from layersite.model.names import is_environment_name
from layersite.model.site import Provision
from layersite.model.yaml import Yaml, dump

__all__ = [
    "Environment",
    "EnvironmentName",
    "Lease",
    "Member",
    "RenderLock",
    "Slot",
    "Tombstone",
    "Wave",
    "changes_of",
    "to_yaml",
]


def _name(text: str) -> str:
    if not is_environment_name(text):
        raise ValueError("must be lower-case letters, digits and single hyphens, 3 to 40 characters")
    return text


def _sha(text: str) -> str:
    if len(text) not in (40, 64) or not set(text) <= set("0123456789abcdef"):
        raise ValueError("must be a full commit id")
    return text


EnvironmentName = Annotated[str, AfterValidator(_name)]
Sha = Annotated[str, AfterValidator(_sha)]


class Member(Model):
    """One commit that the environment shows: of a change, or of a ref that was asked for by name.

    `change` is false for an environment without a change and for the baseline.
    """

    repository: Label
    number: int | None = None
    branch: str
    sha: Sha
    url: str = ""
    apps: Many[Label] = ()
    change: bool = True
    author: str = ""

    def __str__(self) -> str:
        return f"{self.repository}{'#' if self.change else '@'}{self.branch if self.number is None else self.number}"


class Slot(Model):
    """How one app of the slice is provided, why, and for an isolated one from which commit with which images."""

    provision: Provision
    reason: str
    sha: Sha | None = None
    images: dict[str, str] = {}


class Wave(Model):
    """Of which wave an environment was when only what it is rendered from changed; `of` is the hash of that."""

    of: str
    number: int


class RenderLock(Model):
    """What the manifests were made by and from, so that drift can be told offline: hash of the inputs, git tree id."""

    layersite: str
    inputs: str
    manifests: str
    parts: dict[str, str] | None = None
    """A hash of each thing that people edit: the site, every app of the slice, its overlays, and what was decided."""
    wave: Wave | None = None
    smoke: Literal["due", "failed"] | None = None
    """Its smoke tests are to come since a wave rendered it, or failed; while its wave has that, the next one waits."""


class Environment(Model):
    """`environments/<2 hex>/<name>/environment.yaml`."""

    name: EnvironmentName
    cluster: str
    namespace: Label
    generation: Annotated[int, Field(ge=1)] = 1
    members: Many[Member] = ()
    slice: dict[Label, Slot]
    urls: dict[Label, str] = {}
    data: dict[Label, Data] | None = None
    lease: Lease | None = None
    state: Literal["active", "asleep"] = "active"
    call: Call | None = None
    heard: int | None = None
    """The newest comment of its changes that was carried out: none counts twice."""
    requests: Requests = Requests()
    render: RenderLock | None = None

    @property
    def origins(self) -> dict[str, tuple[str | None, int | None]]:
        """By what each of its databases differs from one made before."""
        return {name: (data.golden, data.again) for name, data in (self.data or {}).items()}


class Tombstone(Model):
    """`tombstone.yaml`: the environment is going away; `reap` lists what must still be removed from the cluster."""

    name: EnvironmentName
    cluster: str
    namespace: Label
    generation: Annotated[int, Field(ge=1)]
    cause: Literal["closed", "expired", "teardown"]
    reason: str
    members: Many[Member] = ()
    data: dict[Label, Data] | None = None
    """The databases that it had, whose clones go too."""
    heard: int | None = None
    """The newest comment of its changes that was carried out."""
    reap: Many[str] = ("application", "namespace")


def changes_of(members: Iterable[Member]) -> list[Change]:
    """Return the changes that the members of an environment come from."""
    return [Change(m.repository, m.number, m.branch, m.sha) for m in members if m.change]


def to_yaml(document: Environment | Tombstone) -> str:
    """Write `document` as it is committed: sorted keys, stable bytes, nothing that is unset."""
    data: Yaml = document.model_dump(mode="json", exclude_none=True, by_alias=True)
    return dump(data)
