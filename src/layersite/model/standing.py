"""How an environment stands, as the people of its changes are told; every text in it may come from outside."""

from dataclasses import dataclass
from typing import Literal

from layersite.model.command import Answer
from layersite.model.database import Brought
from layersite.model.environment import Environment, Tombstone

__all__ = ["FINAL", "Standing", "State", "Trouble"]

State = Literal[
    "waiting", "deploying", "ready", "asleep", "failed", "unseen", "refused", "skipped", "leaving", "stuck", "gone"
]
FINAL: frozenset[State] = frozenset({"ready", "asleep", "failed", "refused", "skipped", "gone"})
"""What nobody works on any more until something changes."""


@dataclass(frozen=True)
class Trouble:
    """One thing in the cluster that is not as it should be: which object, why, and its last words."""

    kind: str
    name: str
    reason: str
    message: str
    log: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.reason}{': ' if self.message else ''}{self.message}"


@dataclass(frozen=True)
class Standing:
    """One environment at one moment; `since` (UTC, to the second) is when it began to wait for an image."""

    name: str
    state: State
    summary: str
    environment: Environment | Tombstone | None = None
    troubles: tuple[Trouble, ...] = ()
    since: str = ""
    plan: tuple[str, ...] = ()
    smoke: str = ""
    """What the smoke tests said; empty where none ran."""
    is_told: bool = True
    """Whether the people of its changes were told."""
    databases: tuple[Brought, ...] = ()
    answers: tuple[Answer, ...] = ()
    """What became of the comments that asked for something."""

    @property
    def generation(self) -> int:
        """The environment's generation, 0 where nothing is committed."""
        return self.environment.generation if self.environment else 0
