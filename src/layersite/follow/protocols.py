"""What the bot speaks to around a commit, as it needs them: the repository, Argo CD, the playbooks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from layersite.model.database import Delivery
from layersite.model.environment import Environment, Tombstone
from layersite.store import Committed, Snapshot, Write

if TYPE_CHECKING:  # importing the client costs half a second, which only sites with an Argo CD need to pay
    from layersite.argocd.model import Result
    from layersite.argocd.received import Application

__all__ = ["Deploys", "Reaps", "Stores"]


class Stores(Protocol):
    """The environments repository, as the bot needs it."""

    def read(self) -> Snapshot:
        """Return what is committed now."""

    def known(self) -> Snapshot:
        """Return what is committed as far as it is known here, without asking anybody."""

    def commit(self, writes: list[Write], subject: str) -> Committed:
        """Commit and push `writes` together, or nothing if they change nothing."""

    def contains(self, revision: str, commit: str) -> bool:
        """Whether `commit` is `revision` or one of its ancestors."""


class Deploys(Protocol):
    """Argo CD, as the bot needs it."""

    def applications(self) -> "Mapping[str, Application]":
        """Return every application of the project by name."""

    def nudge(self, repository: str, branch: str, before: str, after: str, paths: Sequence[str]) -> tuple[str, ...]:
        """Tell it of a push; return what did not work, for it polls anyway."""

    def await_synced(
        self,
        wanted: Mapping[str, str],
        *,
        deadline: float,
        contains: Callable[[str, str], bool],
        tell: Callable[[str], None],
    ) -> "Iterator[Result]":
        """Yield what became of each application (with the commit it must show), as soon as it is known."""

    def await_gone(self, names: Iterable[str], *, deadline: float, tell: Callable[[str], None]) -> "Iterator[Result]":
        """Yield each application once it is gone, or when the time (seconds) is up."""


class Reaps(Protocol):
    """The site's playbooks, as the bot needs them: each answer tells by name what did not work, or None."""

    def reap(self, tombstones: Sequence[Tombstone]) -> dict[str, str | None]:
        """Remove what Argo CD leaves of each environment."""

    def secrets(self, environments: Sequence[Environment]) -> dict[str, str | None]:
        """Bring the declared secrets of each environment to its namespace."""

    def databases(self, environments: Sequence[Environment], *, reset: bool = False) -> dict[str, Delivery]:
        """Bring each environment its clones, and their Secrets to its namespace."""

    def drop(self, environments: Sequence[Environment]) -> dict[str, str | None]:
        """Remove the clones of environments that are gone."""
