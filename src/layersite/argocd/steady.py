"""Tell what runs from what has only started: without a readiness probe, a pod that is about to crash is ready.

Argo CD's own state is seconds behind, so the pods are asked for live.
"""

from dataclasses import dataclass

from layersite.argocd.judge import newest_pods, status_reason
from layersite.argocd.objects import Node, Pod
from layersite.argocd.server import Server

__all__ = ["Run", "Sight", "see", "sight_of"]

Run = tuple[str, str, int]
"""One run of a container: its pod's uid, its name, how often it was restarted."""


@dataclass(frozen=True)
class Sight:
    """All pods at one moment: whether all are ready, and the runs of which only time can tell."""

    is_ready: bool
    unproved: frozenset[Run] = frozenset()


def see(server: Server, name: str) -> Sight:
    """Look at the pods of the application `name`. Raises ArgoCDError, also when a pod is replaced meanwhile."""
    nodes = [node for node in newest_pods(server.tree(name).nodes) if status_reason(node) != "Completed"]
    return sight_of([(node, server.pod(name, node)) for node in nodes])


def sight_of(pods: list[tuple[Node, Pod]]) -> Sight:
    """Return what `pods` show."""
    alive = [(node, pod) for node, pod in pods if pod.status.phase != "Succeeded"]
    unproved = set()
    for node, pod in alive:
        probed = {each.name for each in pod.spec.containers if each.readiness_probe is not None}
        for status in pod.status.container_statuses:
            if not status.ready:
                return Sight(False)
            if status.name not in probed:
                unproved.add((node.uid, status.name, status.restart_count))
    return Sight(all(pod.status.container_statuses for _, pod in alive), frozenset(unproved))
