"""What a person decides about one living environment by name: its lease. Only its `environment.yaml` changes.

Nothing is rendered and no forge is asked: the commit is the record, and the next run tells the people of the change.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from layersite.follow import Stores
from layersite.model.environment import Environment, to_yaml
from layersite.model.life import Lease
from layersite.model.site import Site
from layersite.plan import Action, Plan, hold_back, lease
from layersite.store import Write
from layersite.writer import Outcome, trailer

__all__ = ["Keeper"]


@dataclass(frozen=True)
class Keeper:
    """The environments of one site as people keep them."""

    site: Site
    store: Stores
    now: Callable[[], datetime]

    def extend(self, name: str, hours: int, by: str, reason: str, *, dry_run: bool = False) -> Outcome:
        """Let the environment `name` live `hours` longer. Raises UnknownNameError, InvalidInputError."""

        def longer(current: Environment) -> Lease:
            return lease.extend(self.site, current, hours, by, reason, self.now())

        return self._give(name, "extend", longer, dry_run)

    def pin(self, name: str, by: str, reason: str, *, dry_run: bool = False) -> Outcome:
        """Keep the environment `name` for as long as its change is open. Raises UnknownNameError."""
        return self._give(name, "pin", lambda current: lease.pin(current, by, reason), dry_run)

    def unpin(self, name: str, by: str, *, dry_run: bool = False) -> Outcome:
        """Let the lease of the environment `name` begin anew. Raises UnknownNameError."""
        return self._give(name, "unpin", lambda current: lease.unpin(self.site, current, by, self.now()), dry_run)

    def _give(self, name: str, verb: str, new: Callable[[Environment], Lease | None], dry_run: bool) -> Outcome:
        snapshot = self.store.read()
        entry, current = snapshot.entry(name), snapshot.living(name)
        given = new(current)
        kept = current.model_copy(update={"lease": given, "generation": current.generation + 1})
        plan = Plan((Action("update", name, _describe(given), kept),))
        if dry_run or given == current.lease:
            return Outcome(plan if dry_run else Plan((Action("leave", name, "nothing changed"),)), dry_run=dry_run)
        files = {"environment.yaml": to_yaml(kept).encode()}
        done = self.store.commit([Write(name, files, entry.tree, trailer(kept), entry.manifests)], f"{verb} {name}")
        text = "somebody else changed it in the environments repository meanwhile; run this again"
        return Outcome(hold_back(plan, dict.fromkeys(done.conflicts, text)), done.commit)


def _describe(given: Lease | None) -> str:
    if given is None:
        return "it lives as long as its change is open"
    return "it is pinned" if given.pinned else f"its lease ends at {given.until}"
