"""What must hold in every site before an environment is worth making; needs no cluster."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from testinfra.host import Host, get_host

APPS = {path.parent.name: yaml.safe_load(path.read_text("utf-8")) for path in sorted(Path("apps").glob("*/app.yaml"))}
DEPLOYED = [name for name, app in APPS.items() if "base" in app]
EXPOSED = [name for name in DEPLOYED if "expose" in APPS[name]]

Objects = list[dict[str, Any]]


@pytest.fixture(scope="module")
def host() -> Host:
    return get_host("local://")


def render(host: Host, app: str) -> Objects:
    """Return the Kubernetes objects of an environment that isolates `app`; environment.yaml itself is none."""
    text = host.check_output("layersite render --app %s", app)
    return [document for document in yaml.safe_load_all(text) if "kind" in document]


def of_kind(objects: Objects, *kinds: str) -> Objects:
    return [item for item in objects if item["kind"] in kinds]


def routed_services(objects: Objects) -> set[str]:
    """Return the Services that the HTTPRoutes and Ingresses among `objects` lead to."""
    routes = [rule for item in of_kind(objects, "HTTPRoute") for rule in item["spec"]["rules"]]
    ingresses = [rule["http"] for item in of_kind(objects, "Ingress") for rule in item["spec"]["rules"]]
    backends = [backend["name"] for rule in routes for backend in rule["backendRefs"]]
    return {*backends, *(path["backend"]["service"]["name"] for rule in ingresses for path in rule["paths"])}


def selected_workloads(objects: Objects, service: str) -> list[str]:
    """Return the workloads among `objects` whose pods the Service named `service` selects."""
    workloads = of_kind(objects, "Deployment", "StatefulSet", "DaemonSet")
    services = [item for item in of_kind(objects, "Service") if item["metadata"]["name"] == service]
    return [
        workload["metadata"]["name"]
        for workload, found in itertools.product(workloads, services)
        if found["spec"].get("selector", {}).items() <= workload["spec"]["template"]["metadata"]["labels"].items()
        and "selector" in found["spec"]
    ]


def test_the_site_is_valid(host: Host) -> None:
    done = host.run("layersite check")
    assert done.succeeded, done.stdout + done.stderr


@pytest.mark.parametrize("app", DEPLOYED)
def test_the_app_renders(host: Host, app: str) -> None:
    assert render(host, app)


@pytest.mark.parametrize("app", EXPOSED)
def test_the_exposed_app_is_reachable(host: Host, app: str) -> None:
    objects = render(host, app)
    services = routed_services(objects)
    assert services, f"no route leads to {app}"
    for service in services:
        assert selected_workloads(objects, service), f"the Service {service}, which a route leads to, selects no pods"
