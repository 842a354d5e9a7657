"""Find what is left in the cluster without an environment, and remove it, after a second look and within a cap."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from layersite.model.environment import Environment, Tombstone
from layersite.model.errors import PartialError
from layersite.model.site import Site
from layersite.plan import Orphan, doubts, find_orphans
from layersite.store import Snapshot

__all__ = ["FINE", "Reaper"]

FINE = frozenset({"was removed", "would be removed", "is left"})
"""What becomes of something without fault; any other outcome says what did not work."""


@dataclass(frozen=True)
class Reaper:
    """One cluster of a site beside its repository.

    `namespaces` lists those of environments, each with its environment's name; `remove` returns what did not work.
    """

    site: Site
    read: Callable[[], Snapshot]
    applications: Callable[[], Collection[str]]
    namespaces: Callable[[], Mapping[str, str]]
    remove: Callable[[Sequence[Tombstone]], Mapping[str, str | None]]
    cluster: str = "in-cluster"

    def reap(self, *, dry_run: bool = False, yes: bool = False) -> list[tuple[Orphan, str]]:
        """Remove what nothing accounts for; return each finding with what became of it.

        Raises:
            LayersiteError: a listing failed; nothing was removed.
            PartialError: a listing cannot be believed, or too much would go; nothing was removed.
        """
        namespaces, applications = self.namespaces(), self.applications()
        current = self._current()  # read last: what was made meanwhile has its directory
        orphans = find_orphans(self.site, current, namespaces, applications, self.cluster)
        if doubt := doubts(self.site, current, namespaces, applications, orphans, self.cluster, yes):
            raise PartialError(f"nothing was removed: {doubt}")
        stones = [orphan.stone for orphan in orphans if orphan.stone is not None]
        if dry_run:
            return [(orphan, "would be removed" if orphan.stone else "is left") for orphan in orphans]
        left = self.remove(stones) if stones else {}
        done = {stone.name: left.get(stone.name) or "was removed" for stone in stones}
        return [(orphan, done.get(orphan.name, "is left")) for orphan in orphans]

    def _current(self) -> dict[str, Environment | Tombstone]:
        entries = self.read().entries.items()
        return {name: found for name, entry in entries if (found := entry.environment or entry.tombstone)}
