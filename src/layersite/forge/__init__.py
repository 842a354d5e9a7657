"""Where changes come from and where the bot speaks: two Protocols, one adapter per kind of forge."""

from typing import Protocol

from layersite.forge.git import GitForge
from layersite.forge.status import Status
from layersite.model.change import Change
from layersite.model.command import Asked

__all__ = ["Conversation", "Forge", "GitForge", "Status"]


class Forge(Protocol):
    """What the bot asks a forge. Every answer is complete, or a ForgeError; none is ever a silent part."""

    def changes(self) -> list[Change]:
        """Return every open change of every repository of the site."""

    def find(self, change: Change) -> Change | None:
        """Ask for one change by itself, past any listing or cache, by its key alone; None if it is closed.

        Where a change has a number, the answer is as complete as in the listing; else only `sha` is sure to be current.
        """

    def resolve(self, repository: str, ref: str) -> str:
        """Return the commit that `ref` (a branch, a tag or a full commit id) names in `repository`."""


class Conversation(Protocol):
    """Where a forge lets the bot speak on a change; doing it again changes nothing. Raises ForgeError."""

    def comment(self, change: Change, key: str) -> str | None:
        """Return the bot's own comment for `key` (an environment's name), None if there is none."""

    def say(self, change: Change, key: str, body: str) -> None:
        """Create or replace the one comment for `key`; copies that a killed run left are removed."""

    def asked(self, change: Change) -> list[Asked]:
        """Return the comments on a change that ask the bot for something and bear no answer of its account."""

    def answer(self, asked: Asked, is_done: bool) -> None:
        """Mark a comment as answered, for people and for every later run, by a reaction."""

    def set_status(self, change: Change, status: Status) -> None:
        """Put `status` on the change's commit."""

    def may_write(self, repository: str) -> bool:
        """Return whether the bot's account may set statuses in a repository of the site."""
