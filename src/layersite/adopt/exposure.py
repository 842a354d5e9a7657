"""Choose the one Service and port by which people reach an app: from routes, load balancers and published ports."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from layersite.adopt.apps import Group
from layersite.adopt.objects import Item, every, first
from layersite.adopt.result import Log
from layersite.model.yaml import Yaml

__all__ = ["Exposure", "choose_exposure"]


@dataclass(frozen=True, order=True)
class Exposure:
    """The Service and port that lead to an app, and what in the source says so."""

    service: str
    port: int
    evidence: str


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
        evidence = f"{item.file}: Service {item.name} is a {kind}"
        target, number = next(iter(ports.items()))
        twin = next((other for other in services.values() if _is_inner_twin(other, item, target)), None)
        if twin is None:
            yield Exposure(item.name, number, evidence)
            continue
        yield Exposure(twin.name, _ports_by_target(twin)[target], evidence)
        if item.name not in called:
            group.members.remove(item)
            log.leave_out(
                item.file, item.label, f"Service {twin.name} selects the same pods, and the bot makes the route"
            )


def _ports_by_target(service: Item) -> dict[Yaml, int]:
    """Return the ports of a Service by the port of the pod that they lead to, the first one first."""
    ports: dict[Yaml, int] = {}
    for port in every(service.data, "spec", "ports"):
        ports.setdefault(port.get("targetPort", port["port"]), port["port"])
    return ports


def _is_inner_twin(other: Item, public: Item, target: Yaml) -> bool:
    spec = other.data["spec"]
    return (
        spec.get("type", "ClusterIP") == "ClusterIP"
        and spec.get("clusterIP") != "None"
        and spec.get("selector") == public.data["spec"].get("selector")
        and target in _ports_by_target(other)
    )
