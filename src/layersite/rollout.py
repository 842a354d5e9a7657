"""Hold back what is rendered again until Argo CD shows that the last wave is healthy as it was committed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from layersite.model.site import Site
from layersite.plan import Plan, World, in_waves, last_wave
from layersite.store import Snapshot

if TYPE_CHECKING:
    from layersite.argocd.received import Application

__all__ = ["Rollout"]


class Shows(Protocol):
    """Argo CD, as far as it shows how applications are."""

    def applications(self) -> "Mapping[str, Application]":
        """Return every application of the project by name."""


@dataclass(frozen=True)
class Rollout:
    """What holds back; `tree_at` returns the tree id of an environment at a commit, None where it is not known."""

    site: Site
    argocd: Shows | None
    tree_at: Callable[[str, str], str | None]

    def hold(self, plan: Plan, world: World, snapshot: Snapshot) -> Plan:
        """Return `plan` with only the next wave of what it renders again, or none of it. Raises ArgoCDError.

        Without an Argo CD nobody knows what is healthy: each run brings the next wave.
        """
        if not any(action.renews for action in plan.actions):
            return plan
        _, last = last_wave(plan, world)
        if self.argocd is None:
            return in_waves(plan, world, world.current, last)
        found = self.argocd.applications()
        shown = {
            name: found[self.site.application(name)] for name in world.current if self.site.application(name) in found
        }
        well = {name for name, application in shown.items() if application.is_well}
        return in_waves(plan, world, well, {name for name in last & well if self._has_arrived(name, shown, snapshot)})

    def _has_arrived(self, name: str, shown: "Mapping[str, Application]", snapshot: Snapshot) -> bool:
        """Whether the commit that Argo CD shows holds the environment as it is committed now, or is the newest."""
        revision = shown[name].status.sync.revision
        return revision == snapshot.commit or self.tree_at(revision, name) == snapshot.entries[name].tree
