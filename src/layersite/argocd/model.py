"""What this package says: what became of an application, and what stands in its way."""

from dataclasses import dataclass
from typing import Literal

from layersite.model.standing import Trouble

__all__ = ["Difference", "Outcome", "Patience", "Result"]


@dataclass(frozen=True)
class Patience:
    """How long a trouble may last, in seconds, before it counts as failed for good; merely starting never does."""

    seconds: float = 60
    """An image that cannot be pulled, a refused manifest, a failed comparison, a degraded object."""
    restarts: int = 3
    """How often one pod's containers may crash."""
    missing: float = 300
    """What others deliver: a Secret or ConfigMap that is not there yet."""
    settle: float = 3
    """How long a container without a readiness probe must run: Kubernetes calls it ready until it has crashed."""


Outcome = Literal["healthy", "failed", "late", "unseen", "gone"]


@dataclass(frozen=True)
class Result:
    """What became of one application.

    When the time was up, a `late` one was neither healthy nor failed, and of an `unseen` one Argo CD did not answer.
    """

    name: str
    outcome: Outcome
    reason: str = ""
    revision: str = ""
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True)
class Difference:
    """One object that is not in the cluster as it was committed: `how`, and both sides as YAML."""

    kind: str
    name: str
    how: str
    live: str
    wanted: str
