"""Sort objects into apps: one per workload, every other object to the workload that uses it or that it serves."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from layersite.adopt.objects import WORKLOADS, Item, first, references
from layersite.adopt.result import Log
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.names import dns_label
from layersite.model.yaml import Yaml, dump

__all__ = ["Group", "group_objects"]

_BOT = "the bot makes it for each environment"
_CLUSTER = "belongs to the whole cluster, not to one environment"
_ROUTE = "the bot makes the route; `expose` of app.yaml says to what"
_REASONS = {
    "ClusterRole": _CLUSTER,
    "ClusterRoleBinding": _CLUSTER,
    "CustomResourceDefinition": _CLUSTER,
    "Gateway": _ROUTE,
    "GRPCRoute": _ROUTE,
    "HTTPRoute": _ROUTE,
    "Ingress": _ROUTE,
    "IngressClass": _CLUSTER,
    "LimitRange": _BOT,
    "Namespace": _BOT,
    "NetworkPolicy": _BOT,
    "PersistentVolume": _CLUSTER,
    "Pod": "a Pod alone is not restarted; make it a Deployment",
    "PriorityClass": _CLUSTER,
    "ResourceQuota": _BOT,
    "StorageClass": _CLUSTER,
}
_CUSTOM = "is not one of the kinds that are adopted; list it under `allowed_kinds` of layersite.yaml and add it by hand"
_ADOPTED = WORKLOADS | {
    "ConfigMap",
    "HorizontalPodAutoscaler",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
}


@dataclass(frozen=True)
class Group:
    """One app: its workload, and the objects that are written with it."""

    name: str
    workload: Item
    members: list[Item]


def group_objects(items: Sequence[Item], log: Log) -> tuple[list[Group], dict[str, list[str]]]:
    """Return the apps, sorted, and for each Service that leads to any of them the names of the apps behind it.

    Raises:
        InvalidInputError: there is no workload, or two of them would be one app.
    """
    fitting = [item for item in items if _is_fit(item, log)]
    groups = _groups([item for item in fitting if item.kind in WORKLOADS], log)
    if not groups:
        text = "holds no workload (Deployment, StatefulSet, DaemonSet, CronJob, Job), so there is no app to adopt"
        raise InvalidInputError([Problem(items[0].file, 0, "", text)])
    services: dict[str, list[str]] = {}
    for item in (item for item in fitting if item.kind not in WORKLOADS and item.kind != "Secret"):
        users = [group for group in groups if _uses(group.workload, item, fitting)]
        names = [group.name for group in users]
        if not users:
            log.leave_out(item.file, item.label, _orphan(item))
            continue
        users[0].members.append(item)
        if item.kind == "Service":
            services[item.name] = names
        if len(users) > 1:
            log.notes.add(f"{item.label}: written with {names[0]}, its first user; {', '.join(names[1:])} use it too")
    return groups, services


def _is_fit(item: Item, log: Log) -> bool:
    hooks = first(item.data, "metadata", "annotations", "helm.sh/hook")
    if hooks:
        reason = f"is a Helm hook ({hooks}), which runs around a release and is no part of an environment"
    elif item.kind not in _ADOPTED:
        reason = _REASONS.get(item.kind, _CUSTOM)
    elif item.kind == "RoleBinding" and re.search(r"\{[{%#]", dump(item.data)):
        reason = "holds template marks, and a RoleBinding is written as a template of its own"
    else:
        return True
    log.leave_out(item.file, item.label, reason)
    return False


def _groups(workloads: list[Item], log: Log) -> list[Group]:
    groups: dict[str, Group] = {}
    problems: list[Problem] = []
    for item in workloads:
        name = item.name if dns_label(item.name) else re.sub(r"[^a-z0-9]+", "-", item.name.lower()).strip("-")
        other = groups.setdefault(name, Group(name, item, [])).workload
        if other is not item:
            text = f"would be the app `{name}`, as {other.label} in {other.file} is; rename one of them"
            problems.append(Problem(item.file, item.line, item.label, text))
        if not dns_label(name):
            text = f"`{item.name}` cannot name an app: use at most 63 lower-case letters, digits and hyphens"
            problems.append(Problem(item.file, item.line, item.label, text))
        elif name != item.name:
            log.notes.add(f"{name}: named after `{item.name}`, which is no DNS label")
    if problems:
        raise InvalidInputError(problems)
    return [groups[name] for name in sorted(groups)]


def _uses(workload: Item, item: Item, items: Sequence[Item]) -> bool:
    """Whether `item` serves `workload`, or `workload` uses it."""
    if item.kind == "Service":
        return _selects(first(item.data, "spec", "selector"), workload)
    if item.kind == "PodDisruptionBudget":
        return _selects(first(item.data, "spec", "selector", "matchLabels"), workload)
    if item.kind == "HorizontalPodAutoscaler":
        return _names(first(item.data, "spec", "scaleTargetRef"), workload.kind, workload.name)
    if item.kind == "Role":
        bindings = [other for other in items if other.kind == "RoleBinding"]
        bound = [other for other in bindings if _names(other.data["roleRef"], item.kind, item.name)]
        return any(_uses(workload, binding, items) for binding in bound)
    account = workload.pod.get("serviceAccountName") or workload.pod.get("serviceAccount")
    if item.kind == "RoleBinding":
        subjects = item.data.get("subjects") or []
        is_local = item.data["roleRef"]["kind"] == "Role"
        return is_local and any(_names(subject, "ServiceAccount", account) for subject in subjects)
    if item.kind == "ServiceAccount":
        return bool(item.name == account)
    return any((kind, name) == (item.kind, item.name) for kind, name, _ in references(workload.pod))


def _names(reference: Yaml, kind: str, name: Yaml) -> bool:
    return bool(reference) and (reference.get("kind"), reference.get("name")) == (kind, name)


def _selects(selector: Mapping[str, Yaml] | None, workload: Item) -> bool:
    """Whether the pods carry all labels of `selector`; an empty one selects none."""
    labels = first(workload.template, "metadata", "labels") or {}
    return bool(selector) and (selector or {}).items() <= labels.items()


def _orphan(item: Item) -> str:
    if item.kind == "Service" and item.data["spec"].get("type") == "ExternalName":
        return (
            f"leads out of the cluster; add an app with `external: {{host: {item.data['spec'].get('externalName')}}}`"
        )
    if item.kind == "RoleBinding" and item.data["roleRef"]["kind"] != "Role":
        return "binds a ClusterRole, which an environment may not use"
    return "serves no adopted workload" if item.kind == "Service" else "no adopted workload uses it"
