"""A namespace that stays Terminating: tell what holds it, and let go of that only when told to."""

from collections.abc import Iterator
from dataclasses import dataclass

from layersite.cluster.api import Cluster, ClusterError, Json, Place

__all__ = ["describe", "let_go"]

_NAMED = 10


@dataclass(frozen=True)
class _Holder:
    """An object that is still there."""

    kind: str
    path: str
    metadata: Json

    @property
    def finalizers(self) -> list[str]:
        return list(self.metadata.get("finalizers", []))

    def __str__(self) -> str:
        waits = f" waits for {', '.join(self.finalizers)}" if self.finalizers else " is still there"
        return f"{self.kind}/{self.metadata['name']}{waits}"


def describe(cluster: Cluster, place: Place, namespace: Json) -> str:
    """Say which objects and finalizers hold the namespace."""
    holders = list(_holders(cluster, place, namespace))
    held = sorted(str(holder) for holder in holders)
    more = [f"and {len(held) - _NAMED} more"] if len(held) > _NAMED else []
    found = "; ".join([*held[:_NAMED], *more, *_complaints(namespace, brief=bool(held))])
    stuck = any(holder.finalizers for holder in holders)
    advice = "; see to what owns these finalizers, or set `environment_reap_force: true`" if stuck else ""
    return f"the namespace {place.namespace} stays Terminating: {found or 'the cluster does not say why'}{advice}"


def let_go(cluster: Cluster, place: Place, namespace: Json) -> list[str]:
    """Remove the finalizers of whatever holds the namespace and return what that was."""
    released = []
    for holder in _holders(cluster, place, namespace):
        if holder.finalizers and "deletionTimestamp" in holder.metadata:
            seen = {"resourceVersion": holder.metadata["resourceVersion"]}
            cluster.patch(holder.path, {"metadata": {**seen, "finalizers": None}})
            released.append(f"finalizers of {holder.kind}/{holder.metadata['name']}")
    return released


def _holders(cluster: Cluster, place: Place, namespace: Json) -> Iterator[_Holder]:
    """Yield the namespace itself where it has finalizers, and the objects in it that this account may list."""
    own = _Holder("Namespace", place.path, namespace["metadata"])
    if own.finalizers:
        yield own
    try:
        resources = cluster.listable()
    except ClusterError:
        return  # then what the namespace itself complains of must do
    for kind, path in resources:
        here = path.format(place.namespace)
        for metadata in _listed(cluster, here):
            yield _Holder(kind, f"{here}/{metadata['name']}", metadata)


def _listed(cluster: Cluster, path: str) -> list[Json]:
    try:
        return [item["metadata"] for item in cluster.items(path)]
    except ClusterError:
        return []


def _complaints(namespace: Json, brief: bool) -> list[str]:
    """Return the conditions that hold; of an account that may list objects, only those that say more than they do."""
    conditions = namespace.get("status", {}).get("conditions", [])
    return [
        condition["message"]
        for condition in conditions
        if condition["status"] == "True" and (not brief or condition["type"].endswith("Failure"))
    ]
