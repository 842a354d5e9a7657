"""Sort objects into apps: a workload, the objects that it uses or that serve it, and the entry that people use.

The entry is one Service and port, told by routes, load balancers and published ports.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from layersite.adopt.objects import WORKLOADS, Item, every, first, references, refused
from layersite.adopt.result import Log
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.names import dns_label
from layersite.model.yaml import Yaml, dump

__all__ = ["Apps", "Exposure", "Group", "choose_exposure", "find_apps"]

_ADOPTED = re.compile(
    "ConfigMap|HorizontalPodAutoscaler|PersistentVolumeClaim|PodDisruptionBudget|Role|RoleBinding|Secret|Service"
    "|ServiceAccount"
)
_REASONS = {
    r"ClusterRole(Binding)?|CustomResourceDefinition|IngressClass|PersistentVolume|PriorityClass|StorageClass": (
        "belongs to the whole cluster, not to one environment"
    ),
    r"LimitRange|Namespace|NetworkPolicy|ResourceQuota": "the bot makes it for each environment",
    r"Gateway|GRPCRoute|HTTPRoute|Ingress": "the bot makes the route; `expose` of app.yaml says to what",
    r"Pod": "a Pod alone is not restarted; make it a Deployment",
    r"(?s:.*)": (
        "is not one of the kinds that are adopted; list it under `allowed_kinds` of layersite.yaml and add it by hand"
    ),
}
"""Why objects of other kinds are left out: the first kind that fits says it."""
_SELECTORS = {"PodDisruptionBudget": ("spec", "selector", "matchLabels"), "Service": ("spec", "selector")}


@dataclass(frozen=True)
class Group:
    """One app: its workload, and the objects that are written with it."""

    name: str
    workload: Item
    members: list[Item]


@dataclass(frozen=True)
class Apps:
    """All apps, sorted; `owners` says of each Service which of them are behind it."""

    groups: list[Group]
    owners: dict[str, list[str]]


@dataclass(frozen=True, order=True)
class Exposure:
    """The Service and port that lead to an app, and what in the source says so."""

    service: str
    port: int
    evidence: str


def find_apps(items: Sequence[Item], log: Log) -> Apps:
    """Return one app for each workload. Raises InvalidInputError: there is none, or two of them would be one app."""
    fitting = [item for item in items if _is_fit(item, log)]
    groups = _groups([item for item in fitting if item.kind in WORKLOADS], log)
    if not groups:
        text = "holds no workload (Deployment, StatefulSet, DaemonSet, CronJob, Job), so there is no app to adopt"
        raise refused(items[0].file, text)
    owners: dict[str, list[str]] = {}
    for item in (item for item in fitting if item.kind not in WORKLOADS and item.kind != "Secret"):
        users = [group for group in groups if _uses(group.workload, item, fitting)]
        names = [group.name for group in users]
        if not users:
            log.leave_out(item.file, item.label, _orphan(item))
            continue
        users[0].members.append(item)
        if item.kind == "Service":
            owners[item.name] = names
        if len(users) > 1:
            log.notes.add(f"{item.label}: written with {names[0]}, its first user; {', '.join(names[1:])} use it too")
    return Apps(groups, owners)


def _is_fit(item: Item, log: Log) -> bool:
    hooks = first(item.data, "metadata", "annotations", "helm.sh/hook")
    if hooks:
        reason = f"is a Helm hook ({hooks}), which runs around a release and is no part of an environment"
    elif item.kind not in WORKLOADS and not _ADOPTED.fullmatch(item.kind):
        reason = next(reason for kind, reason in _REASONS.items() if re.fullmatch(kind, item.kind))
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
    if item.kind in _SELECTORS:
        selector = first(item.data, *_SELECTORS[item.kind]) or {}
        labels = first(workload.template, "metadata", "labels") or {}
        return bool(selector) and selector.items() <= labels.items()
    if item.kind == "HorizontalPodAutoscaler":
        return _key(first(item.data, "spec", "scaleTargetRef") or {}) == (workload.kind, workload.name)
    if item.kind == "Role":
        bindings = [other for other in items if other.kind == "RoleBinding"]
        bound = [other for other in bindings if _key(other.data["roleRef"]) == (item.kind, item.name)]
        return any(_uses(workload, binding, items) for binding in bound)
    used = {(kind, name) for kind, name, _ in references(workload.pod)}
    if item.kind == "RoleBinding":
        subjects = {_key(subject) for subject in every(item.data, "subjects")}
        return item.data["roleRef"]["kind"] == "Role" and bool(subjects & used)
    return (item.kind, item.name) in used


def _key(reference: Yaml) -> tuple[Yaml, Yaml]:
    return reference.get("kind"), reference.get("name")


def _orphan(item: Item) -> str:
    if item.kind == "Service" and item.data["spec"].get("type") == "ExternalName":
        host = item.data["spec"].get("externalName")
        return f"leads out of the cluster; add an app with `external: {{host: {host}}}`"
    if item.kind == "RoleBinding" and item.data["roleRef"]["kind"] != "Role":
        return "binds a ClusterRole, which an environment may not use"
    return "serves no adopted workload" if item.kind == "Service" else "no adopted workload uses it"


def choose_exposure(group: Group, items: Iterable[Item], called: Collection[str], log: Log) -> Exposure | None:
    """Return how `group` is exposed, None if it is not; a public twin of its entry is no longer a member then.

    Services in `called` are addressed by name, so they stay.
    """
    services = {item.name: item for item in group.members if item.kind == "Service"}
    found = [*_by_routes(services, items), *_by_types(group, services, called, log)]
    if not found:
        return None
    chosen, *others = dict.fromkeys(f"{exposure.service}:{exposure.port}" for exposure in found)
    if others:
        log.notes.add(f"{group.name}: exposed by {chosen}, not also by {', '.join(sorted(others))}")
    return found[0]


def _by_routes(services: Mapping[str, Item], items: Iterable[Item]) -> Iterator[Exposure]:
    routes = [item for item in items if item.kind in ("HTTPRoute", "Ingress")]
    for route in sorted(routes, key=lambda route: route.label):
        for name, wanted in _backends(route.data.get("spec")):
            for port in every(services[name].data, "spec", "ports") if name in services else ():
                if wanted in (port["port"], port.get("name")):
                    yield Exposure(name, port["port"], f"{route.file}: {route.label}")
                    break


def _backends(spec: Yaml) -> Iterator[tuple[str, Yaml]]:
    """Yield Service and port (number or name) of every backend of an Ingress or HTTPRoute."""
    paths = ("defaultBackend",), ("rules", "http", "paths", "backend")
    for service in (service for path in paths for service in every(spec, *path, "service")):
        yield service["name"], first(service, "port", "number") or first(service, "port", "name")
    for reference in every(spec, "rules", "backendRefs"):
        if reference.get("kind", "Service") == "Service":
            yield reference["name"], reference.get("port")


def _by_types(group: Group, services: Mapping[str, Item], called: Collection[str], log: Log) -> Iterator[Exposure]:
    """Yield the Services that are public by their type; where an inner one has the same pods, that one instead."""
    for item in services.values():
        kind, ports = item.data["spec"].get("type"), _ports_by_target(item)
        if kind not in ("LoadBalancer", "NodePort") or not ports:
            continue
        target = next(iter(ports))
        inner = next((other for other in services.values() if _is_inner_twin(other, item, target)), item)
        yield Exposure(inner.name, _ports_by_target(inner)[target], f"{item.file}: Service {item.name} is a {kind}")
        if inner is not item and item.name not in called:
            group.members.remove(item)
            reason = f"Service {inner.name} selects the same pods, and the bot makes the route"
            log.leave_out(item.file, item.label, reason)


def _ports_by_target(service: Item) -> dict[Yaml, int]:
    """Return the ports of a Service by the port of the pod that they lead to, the first one first."""
    ports: dict[Yaml, int] = {}
    for port in every(service.data, "spec", "ports"):
        ports.setdefault(port.get("targetPort", port["port"]), port["port"])
    return ports


def _is_inner_twin(other: Item, public: Item, target: Yaml) -> bool:
    spec = other.data["spec"]
    is_inner = spec.get("type", "ClusterIP") == "ClusterIP" and spec.get("clusterIP") != "None"
    has_same_pods = spec.get("selector") == public.data["spec"].get("selector")
    return is_inner and has_same_pods and target in _ports_by_target(other)
