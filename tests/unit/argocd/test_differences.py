"""What differs between git and the cluster, from answers as argocd-server gives them."""

import json
from typing import Any

from layersite.argocd import ArgoCD

from .conftest import Answer, Stub


def managed(kind: str, live: Any, wanted: Any, **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": "web",
        "namespace": "env-web-1",
        "normalizedLiveState": json.dumps(live),
        "predictedLiveState": json.dumps(wanted),
        **more,
    }


def status(**kinds: str) -> Answer:
    resources = [{"kind": k, "name": "web", "namespace": "env-web-1", "status": each} for k, each in kinds.items()]
    return Answer({"metadata": {"name": "env-web-1"}, "status": {"resources": resources}})


def test_each_object_that_differs_comes_with_both_sides(stub: Stub, client: ArgoCD) -> None:
    items = [
        managed("Service", {"spec": {"ports": []}}, {"spec": {"ports": []}}),
        managed("Deployment", {"spec": {"replicas": 3}}, {"spec": {"replicas": 1}}, modified=True),
        managed("ConfigMap", None, {"data": {"a": "b"}}, modified=True),
        managed("Ingress", {"spec": {}}, None),
        managed("Job", None, {"spec": {}}, modified=True, hook=True),
        managed("Secret", {"data": {"a": "old"}}, {"data": {"a": "new"}}, modified=True),
    ]
    stub.on(
        "/api/v1/applications/env-web-1",
        status(
            Service="Synced",
            Deployment="OutOfSync",
            ConfigMap="OutOfSync",
            Ingress="OutOfSync",
            Job="",
            Secret="OutOfSync",
        ),
    )
    stub.on("/api/v1/applications/env-web-1/managed-resources", Answer({"items": items}))
    found = {each.kind: (each.how, each.live, each.wanted) for each in client.differences("env-web-1")}
    assert found == {
        "ConfigMap": ("is missing in the cluster", "", "---\ndata:\n  a: b\n"),
        "Deployment": (
            "differs from what was committed",
            "---\nspec:\n  replicas: 3\n",
            "---\nspec:\n  replicas: 1\n",
        ),
        "Ingress": ("is no longer committed", "---\nspec: {}\n", ""),
        "Secret": ("differs from what was committed", "", ""),
    }
    assert {request.query["project"][0] for request in stub.requests} == {"shop"}


def test_an_application_without_objects_has_no_differences(stub: Stub, client: ArgoCD) -> None:
    stub.on("/api/v1/applications/env-web-1", status())
    stub.on("/api/v1/applications/env-web-1/managed-resources", Answer({"items": None}))
    assert client.differences("env-web-1") == ()
