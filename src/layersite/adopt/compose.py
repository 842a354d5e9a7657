"""Turn a compose file into the Kubernetes objects that mean the same, and list what has no counterpart."""

import re
from collections.abc import Iterator
from pathlib import Path

from layersite.adopt.compose_file import Composition, read_composition
from layersite.adopt.compose_pod import pod
from layersite.adopt.compose_services import Port, Service, read_services
from layersite.adopt.objects import Item, first
from layersite.adopt.result import Edge, Evidence, Log
from layersite.model.yaml import Yaml

__all__ = ["read_compose"]

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
_FINISHED = "service_completed_successfully"
_CONVERTED = re.compile(
    r"cap_add|cap_drop|command|container_name|cpus|depends_on|deploy|entrypoint|env_file|environment|expose|healthcheck"
    r"|hostname|image|links|mem_limit|mem_reservation|ports|read_only|scale|secrets|security_opt|stdin_open"
    r"|stop_grace_period|tmpfs|tty|user|volumes|working_dir|x-.*"
)


def read_compose(path: Path, env_file: Path | None, log: Log) -> tuple[list[Item], list[Edge]]:
    """Return a Deployment (a Job where others wait for its end) and Services for each service, and who needs whom."""
    composition = read_composition(path, env_file, log)
    services = read_services(composition)
    edges = list(_edges(services, composition))
    waits = [wait for service in services if isinstance(wait := service.data.get("depends_on"), dict)]
    finished = {key for wait in waits for key, how in wait.items() if how.get("condition") == _FINISHED}
    items: list[Item] = []
    for service in services:
        _leave_out(service)
        if not service.ports and service.key not in finished and service.name in {edge.needs for edge in edges}:
            composition.note(f"`{service.key}` is needed and declares no port; add its port to its Service")
        line = composition.document.problem(("services", service.key), "").line
        with service.reading():
            items += [Item(data, path.name, line) for data in _objects(service, pod(service), service.key in finished)]
    return items, edges


def _edges(services: list[Service], composition: Composition) -> Iterator[Edge]:
    names = {service.key: service.name for service in services}
    for service in services:
        wanted = [("depends_on", key) for key in service.data.get("depends_on") or []]
        wanted += [("links", link.partition(":")[0]) for link in service.data.get("links") or []]
        for place, key in wanted:
            with service.reading():
                if key not in composition.document.data["services"]:
                    raise ValueError(f"{place} names `{key}`, which is no service; correct the name")
            if key in names:
                evidence = Evidence(composition.document.source, f"{place} {key}", "")
                yield Edge(service.name, names[key], (evidence,))


def _leave_out(service: Service) -> None:
    for key in service.data:
        if not _CONVERTED.fullmatch(key):
            reason = _REASONS.get(key, "has no counterpart in the pod; add it to the base by hand if it matters")
            service.leave_out(key, reason)
    for key in (service.data.get("deploy") or {}).keys() - {"replicas", "resources"}:
        service.leave_out(f"deploy.{key}", "is Swarm's; a Deployment has its own settings")
    if any(port.published for port in service.ports.values()) and not any(map(_is_entry, service.ports.values())):
        service.leave_out("the published port", "belongs to a database or broker, which has no web page")


def _is_entry(port: Port) -> bool:
    return port.published and port.protocol == "TCP" and port.number not in _NOT_FOR_BROWSERS


def _objects(service: Service, spec: dict[str, Yaml], is_finished: bool) -> Iterator[Yaml]:
    """Yield the workload, a Service under the service's name, and one for each alias; a Job may listen on nothing."""
    labels = {"app.kubernetes.io/name": service.name}
    body: dict[str, Yaml] = {"template": {"metadata": {"labels": labels}, "spec": spec}}
    if is_finished:
        spec["restartPolicy"] = "OnFailure"
        yield _object("batch/v1", "Job", service.name, body)
    else:
        body["selector"] = {"matchLabels": dict(labels)}
        replicas = first(service.data, "deploy", "replicas")
        replicas = service.data.get("scale") if replicas is None else replicas
        body |= {} if replicas is None else {"replicas": int(replicas)}
        yield _object("apps/v1", "Deployment", service.name, body)
    if service.ports or not is_finished:
        for name in (service.name, *sorted(service.aliases)):
            yield _object("v1", "Service", name, _service_spec(service, name == service.name))


def _object(version: str, kind: str, name: str, spec: dict[str, Yaml]) -> Yaml:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _service_spec(service: Service, is_main: bool) -> dict[str, Yaml]:
    """Return the Service's spec, the port that people use first; without a known port it still gives the name."""
    spec: dict[str, Yaml] = {"selector": {"app.kubernetes.io/name": service.name}}
    if not service.ports:
        return {**spec, "clusterIP": "None"}
    ports = sorted(service.ports.values(), key=lambda port: not _is_entry(port))
    spec["ports"] = [{"name": port.name, **port.under("port")} for port in ports]
    if is_main and _is_entry(ports[0]):
        spec["type"] = "LoadBalancer"
    return spec
