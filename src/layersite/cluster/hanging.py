"""A namespace that stays Terminating: tell what holds it, and let go of that only when told to."""

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
    holders, is_complete = _holders(cluster, place, namespace)
    held = sorted(str(holder) for holder in holders)
    more = [f"and {len(held) - _NAMED} more"] if len(held) > _NAMED else []
    found = "; ".join([*held[:_NAMED], *more, *_complaints(namespace, failures_only=is_complete)])
    stuck = any(holder.finalizers for holder in holders)
    advice = "; see to what owns these finalizers, or set `environment_reap_force: true`" if stuck else ""
    found = found or "nothing is left in it, so the cluster is about to remove it; run this again"
    return f"the namespace {place.namespace} stays Terminating: {found}{advice}"


def let_go(cluster: Cluster, place: Place, namespace: Json) -> list[str]:
    """Remove the finalizers of whatever holds the namespace and return what that was."""
    released = []
    for holder in _holders(cluster, place, namespace)[0]:
        if holder.finalizers and "deletionTimestamp" in holder.metadata:
            seen = {"resourceVersion": holder.metadata["resourceVersion"]}
            cluster.patch(holder.path, {"metadata": {**seen, "finalizers": None}})
            released.append(f"finalizers of {holder.kind}/{holder.metadata['name']}")
    return released


def _holders(cluster: Cluster, place: Place, namespace: Json) -> tuple[list[_Holder], bool]:
    """Return what is left, the namespace itself where it has finalizers, and whether this account may see all of it."""
    own = _Holder("Namespace", place.path, namespace["metadata"])
    holders = [own] if own.finalizers else []
    is_complete = True
    for kind, path in cluster.listable():
        here = path.format(place.namespace)
        try:
            left = [item["metadata"] for item in cluster.items(here)]
        except ClusterError:  # what the namespace itself complains of must do then
            is_complete = False
            continue
        holders += [_Holder(kind, f"{here}/{metadata['name']}", metadata) for metadata in left]
    return holders, is_complete


def _complaints(namespace: Json, failures_only: bool) -> list[str]:
    """Return the conditions that hold: what the cluster failed to do, and else what it still finds in there."""
    conditions = namespace.get("status", {}).get("conditions", [])
    return [
        condition["message"]
        for condition in conditions
        if condition["status"] == "True" and (condition["type"].endswith("Failure") or not failures_only)
    ]
