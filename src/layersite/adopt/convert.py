"""Turn compose services into the Kubernetes objects that mean the same, and list what has no counterpart."""

import re
from collections.abc import Iterable, Iterator, Mapping

from layersite.adopt.composition import Composition, Service, read_services
from layersite.adopt.objects import Item
from layersite.adopt.podspec import pod
from layersite.adopt.result import Edge, Evidence
from layersite.adopt.shortforms import Port
from layersite.model.yaml import Yaml

__all__ = ["convert"]

_NOT_FOR_BROWSERS = frozenset({1433, 1521, 3306, 4222, 5432, 5672, 6379, 9092, 11211, 27017, 61616})
"""Published ports behind which databases and brokers listen, to which no HTTP route can lead."""
_REASONS = {
    "build": "images come from the app's own pipeline; `images` of app.yaml names those without a tag",
    "configs": "its text is in another file; add it as a ConfigMap to the base",
    "develop": "serves a developer's machine",
    "devices": "an environment has no access to a node's devices",
    "logging": "the cluster collects what containers print",
    "network_mode": "every pod has its own address",
    "networks": "the apps of an environment share one namespace",
    "privileged": "an environment refuses privileged containers",
    "restart": "the cluster restarts containers by itself",
}
_CONVERTED = re.compile(
    r"cap_add|cap_drop|command|container_name|cpus|depends_on|deploy|entrypoint|env_file|environment|expose|healthcheck"
    r"|hostname|image|links|mem_limit|mem_reservation|ports|read_only|scale|secrets|security_opt|stdin_open"
    r"|stop_grace_period|tmpfs|tty|user|volumes|working_dir|x-.*"
)


def convert(composition: Composition) -> tuple[list[Item], list[Edge]]:
    """Return a Deployment (a Job where others wait for its end) and Services for each service of the composition.

    Raises:
        InvalidInputError: a short form cannot be read, two services would share one name, or a dependency is unknown.
    """
    services = read_services(composition)
    finished = _finished(services)
    items: list[Item] = []
    for service in services:
        kind = "Job" if service.key in finished else "Deployment"
        with composition.reading(service.key):
            objects = [_workload(kind, service, _pod(service, composition)), *_services(service, kind)]
        items += [Item(entry, composition.file, composition.lines[service.key]) for entry in objects]
        _leave_out(service, composition)
    labels = {service.key: service.name for service in services}
    edges = [edge for service in services for edge in _edges(service, labels, composition)]
    needed = {edge.needs for edge in edges}
    for service in services:
        if not service.ports and service.name in needed and service.key not in finished:
            composition.note(f"`{service.key}` is needed and declares no port; add its port to its Service")
    return items, edges


def _finished(services: Iterable[Service]) -> set[str]:
    """Return the services whose end others wait for."""
    waits = [service.data["depends_on"] for service in services if isinstance(service.data.get("depends_on"), dict)]
    return {
        name
        for wait in waits
        for name, condition in wait.items()
        if condition.get("condition") == "service_completed_successfully"
    }


def _pod(service: Service, composition: Composition) -> dict[str, Yaml]:
    container: dict[str, Yaml] = {"name": service.name, "image": service.image}
    if service.entrypoint:
        container["command"] = service.entrypoint
    if service.command:
        container["args"] = service.command
    if service.env:
        container["env"] = [{"name": name, "value": text} for name, text in service.env.items()]
    if service.ports:
        container["ports"] = [{"containerPort": port.number, **_protocol(port)} for port in service.ports.values()]
    declared = composition.data.get("secrets") or {}
    spec, volumes = pod(
        service.data, container, declared, lambda what, reason: composition.leave_out(service.key, what, reason)
    )
    for volume in volumes:
        reason = "becomes an emptyDir: empty in each environment, gone with the pod, shared with no other service"
        composition.leave_out(service.key, f"the data of volume {volume}", reason)
    return spec


def _protocol(port: Port) -> dict[str, Yaml]:
    return {} if port.protocol == "TCP" else {"protocol": port.protocol}


def _workload(kind: str, service: Service, spec: dict[str, Yaml]) -> Yaml:
    labels = {"app.kubernetes.io/name": service.name}
    body: dict[str, Yaml] = {"template": {"metadata": {"labels": labels}, "spec": spec}}
    if kind == "Job":
        spec["restartPolicy"] = "OnFailure"
        return {"apiVersion": "batch/v1", "kind": kind, "metadata": {"name": service.name}, "spec": body}
    body["selector"] = {"matchLabels": dict(labels)}
    replicas = (service.data.get("deploy") or {}).get("replicas", service.data.get("scale"))
    if replicas is not None:
        body["replicas"] = int(replicas)
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": service.name}, "spec": body}


def _services(service: Service, kind: str) -> Iterator[Yaml]:
    """Yield a Service under the service's name and one for each alias, the port that people use first.

    A Job that listens on nothing has none. Without a known port a headless Service still gives the name.
    """
    if kind == "Job" and not service.ports:
        return
    entries = [port for port in service.ports.values() if _is_entry(port)]
    ordered = [*entries, *(port for port in service.ports.values() if not _is_entry(port))]
    ports = [{"name": _port_name(port), "port": port.number, **_protocol(port)} for port in ordered]
    for name in (service.name, *sorted(service.aliases)):
        spec: dict[str, Yaml] = {"selector": {"app.kubernetes.io/name": service.name}}
        spec.update({"ports": [dict(port) for port in ports]} if ports else {"clusterIP": "None"})
        if entries and name == service.name:
            spec["type"] = "LoadBalancer"
        yield {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def _is_entry(port: Port) -> bool:
    return port.published and port.protocol == "TCP" and port.number not in _NOT_FOR_BROWSERS


def _port_name(port: Port) -> str:
    return f"port-{port.number}" if port.protocol == "TCP" else f"port-{port.number}-{port.protocol.lower()}"


def _leave_out(service: Service, composition: Composition) -> None:
    for key in service.data:
        if not _CONVERTED.fullmatch(key):
            reason = _REASONS.get(key, "has no counterpart in the pod; add it to the base by hand if it matters")
            composition.leave_out(service.key, key, reason)
    for key in (service.data.get("deploy") or {}).keys() - {"replicas", "resources"}:
        composition.leave_out(service.key, f"deploy.{key}", "is Swarm's; a Deployment has its own settings")
    if any(port.published for port in service.ports.values()) and not any(map(_is_entry, service.ports.values())):
        composition.leave_out(
            service.key, "the published port", "belongs to a database or broker, which has no web page"
        )


def _edges(service: Service, labels: Mapping[str, str], composition: Composition) -> Iterator[Edge]:
    wanted = [("depends_on", name) for name in service.data.get("depends_on") or []]
    wanted += [("links", link.partition(":")[0]) for link in service.data.get("links") or []]
    for place, name in wanted:
        if name not in composition.data["services"]:
            raise composition.problem(service.key, f"{place} names `{name}`, which is no service; correct the name")
        if name in labels:
            yield Edge(service.name, labels[name], (Evidence(composition.file, f"{place} {name}", ""),))
