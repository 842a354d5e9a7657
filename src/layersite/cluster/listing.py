"""Which namespaces of a cluster belong to environments, by the label that they bear."""

from layersite.cluster.api import ENVIRONMENT, MANAGED_BY, Cluster
from layersite.cluster.client import connections

__all__ = ["environments_in", "labelled"]


def environments_in(context: str | None) -> dict[str, str]:
    """Return the namespaces of environments in the cluster of `context`, each with its name. Raises ClusterError."""
    return labelled(connections()(context))


def labelled(cluster: Cluster) -> dict[str, str]:
    """Return the namespaces that the bot made for environments, each with its environment's name."""
    found = [item["metadata"] for item in cluster.items("/api/v1/namespaces")]
    ours = [each for each in found if (each.get("labels") or {}).get(MANAGED_BY) == "layersite"]
    return {each["name"]: each["labels"][ENVIRONMENT] for each in ours if ENVIRONMENT in each["labels"]}
