"""Take out of an object what only the cluster it came from, or the tool that made it, had a use for."""

import re

from layersite.adopt.material import WORKLOADS, Item, pod_template
from layersite.model.yaml import Yaml

__all__ = ["tidy", "warnings"]

_METADATA = re.compile(
    "creationTimestamp|deletionTimestamp|finalizers|generation|managedFields|namespace|ownerReferences|resourceVersion"
    "|selfLink|uid"
)
_ANNOTATION = re.compile(
    r"kubectl\.kubernetes\.io/|deployment\.kubernetes\.io/revision|(?:meta\.)?helm\.sh/|config\.kubernetes\.io/"
    r"|internal\.config\.kubernetes\.io/|kompose\.|com\.docker\.compose"
)
_PUBLIC = re.compile(
    "allocateLoadBalancerNodePorts|clusterIPs?|externalIPs|externalTrafficPolicy|healthCheckNodePort|loadBalancer[A-Z].*"
)


def tidy(item: Item) -> None:
    """Clean `item` in place."""
    data = item.data
    data.pop("status", None)
    selected: dict[str, Yaml] = {}
    if item.kind in WORKLOADS:
        selected = ((data.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
        _tidy_metadata(pod_template(item).get("metadata") or {}, selected)
    _tidy_metadata(data["metadata"], {})
    if item.kind == "Service":
        _tidy_service(data["spec"])
    if item.kind == "PersistentVolumeClaim":
        data["spec"].pop("volumeName", None)


def _tidy_metadata(metadata: Yaml, selected: Yaml) -> None:
    for key in list(filter(_METADATA.fullmatch, metadata)):
        del metadata[key]
    labels = metadata.get("labels") or {}
    for key, value in list(labels.items()):
        if key not in selected and (key.startswith("helm.sh/") or (key.endswith("/managed-by") and value == "Helm")):
            del labels[key]
    annotations = metadata.get("annotations") or {}
    for key in list(annotations):
        if _ANNOTATION.match(key):
            del annotations[key]
    for key in ("labels", "annotations"):
        if not metadata.get(key):
            metadata.pop(key, None)


def _tidy_service(spec: Yaml) -> None:
    is_headless = spec.get("clusterIP") == "None"
    for key in list(filter(_PUBLIC.fullmatch, spec)):
        del spec[key]
    if is_headless:
        spec["clusterIP"] = "None"
    if spec.get("type") in ("LoadBalancer", "NodePort"):
        spec["type"] = "ClusterIP"
    for port in spec.get("ports") or []:
        port.pop("nodePort", None)


def warnings(item: Item) -> list[str]:
    """Return what in the pods of a workload an environment will refuse."""
    spec = pod_template(item).get("spec") or {}
    found = [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    found += ["hostPath" for volume in spec.get("volumes") or [] if "hostPath" in volume]
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        found += ["privileged"] if (container.get("securityContext") or {}).get("privileged") else []
        found += ["hostPort" for port in container.get("ports") or [] if "hostPort" in port]
    return sorted(set(found))
