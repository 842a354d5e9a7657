"""What the bot adds around the apps of a slice: Services for apps that live elsewhere, routes, secrets from stores."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from layersite.model.app import App, External, Secret
from layersite.model.database import secret_name
from layersite.model.environment import Environment
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.site import Site
from layersite.model.yaml import Yaml
from layersite.plan.desired import host
from layersite.render.transform import SYNC_OPTIONS, UNCHECKED, containers

__all__ = [
    "Port",
    "Service",
    "database_variables",
    "entry_service",
    "external_objects",
    "route",
    "secret_objects",
    "services",
    "shared_objects",
]


@dataclass(frozen=True)
class Port:
    """One port of a Service; `target` is the port of the pods behind it, by number where it can be told."""

    name: str | None
    number: int
    target: int | str
    protocol: str


@dataclass(frozen=True)
class Service:
    """A Service of an app's base."""

    name: str
    selector: tuple[tuple[str, str], ...]
    ports: tuple[Port, ...]


def services(items: Iterable[Yaml]) -> list[Service]:
    """Return the Services among `items` in their order, with target ports resolved through the containers' names."""
    items = list(items)
    named = {
        port["name"]: port["containerPort"]
        for item in items
        for container in containers(item)
        for port in container.get("ports") or []
        if "name" in port
    }
    found = []
    for item in items:
        if item["kind"] == "Service":
            spec = item.get("spec") or {}
            ports = tuple(_port(port, named) for port in spec.get("ports") or [])
            selector = tuple(sorted((spec.get("selector") or {}).items()))
            found.append(Service(item["metadata"]["name"], selector, ports))
    return found


def _port(port: Yaml, named: dict[str, int]) -> Port:
    target = port.get("targetPort", port["port"])
    return Port(port.get("name"), port["port"], named.get(target, target), port.get("protocol", "TCP"))


def entry_service(name: str, app: App, found: list[Service]) -> tuple[Service, Port]:
    """Return the Service and port by which others reach the app: `expose`'s, else its namesake's, else the first.

    Raises:
        InvalidInputError: the app has no such Service or port.
    """
    wanted = app.expose.service if app.expose else None
    ranked = sorted(found, key=lambda service: service.name != name)
    chosen = next((service for service in ranked if wanted in (None, service.name)), None)
    number = app.expose.port if app.expose else None
    port = next((port for port in chosen.ports if number in (None, port.number)), None) if chosen else None
    if chosen is None or port is None:
        known = ", ".join(f"{service.name}:{port.number}" for service in found for port in service.ports) or "none"
        text = f"there is no Service {wanted or name}{f' with port {number}' if number else ''}; the base has: {known}"
        raise InvalidInputError([Problem(f"apps/{name}/app.yaml", 0, "expose", text)])
    return chosen, port


def shared_objects(site: Site, found: list[Service]) -> list[Yaml]:
    """Return one ExternalName Service for each of a shared app's Services, leading to the baseline."""
    return [
        _external_name(service.name, f"{service.name}.{site.baseline_namespace}.svc.cluster.local", service.ports)
        for service in found
    ]


def external_objects(name: str, external: External) -> list[Yaml]:
    """Return the Service for something outside the cluster; an IP address gets an EndpointSlice, DNS cannot name it."""
    ports = tuple(Port(f"port-{number}", number, number, "TCP") for number in external.ports)
    try:
        address = ipaddress.ip_address(external.host)
    except ValueError:
        return [_external_name(name, external.host, ports)]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": [_port_entry(port) for port in ports]},
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": f"IPv{address.version}",
        "endpoints": [{"addresses": [external.host]}],
        "ports": [{"name": port.name, "port": port.number} for port in ports],
    }
    return [service, endpoints]


def _external_name(name: str, target: str, ports: Iterable[Port]) -> Yaml:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"type": "ExternalName", "externalName": target, "ports": [_port_entry(port) for port in ports]},
    }


def _port_entry(port: Port) -> Yaml:
    entry: Yaml = {"port": port.number, "protocol": port.protocol}
    return entry if port.name is None else {"name": port.name, **entry}


def route(site: Site, environment: Environment, app: str, service: Service, port: Port) -> Yaml:
    """Return the HTTPRoute (Gateway API v1), or the Ingress, that leads the app's host to its Service."""
    name = host(site, environment.name, app)
    if site.exposure.ingress is not None:
        backend = {"service": {"name": service.name, "port": {"number": port.number}}}
        path = {"path": "/", "pathType": "Prefix", "backend": backend}
        rule = {"host": name, "http": {"paths": [path]}}
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": app},
            "spec": {"ingressClassName": site.exposure.ingress.class_name, "rules": [rule]},
        }
    gateway = site.exposure.gateway
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": app, "annotations": {SYNC_OPTIONS: UNCHECKED}},
        "spec": {
            "parentRefs": [{"name": gateway.name, "namespace": gateway.namespace}],
            "hostnames": [name],
            "rules": [{"backendRefs": [{"name": service.name, "port": port.number}]}],
        },
    }


def database_variables(app: App) -> dict[str, Yaml]:
    """Return the variables that hold URIs of clones: from Secrets that come later, for which pods wait."""
    return {
        need.variable: {"valueFrom": {"secretKeyRef": {"name": secret_name(need.database), "key": "url"}}}
        for need in app.needs
        if need.variable and need.database
    }


def secret_objects(secrets: Iterable[Secret]) -> list[Yaml]:
    """Return an ExternalSecret (external-secrets.io) for each secret that a store holds; the others come by a role."""
    return [
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": secret.name},
            "spec": {
                "secretStoreRef": {"kind": "ClusterSecretStore", "name": secret.store},
                "target": {"name": secret.name},
                "data": [{"secretKey": key, "remoteRef": {"key": secret.name, "property": key}} for key in secret.keys],
            },
        }
        for secret in secrets
        if secret.source == "external"
    ]
