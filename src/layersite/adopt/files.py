"""The text of an app's files: `app.yaml` with a comment of evidence behind each need, and one file per object.

Of an object goes what only the cluster it came from, or the tool that made it, had a use for.
"""

import re
from collections.abc import Collection, Iterable

from layersite.adopt.apps import Exposure
from layersite.adopt.objects import WORKLOADS, Item, every, first
from layersite.adopt.result import DeclaredSecret, Edge
from layersite.model.yaml import Yaml, dump

__all__ = ["app_file", "object_files"]

_METADATA = re.compile(
    "creationTimestamp|deletionTimestamp|finalizers|generation|managedFields|namespace|ownerReferences|resourceVersion"
    "|selfLink|uid"
)
_ANNOTATION = re.compile(
    r"(?:kubectl\.kubernetes\.io/|deployment\.kubernetes\.io/revision|(?:meta\.)?helm\.sh/|config\.kubernetes\.io/"
    r"|internal\.config\.kubernetes\.io/|kompose\.|com\.docker\.compose).*"
)
_PUBLIC = re.compile(
    "allocateLoadBalancerNodePorts|clusterIPs?|externalIPs|externalTrafficPolicy|healthCheckNodePort|loadBalancer[A-Z].*"
)
_SCHEMA = "# yaml-language-server: $schema=../../schemas/app.schema.json"
_HIDDEN = re.compile(r"[^\x20-\x7e\u00a0-\u167f\u1681-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\ud7ff]")
"""What a comment must not hold: control characters, line ends of any alphabet, marks that turn its direction."""


def app_file(
    repository: str | None,
    edges: Iterable[Edge],
    images: Iterable[str],
    exposure: Exposure | None,
    secrets: Iterable[DeclaredSecret],
) -> str:
    """Return the text of `app.yaml`."""
    lines = [_SCHEMA, "---", "base:", "  directory: base"]
    if repository is not None:
        lines.append(f"repository: {_scalar(repository)}")
    lines += _block("needs", [f"  - app: {_scalar(edge.needs)}{_comment(str(edge.evidence[0]))}" for edge in edges])
    hint = '    # repository: registry.example.com/{}\n    # tag: "{{sha}}"'
    lines += _block("images", [f"  - name: {_scalar(name)}\n{hint.format(name.rpartition('/')[2])}" for name in images])
    if exposure is not None:
        lines += ["expose:", f"  service: {_scalar(exposure.service)}{_comment(exposure.evidence)}"]
        lines += [f"  port: {exposure.port}"]
    declared: list[str] = []
    for secret in secrets:
        declared += [f"  - name: {_scalar(secret.name)}", "    source: copy"]
        declared += _block("    keys", [f"      - {_scalar(key)}" for key in secret.keys])
    lines += _block("secrets", declared)
    return "\n".join([*lines, ""])


def _block(key: str, lines: list[str]) -> list[str]:
    return [f"{key}:", *lines] if lines else []


def _scalar(value: Yaml) -> str:
    return dump(value).removeprefix("---\n").rstrip("\n")


def _comment(text: str) -> str:
    return f"  # {_HIDDEN.sub(lambda found: ascii(found[0])[1:-1], text)}"


def object_files(items: Iterable[Item]) -> dict[str, str]:
    """Return the text of each object by its path in the app's folder; the objects are tidied in place.

    A RoleBinding names the namespace of its accounts, which only the environment knows: it becomes an overlay.
    """
    files = {}
    for item in items:
        _tidy(item)
        name = re.sub(r"[^a-z0-9.-]", "-", f"{item.kind}-{item.name}".lower())
        if item.kind == "RoleBinding":
            accounts = [{**subject, "namespace": "{{ environment.namespace }}"} for subject in item.data["subjects"]]
            files[f"overlays/{name}.yaml.j2"] = dump({**item.data, "subjects": accounts})
        else:
            files[f"base/{name}.yaml"] = dump(item.data)
    return files


def _tidy(item: Item) -> None:
    item.data.pop("status", None)
    _tidy_metadata(item.data["metadata"], {})
    if item.kind in WORKLOADS:
        _tidy_metadata(item.template.get("metadata") or {}, first(item.data, "spec", "selector", "matchLabels") or {})
    if item.kind == "Service":
        _tidy_service(item.data["spec"])
    if item.kind == "PersistentVolumeClaim":
        item.data["spec"].pop("volumeName", None)


def _tidy_metadata(metadata: Yaml, selected: Collection[str]) -> None:
    _drop(metadata, _METADATA)
    _drop(metadata.get("annotations") or {}, _ANNOTATION)
    labels = metadata.get("labels") or {}
    for key, value in list(labels.items()):
        if key not in selected and (key.startswith("helm.sh/") or (key.endswith("/managed-by") and value == "Helm")):
            del labels[key]
    for key in ("labels", "annotations"):
        if not metadata.get(key):
            metadata.pop(key, None)


def _tidy_service(spec: Yaml) -> None:
    is_headless = spec.get("clusterIP") == "None"
    _drop(spec, _PUBLIC)
    if is_headless:
        spec["clusterIP"] = "None"
    if spec.get("type") in ("LoadBalancer", "NodePort"):
        spec["type"] = "ClusterIP"
    for port in every(spec, "ports"):
        port.pop("nodePort", None)


def _drop(mapping: dict[str, Yaml], keys: re.Pattern[str]) -> None:
    for key in list(filter(keys.fullmatch, mapping)):
        del mapping[key]
