"""Remove what Argo CD leaves of environments that went: the namespace, and the volumes that carry its label.

Each pass looks at what is there now, so a run that was killed is simply run again.
"""

from collections import defaultdict
from collections.abc import Iterable

from layersite.cluster.api import ENVIRONMENT, Clusters, Json, Place
from layersite.cluster.hanging import describe, let_go
from layersite.cluster.outcome import Clock, Outcome, RealClock, foreign, outside, settle

__all__ = ["reap"]


def reap(
    clusters: Clusters,
    places: Iterable[Place],
    prefix: str,
    *,
    timeout: float,
    force: bool = False,
    dry_run: bool = False,
    clock: Clock | None = None,
) -> dict[str, Outcome]:
    """Remove the namespace and the labelled volumes of each environment in `places`; return what became of each.

    All of them together are waited for at most `timeout` seconds. With `force`, the finalizers of what hangs then are
    removed, and it waits once more.
    """
    clock = clock or RealClock()
    places = list(places)
    outcomes = outside(places, prefix)
    reaper = _Reaper(clusters, dry_run)
    outcomes |= settle([p for p in places if p.name not in outcomes], reaper.step, reaper.late, timeout, clock)
    hung = [place for place in places if outcomes[place.name].state == "hanging"]
    if force and hung:
        outcomes |= settle(hung, reaper.forced_step, reaper.late, timeout, clock)
    return outcomes


class _Reaper:
    def __init__(self, clusters: Clusters, dry_run: bool) -> None:
        self._clusters = clusters
        self._dry_run = dry_run
        self._removed: defaultdict[str, list[str]] = defaultdict(list)

    def step(self, place: Place) -> Outcome | None:
        """Look once, ask for what is still to be removed, and return the outcome if there is one."""
        cluster = self._clusters(place.context)
        namespace = cluster.get(place.path)
        if namespace is None:
            return self._without_namespace(place)
        if text := foreign(namespace, place):
            return Outcome("refused", text)
        if self._dry_run:
            return Outcome("present", f"the namespace {place.namespace} is to be removed", (place.namespace,))
        if "deletionTimestamp" not in namespace["metadata"]:
            cluster.delete(place.path, namespace)
            self._removed[place.name].append(f"Namespace/{place.namespace}")
        return None

    def forced_step(self, place: Place) -> Outcome | None:
        """Let go of what hangs, then look as `step` does."""
        cluster = self._clusters(place.context)
        namespace = cluster.get(place.path)
        if namespace is not None and not foreign(namespace, place):
            self._removed[place.name] += let_go(cluster, place, namespace)
        return self.step(place)

    def late(self, place: Place) -> Outcome:
        """Say what an environment that is not gone yet waits for."""
        cluster = self._clusters(place.context)
        namespace = cluster.get(place.path)
        if namespace is None:
            text = f"the namespace {place.namespace} is gone, but its volumes are not: their driver has yet to act"
        else:
            text = describe(cluster, place, namespace)
        return Outcome("hanging", text, tuple(self._removed[place.name]))

    def _without_namespace(self, place: Place) -> Outcome | None:
        """Remove the volumes whose label says that they belong to the environment, and name the others."""
        claimed = [
            volume
            for volume in self._clusters(place.context).volumes()
            if volume["spec"].get("claimRef", {}).get("namespace") == place.namespace
        ]
        ours = [volume for volume in claimed if volume["metadata"].get("labels", {}).get(ENVIRONMENT) == place.name]
        kept = tuple(volume["metadata"]["name"] for volume in claimed if volume not in ours and _is_retained(volume))
        if not ours:
            text = f"kept {', '.join(kept)}: retained volumes without the label {ENVIRONMENT}" if kept else ""
            return Outcome("gone", text, tuple(self._removed[place.name]), kept)
        if self._dry_run:
            names = tuple(volume["metadata"]["name"] for volume in ours)
            return Outcome("present", f"the volumes {', '.join(names)} are to be removed", names, kept)
        for volume in ours:
            self._remove(place, volume)
        return None

    def _remove(self, place: Place, volume: Json) -> None:
        """Remove a volume with what it stores: a driver looks at the policy when the object goes."""
        cluster = self._clusters(place.context)
        path = f"/api/v1/persistentvolumes/{volume['metadata']['name']}"
        if _is_retained(volume):
            cluster.patch(path, {"spec": {"persistentVolumeReclaimPolicy": "Delete"}})
            self._removed[place.name].append(f"PersistentVolume/{volume['metadata']['name']}")
        elif "deletionTimestamp" not in volume["metadata"]:
            cluster.delete(path, volume)


def _is_retained(volume: Json) -> bool:
    return bool(volume["spec"].get("persistentVolumeReclaimPolicy") == "Retain")
