"""Choose the one Service and port by which people reach an app: from routes, load balancers and published ports."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from layersite.adopt.group import Group
from layersite.adopt.material import Item
from layersite.adopt.result import LeftOut
from layersite.model.yaml import Yaml

__all__ = ["Exposure", "choose_exposure"]

_PUBLIC = ("LoadBalancer", "NodePort")
_ROUTES = ("HTTPRoute", "Ingress")


@dataclass(frozen=True)
class Exposure:
    """The entry of an app, where the source says so, and the public twins of Services that it makes needless."""

    service: str
    port: int
    evidence: str
    left_out: tuple[LeftOut, ...] = ()
    note: str = ""


def choose_exposure(group: Group, items: Iterable[Item], called: Collection[str]) -> Exposure | None:
    """Return how `group` is exposed, None if it is not. Services in `called` are addressed by name, so they stay."""
    services = {item.name: item for item in group.members if item.kind == "Service"}
    found: list[tuple[str, int, str]] = []
    for item in sorted((item for item in items if item.kind in _ROUTES), key=lambda item: item.label):
        for name, port in _backends(item.data):
            number = _port(services[name], port) if name in services else None
            if number is not None:
                found.append((name, number, f"{item.file}: {item.label}"))
    twins: list[LeftOut] = []
    for item in services.values():
        if _spec(item).get("type") not in _PUBLIC or not _spec(item).get("ports"):
            continue
        evidence = f"{item.file}: Service {item.name} is a {_spec(item)['type']}"
        name, number = item.name, int(_spec(item)["ports"][0]["port"])
        twin = next((other for other in services.values() if _is_inner_twin(other, item)), None)
        if twin is not None:
            name, number = twin.name, _same_target(twin, item)
            if item.name not in called:
                reason = f"Service {twin.name} selects the same pods, and the bot makes the route"
                twins.append(LeftOut(item.file, item.label, reason))
        found.append((name, number, evidence))
    if not found:
        return None
    others = sorted({f"{name}:{number}" for name, number, _ in found} - {f"{found[0][0]}:{found[0][1]}"})
    note = f"{group.name}: exposed by {found[0][0]}:{found[0][1]}, not also by {', '.join(others)}" if others else ""
    return Exposure(*found[0], tuple(twins), note)


def _spec(item: Item) -> Mapping[str, Yaml]:
    return item.data.get("spec") or {}


def _backends(value: Yaml) -> Iterator[tuple[str, Yaml]]:
    """Yield Service and port (number or name) of every backend of an Ingress or HTTPRoute."""
    if isinstance(value, list):
        for child in value:
            yield from _backends(child)
    elif isinstance(value, dict):
        service = value.get("service")
        if isinstance(service, dict) and service.get("port"):
            yield service["name"], service["port"].get("number", service["port"].get("name"))
        for reference in value.get("backendRefs") or []:
            if reference.get("kind", "Service") == "Service":
                yield reference["name"], reference.get("port")
        for child in value.values():
            yield from _backends(child)


def _port(service: Item, wanted: Yaml) -> int | None:
    ports = _spec(service).get("ports") or []
    return next((int(port["port"]) for port in ports if wanted in (port["port"], port.get("name"))), None)


def _targets(service: Item) -> dict[Yaml, int]:
    ports = reversed(_spec(service).get("ports") or [])
    return {port.get("targetPort", port["port"]): int(port["port"]) for port in ports}


def _is_inner_twin(other: Item, public: Item) -> bool:
    first = _spec(public)["ports"][0]
    return (
        _spec(other).get("type", "ClusterIP") == "ClusterIP"
        and _spec(other).get("clusterIP") != "None"
        and _spec(other).get("selector") == _spec(public).get("selector")
        and first.get("targetPort", first["port"]) in _targets(other)
    )


def _same_target(twin: Item, public: Item) -> int:
    first = _spec(public)["ports"][0]
    return _targets(twin)[first.get("targetPort", first["port"])]
