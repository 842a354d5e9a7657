"""Hold back what is rendered again until the last wave is healthy as it was committed, and its smoke tests passed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from layersite.model.errors import ArgoCDError
from layersite.model.site import Site
from layersite.plan import Plan, World, in_waves, last_wave, leave
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
    """What holds back; `manifests_at` returns the tree id of what an environment had at a commit, None if unknown.

    `has_smoke`: the site has smoke tests.
    """

    site: Site
    argocd: Shows | None
    manifests_at: Callable[[str, str], str | None]
    has_smoke: bool = False

    def hold(self, plan: Plan, world: World, snapshot: Snapshot) -> Plan:
        """Return `plan` with only the next wave of what it renders again, or none of it.

        Without an Argo CD nobody knows what is healthy: each run brings the next wave.
        """
        waiting = [action.name for action in plan.actions if action.renews]
        if not waiting:
            return plan
        _, last = last_wave(plan, world)
        if self.argocd is None:
            return in_waves(plan, world, world.current, last)
        try:
            found = self.argocd.applications()
        except ArgoCDError as error:
            return leave(plan, dict.fromkeys(waiting, f"waits for its wave until Argo CD can be asked: {error}"))
        shown = {
            name: found[self.site.application(name)] for name in world.current if self.site.application(name) in found
        }
        well = {name for name, application in shown.items() if application.is_well}
        arrived = {name for name in last & well if self._has_arrived(name, shown, snapshot)}
        return in_waves(plan, world, well, arrived, has_smoke=self.has_smoke)

    def _has_arrived(self, name: str, shown: "Mapping[str, Application]", snapshot: Snapshot) -> bool:
        """Whether the commit that Argo CD shows holds the manifests as they are committed now, or is the newest."""
        revision = shown[name].status.sync.revision
        return revision == snapshot.commit or self.manifests_at(revision, name) == snapshot.entries[name].manifests
