"""The environment's own namespace and its walls: quota, limits, and a network closed but for what the slice needs."""

from collections.abc import Iterable

from layersite.model.app import External
from layersite.model.environment import Environment
from layersite.model.names import BASELINE, fit
from layersite.model.site import Database, Site
from layersite.model.yaml import Yaml
from layersite.render.wiring import Port, Service

__all__ = ["allow_external", "allow_gateway", "namespace_objects", "to_database"]

_PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"]
"""Never part of "somewhere on the internet": the cluster's own networks and the cloud's metadata address."""


def namespace_objects(site: Site, environment: Environment, shared: Iterable[Service]) -> list[Yaml]:
    """Return the Namespace, its ResourceQuota and LimitRange, and the one NetworkPolicy for all of its pods.

    It opens the namespace to itself, to the cluster's DNS, to its databases, and to the `shared` Services' pods in the
    baseline; whatever no policy opens is closed.
    """
    limits = {
        "type": "Container",
        "default": dict(site.limits.default),
        "defaultRequest": dict(site.limits.default_request),
    }
    labels = {
        "pod-security.kubernetes.io/enforce": "baseline",
        "pod-security.kubernetes.io/warn": "restricted",
    }
    inside: Yaml = {"podSelector": {}}
    everyone = {"namespaceSelector": {"matchExpressions": [_exists("layersite.dev/environment")]}}
    sources = [inside, *([everyone] if environment.name == BASELINE else [])]
    openings = [
        {"to": [inside]},
        _to_namespace("kube-system", _ports([(53, "UDP"), (53, "TCP")])),
        *_to_baseline(site, shared),
        *(to_database(site.databases[name]) for name in environment.data or {}),
    ]
    return [
        _object("v1", "Namespace", environment.namespace, labels),
        {**_object("v1", "ResourceQuota", "environment"), "spec": {"hard": dict(site.limits.quota)}},
        {**_object("v1", "LimitRange", "environment"), "spec": {"limits": [limits]}},
        _policy("environment", {}, ingress=[{"from": sources}], egress=openings),
    ]


def _to_baseline(site: Site, shared: Iterable[Service]) -> list[Yaml]:
    """Return the opening to the pods' ports behind the shared Services, if there are any."""
    ports = {(port.target, port.protocol) for service in shared for port in service.ports}
    return [_to_namespace(site.baseline_namespace, _ports(sorted(ports, key=str)))] if ports else []


def to_database(database: Database) -> Yaml:
    """Return the opening to a database's server: its namespace in the cluster, or its networks outside."""
    if database.service_namespace is not None:
        to = [_namespace(database.service_namespace)]
    else:
        to = [{"ipBlock": {"cidr": cidr}} for cidr in database.networks]
    ports = _ports([(database.called_port, "TCP")])
    if database.instances is not None:
        first, last = database.instances.port_range
        ports.append({"port": first, "endPort": last, "protocol": "TCP"})
    return {"to": to, "ports": ports}


def allow_external(name: str, external: External) -> Yaml:
    """Return the opening to something outside: its declared networks, else all but private ones, on its ports."""
    blocks: list[Yaml] = [{"cidr": cidr} for cidr in external.cidrs] or [{"cidr": "0.0.0.0/0", "except": _PRIVATE}]
    opening = {
        "to": [{"ipBlock": block} for block in blocks],
        "ports": _ports([(number, "TCP") for number in external.ports]),
    }
    return _policy(fit(f"allow-external-{name}", 63), {}, egress=[opening])


def allow_gateway(site: Site, app: str, service: Service, port: Port) -> Yaml:
    """Return the opening from the gateway's (or ingress controller's) namespace to the pods behind an exposed app."""
    source = site.exposure.ingress.namespace if site.exposure.ingress else site.exposure.gateway.namespace
    opening = {"from": [_namespace(source)], "ports": _ports([(port.target, port.protocol)])}
    return _policy(fit(f"allow-gateway-{app}", 63), dict(service.selector), ingress=[opening])


def _object(version: str, kind: str, name: str, labels: dict[str, str] | None = None) -> dict[str, Yaml]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **({"labels": labels} if labels else {})}}


def _policy(name: str, pods: dict[str, str], **rules: Yaml) -> Yaml:
    selector = {"matchLabels": pods} if pods else {}
    types = [direction.capitalize() for direction in ("ingress", "egress") if direction in rules]
    spec = {"podSelector": selector, "policyTypes": types, **rules}
    return {**_object("networking.k8s.io/v1", "NetworkPolicy", name), "spec": spec}


def _namespace(name: str) -> Yaml:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _to_namespace(name: str, ports: list[Yaml]) -> Yaml:
    return {"to": [_namespace(name)], "ports": ports}


def _ports(ports: Iterable[tuple[int | str, str]]) -> list[Yaml]:
    return [{"port": port, "protocol": protocol} for port, protocol in ports]


def _exists(label: str) -> Yaml:
    return {"key": label, "operator": "Exists"}
