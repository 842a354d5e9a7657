from pathlib import Path

import pytest

from layersite.model.errors import InvalidInputError
from layersite.model.yaml import Yaml, load_all
from layersite.render.schema import Schemas, schemas

SAMPLES = Path(__file__).parents[3] / ".." / "shared" / "samples"


def problems(text: str) -> list[str]:
    return schemas("1.34").problems(load_all(text, "object")[0])


def deployment(container: str = "{name: web}", spec: str = "") -> str:
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template: {{spec: {{containers: [{container}]}}}}
  {spec}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            deployment(spec="replicas: three"), 'spec.replicas: expected integer, found "three"', id="wrong type"
        ),
        pytest.param(
            deployment(spec="repicas: 3"), "spec.repicas: unknown field, did you mean `replicas`?", id="unknown field"
        ),
        pytest.param(
            deployment("{name: web, port: []}"),
            "spec.template.spec.containers.0.port: unknown field, did you mean `ports`?",
            id="unknown field in a list",
        ),
        pytest.param(
            deployment("{image: x}"), "spec.template.spec.containers.0.name: this field is needed", id="missing field"
        ),
        pytest.param(
            deployment("{name: web, ports: [{containerPort: '80'}]}"),
            'spec.template.spec.containers.0.ports.0.containerPort: expected integer, found "80"',
            id="quoted number",
        ),
        pytest.param(
            deployment("{name: web, env: [{name: A, value: 1}]}"),
            "spec.template.spec.containers.0.env.0.value: expected string, found 1",
            id="unquoted text",
        ),
        pytest.param(
            deployment("{name: web, resources: {limits: {memory: 64 MB}}}"),
            "spec.template.spec.containers.0.resources.limits.memory: "
            'expected a quantity such as 250m or 64Mi, found "64 MB"',
            id="quantity",
        ),
        pytest.param(
            deployment("{name: web, livenessProbe: {httpGet: {port: 1.5}}}"),
            "spec.template.spec.containers.0.livenessProbe.httpGet.port: expected integer or string, found 1.5",
            id="integer or string",
        ),
        pytest.param(
            "{apiVersion: apps/v1beta1, kind: Deployment}",
            "apiVersion: Kubernetes 1.34 has no `Deployment` in `apps/v1beta1`; it has one in `apps/v1`",
            id="removed version",
        ),
        pytest.param(
            "{apiVersion: extensions/v1beta1, kind: Ingress}",
            "apiVersion: Kubernetes 1.34 has no `Ingress` in `extensions/v1beta1`; it has one in `networking",
            id="removed group",
        ),
        pytest.param(
            "{apiVersion: v1, kind: ConfgMap}",
            "kind: Kubernetes 1.34 has no `ConfgMap` in `v1`, did you mean `ConfigMap`",
            id="unknown kind",
        ),
    ],
)
def test_what_is_wrong_is_said_with_place_and_value(text: str, expected: str) -> None:
    (found,) = problems(text)
    assert found.startswith(expected)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(deployment(), id="minimal"),
        pytest.param(deployment("{name: web, resources: {limits: {cpu: 1, memory: 1.5Gi, x: 1e3}}}"), id="quantities"),
        pytest.param(deployment("{name: web, resources: {limits: {cpu: null}}}"), id="null quantity"),
        pytest.param(deployment("{name: web, livenessProbe: {httpGet: {port: http}}}"), id="named port"),
        pytest.param(deployment("{name: web, env: null, image: null, resources: null}"), id="nulls"),
        pytest.param(deployment("{name: web, volumeMounts: [], securityContext: {}}"), id="empty"),
        pytest.param("{apiVersion: example.com/v1, kind: Thing, spec: {any: [thing]}}", id="custom resource"),
        pytest.param("{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute}", id="custom resource of Kubernetes"),
    ],
)
def test_what_kubernetes_takes_has_no_problems(text: str) -> None:
    assert problems(text) == []


def test_all_problems_are_found_in_a_stable_order() -> None:
    assert problems(deployment("{image: 1}", spec="replicas: x")) == [
        'spec.replicas: expected integer, found "x"',
        "spec.template.spec.containers.0.image: expected string, found 1",
        "spec.template.spec.containers.0.name: this field is needed",
    ]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample manifests are not beside this checkout")
def test_a_real_application_has_no_problems() -> None:
    text = (SAMPLES / "online-boutique" / "release" / "kubernetes-manifests.yaml").read_text(encoding="utf-8")
    found: list[Yaml] = [item for item in load_all(text, "sample") if item]
    assert [problem for item in found for problem in schemas("1.34").problems(item)] == []
    assert len(found) > 30


@pytest.mark.parametrize(("asked", "taken"), [("1.25", "1.25"), ("1.34", "1.34"), ("1.999", "1.37")])
def test_the_newest_version_that_is_not_newer_is_taken(asked: str, taken: str) -> None:
    assert Schemas(asked).version == taken


def test_a_version_older_than_all_is_refused_with_the_range() -> None:
    with pytest.raises(InvalidInputError, match=r"no schemas for Kubernetes 1\.9; give a version from 1\.25 to 1\.37"):
        schemas("1.9")


@pytest.mark.parametrize(
    ("api_version", "kind", "known"),
    [
        ("apps/v1", "Deployment", True),
        ("v1", "Pod", True),
        ("v1", "Deployment", False),
        ("example.com/v1", "Thing", False),
    ],
)
def test_knows_what_has_a_schema(api_version: str, kind: str, known: bool) -> None:
    assert schemas("1.34").knows(api_version, kind) is known
    assert (schemas("1.34").definition(api_version, kind) is not None) is known
