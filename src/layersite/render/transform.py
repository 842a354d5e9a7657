"""What every object of an app goes through: namespace, labels, images, replicas, variables, Service types."""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping

from layersite.model.environment import Environment
from layersite.model.site import Site
from layersite.model.yaml import Yaml

__all__ = [
    "SYNC_OPTIONS",
    "UNCHECKED",
    "asleep",
    "checked",
    "containers",
    "copied",
    "own",
    "pod_spec",
    "set_images",
    "set_replicas",
    "set_variables",
    "to_cluster_ip",
]

_POD_PATHS = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    "PodTemplate": ("template", "spec"),
}
SYNC_OPTIONS, UNCHECKED = "argocd.argoproj.io/sync-options", "Validate=false"
_SCALABLE = {"Deployment", "StatefulSet", "ReplicaSet"}


def pod_spec(item: Yaml) -> Yaml:
    """Return the pod spec inside any workload, None for other kinds."""
    found = item
    for step in _POD_PATHS.get(item["kind"], ("spec", "template", "spec")):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def containers(item: Yaml, fields: Iterable[str] = ("initContainers", "containers")) -> Iterator[Yaml]:
    """Yield the containers of a workload."""
    spec = pod_spec(item)
    for field in fields:
        yield from (spec.get(field) or []) if isinstance(spec, dict) else []


def own(item: Yaml, site: Site, environment: Environment, app: str) -> None:
    """Put `item` into the environment's namespace and label it and its pods with their owner.

    Labels that the app chose itself under `app.kubernetes.io/` stay; selectors are not touched.
    """
    owner = {"layersite.dev/environment": environment.name, "layersite.dev/app": app}
    common = {
        "app.kubernetes.io/name": app,
        "app.kubernetes.io/instance": environment.name,
        "app.kubernetes.io/part-of": re.sub(r"[^A-Za-z0-9._-]+", "-", site.organization).strip("-._"),
        "app.kubernetes.io/managed-by": "layersite",
    }
    metadata = item["metadata"]
    if item["kind"] != "Namespace":
        metadata["namespace"] = environment.namespace
    metadata["labels"] = {**common, **(metadata.get("labels") or {}), **owner}
    spec = pod_spec(item)
    if isinstance(spec, dict) and item["kind"] != "Pod":
        template = _parent_of_pod_spec(item).setdefault("metadata", {})
        template["labels"] = {**(template.get("labels") or {}), **owner}


def _parent_of_pod_spec(item: Yaml) -> Yaml:
    found = item
    for step in _POD_PATHS.get(item["kind"], ("spec", "template", "spec"))[:-1]:
        found = found[step]
    return found


def set_images(item: Yaml, images: Mapping[str, str]) -> None:
    """Replace each container's image whose name without tag and digest is a key of `images`."""
    for container in containers(item, ("initContainers", "containers", "ephemeralContainers")):
        name = _without_tag(str(container.get("image", "")))
        if name in images:
            container["image"] = images[name]


def _without_tag(image: str) -> str:
    """Return `image` without `:tag` and `@digest`; a colon before the last slash belongs to a registry's port."""
    name = image.split("@")[0]
    head, slash, tail = name.rpartition("/")
    return head + slash + tail.split(":")[0]


def set_replicas(item: Yaml, replicas: int | None) -> None:
    """Set the number of replicas of a scalable workload."""
    if replicas is not None and item["kind"] in _SCALABLE:
        item["spec"]["replicas"] = replicas


def asleep(items: Iterable[Yaml]) -> list[Yaml]:
    """Return `items` as they are while the environment sleeps: no pods, and nothing that would start any.

    HorizontalPodAutoscalers go until it wakes, KEDA's ScaledObjects pause, CronJobs are suspended, DaemonSets find no
    node. Storage, Services and databases stay.
    """
    kept = [item for item in items if item["kind"] != "HorizontalPodAutoscaler"]
    for item in kept:
        set_replicas(item, 0)
        if item["kind"] == "ScaledObject":
            item["metadata"].setdefault("annotations", {})["autoscaling.keda.sh/paused-replicas"] = "0"
        elif item["kind"] == "CronJob":
            item["spec"]["suspend"] = True
        elif item["kind"] == "DaemonSet":
            pod_spec(item)["nodeSelector"] = {"layersite.dev/asleep": "true"}
    return kept


def set_variables(item: Yaml, variables: Mapping[str, Yaml]) -> None:
    """Set environment variables (`value` or `valueFrom`) in every container of a workload, in place of its own."""
    for container in containers(item):
        kept = [entry for entry in container.get("env") or [] if entry.get("name") not in variables]
        if variables:
            container["env"] = kept + [{"name": name, **variables[name]} for name in sorted(variables)]


def to_cluster_ip(item: Yaml) -> None:
    """Make a Service that would get an address of the node or the cloud one that stays inside the cluster."""
    if item["kind"] == "Service" and item.get("spec", {}).get("type") in ("LoadBalancer", "NodePort"):
        for field in (
            "loadBalancerIP",
            "loadBalancerClass",
            "loadBalancerSourceRanges",
            "allocateLoadBalancerNodePorts",
            "externalTrafficPolicy",
            "healthCheckNodePort",
        ):
            item["spec"].pop(field, None)
        item["spec"]["type"] = "ClusterIP"
        for port in item["spec"].get("ports") or []:
            port.pop("nodePort", None)


def checked(item: Yaml) -> None:
    """Have Argo CD apply `item`, which has been held against its schema here, without doing so again.

    It would read the API server's whole OpenAPI document twice per object, which is half of what a sync costs.
    """
    annotations = item["metadata"].setdefault("annotations", {})
    given = annotations.get(SYNC_OPTIONS)
    annotations[SYNC_OPTIONS] = f"{given},{UNCHECKED}" if given else UNCHECKED


def copied(items: Iterable[Yaml]) -> list[Yaml]:
    """Return deep copies, so that what is cached stays as it is."""
    return copy.deepcopy(list(items))
