"""Where changes come from: one Protocol, one adapter per kind of forge."""

from typing import Protocol

from layersite.forge.git import GitForge
from layersite.model.change import Change

__all__ = ["Forge", "GitForge"]


class Forge(Protocol):
    """What the bot asks a forge. Every answer is complete, or a ForgeError; none is ever a silent part."""

    def changes(self) -> list[Change]:
        """Return every open change of every repository of the site."""

    def find(self, change: Change) -> Change | None:
        """Ask for one change by itself, past any listing or cache: its present head, or None if it is closed.

        Only `sha` is sure to be current in the answer.
        """

    def resolve(self, repository: str, ref: str) -> str:
        """Return the commit that `ref` (a branch, a tag or a full commit id) names in `repository`."""
