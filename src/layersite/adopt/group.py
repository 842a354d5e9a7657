"""Sort objects into apps: one per workload, every other object to the workload that uses it or that it serves."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from layersite.adopt.material import WORKLOADS, Item, pod_template
from layersite.adopt.result import LeftOut
from layersite.adopt.uses import used_objects
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.names import dns_label
from layersite.model.yaml import Yaml, dump

__all__ = ["Group", "Grouping", "group"]

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
_ADOPTED = re.compile(
    "ConfigMap|HorizontalPodAutoscaler|PersistentVolumeClaim|PodDisruptionBudget|Role|RoleBinding|Secret|Service"
    "|ServiceAccount"
)


@dataclass(frozen=True)
class Group:
    """One app: its workload and the objects that go with it."""

    name: str
    workload: Item
    members: tuple[Item, ...]


@dataclass(frozen=True)
class Grouping:
    """All apps, and for each Service that leads to any of them the apps behind it."""

    groups: tuple[Group, ...]
    services: Mapping[str, tuple[str, ...]]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def group(items: Iterable[Item]) -> Grouping:
    """Sort `items` into apps; what goes with none is listed with the reason, Secrets excepted.

    Raises:
        InvalidInputError: there is no workload, or two of them would be one app.
    """
    items = list(items)
    left_out = [LeftOut(item.file, item.label, reason) for item in items if (reason := _unfit(item))]
    rest = [item for item in items if not _unfit(item) and item.kind != "Secret"]
    apps = _apps([item for item in rest if item.kind in WORKLOADS])
    notes = [
        f"{app}: named after `{item.name}`, which is no DNS label" for app, item in apps.items() if app != item.name
    ]
    members: dict[str, list[Item]] = {app: [] for app in apps}
    services: dict[str, tuple[str, ...]] = {}
    for item in (item for item in rest if item.kind not in WORKLOADS):
        users = tuple(sorted(_users(item, apps, rest)))
        if not users:
            left_out.append(LeftOut(item.file, item.label, _orphan(item)))
            continue
        members[users[0]].append(item)
        if item.kind == "Service":
            services[item.name] = users
        if len(users) > 1:
            others = ", ".join(users[1:])
            notes.append(f"{item.label}: written with {users[0]}, its first user; {others} use it too")
    groups = tuple(Group(app, apps[app], tuple(members[app])) for app in sorted(apps))
    return Grouping(groups, services, tuple(left_out), tuple(notes))


def _unfit(item: Item) -> str | None:
    hooks = (item.data["metadata"].get("annotations") or {}).get("helm.sh/hook")
    if hooks:
        return f"is a Helm hook ({hooks}), which runs around a release and is no part of an environment"
    if item.kind == "RoleBinding" and re.search(r"\{[{%#]", dump(item.data)):
        return "holds template marks, and a RoleBinding is written as a template of its own"
    if item.kind in WORKLOADS or _ADOPTED.fullmatch(item.kind):
        return None
    return _REASONS.get(item.kind, _CUSTOM)


def _apps(workloads: list[Item]) -> dict[str, Item]:
    apps: dict[str, Item] = {}
    problems: list[Problem] = []
    for item in workloads:
        name = item.name if dns_label(item.name) else re.sub(r"[^a-z0-9]+", "-", item.name.lower()).strip("-")
        first = apps.setdefault(name, item)
        if first is not item:
            text = f"would be the app `{name}`, as {first.label} in {first.file} is; rename one of them"
            problems.append(Problem(item.file, item.line, item.label, text))
        if not dns_label(name):
            text = f"`{item.name}` cannot name an app: use at most 63 lower-case letters, digits and hyphens"
            problems.append(Problem(item.file, item.line, item.label, text))
    if problems:
        raise InvalidInputError(problems)
    return apps


def _users(item: Item, apps: Mapping[str, Item], items: list[Item]) -> set[str]:
    spec = item.data.get("spec") or {}
    if item.kind == "Service":
        return _selected(spec.get("selector"), apps)
    if item.kind == "PodDisruptionBudget":
        return _selected((spec.get("selector") or {}).get("matchLabels"), apps)
    if item.kind == "HorizontalPodAutoscaler":
        target = spec.get("scaleTargetRef") or {}
        return {app for app, workload in apps.items() if (workload.kind, workload.name) == _kind_and_name(target)}
    if item.kind == "RoleBinding":
        if (item.data.get("roleRef") or {}).get("kind") != "Role":
            return set()
        accounts = {_kind_and_name(subject) for subject in item.data.get("subjects") or []}
        return {app for app, workload in apps.items() if accounts & used_objects(workload)}
    if item.kind == "Role":
        bindings = [other for other in items if other.kind == "RoleBinding"]
        bound = [other for other in bindings if _kind_and_name(other.data.get("roleRef") or {}) == ("Role", item.name)]
        return {app for binding in bound for app in _users(binding, apps, items)}
    return {app for app, workload in apps.items() if (item.kind, item.name) in used_objects(workload)}


def _kind_and_name(reference: Mapping[str, Yaml]) -> tuple[Yaml, Yaml]:
    return reference.get("kind"), reference.get("name")


def _selected(selector: Yaml, apps: Mapping[str, Item]) -> set[str]:
    """Return the apps whose pods carry all labels of `selector`; an empty selector finds none."""
    wanted = (selector or {}).items()
    labels = {app: (pod_template(item).get("metadata") or {}).get("labels") or {} for app, item in apps.items()}
    return {app for app, carried in labels.items() if wanted and wanted <= carried.items()}


def _orphan(item: Item) -> str:
    spec = item.data.get("spec") or {}
    if item.kind == "Service" and spec.get("type") == "ExternalName":
        return f"leads out of the cluster; add an app with `external: {{host: {spec.get('externalName')}}}`"
    if item.kind == "RoleBinding" and (item.data.get("roleRef") or {}).get("kind") != "Role":
        return "binds a ClusterRole, which an environment may not use"
    return "serves no adopted workload" if item.kind == "Service" else "no adopted workload uses it"
