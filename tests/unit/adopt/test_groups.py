"""Which objects make one app, what is written of them, and what is left out with which reason."""

from pathlib import Path

import pytest

from layersite.adopt import Adoption, adopt
from layersite.model.yaml import load_all
from tests.unit.adopt.helpers import manifests, service, text_of, workload


def _left_out(adoption: Adoption) -> dict[str, str]:
    return {entry.what: entry.reason for entry in adoption.left_out}


def _files(adoption: Adoption, app: str) -> set[str]:
    return next(set(found.files) for found in adoption.apps if found.name == app)


def _object(kind: str, name: str, body: str = "", version: str = "v1") -> str:
    return f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}\n{body}\n"


def test_helpers_of_a_workload_go_with_it(tmp_path: Path) -> None:
    pod = workload("web", "envFrom: [{configMapRef: {name: settings}}]") + (
        "      serviceAccountName: robot\n      volumes: [{name: d, persistentVolumeClaim: {claimName: disk}}]\n"
    )
    subjects = "subjects: [{kind: ServiceAccount, name: robot, namespace: old}]\n"
    role = "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}"
    rbac = "rbac.authorization.k8s.io/v1"
    source = manifests(
        tmp_path,
        pod,
        workload("other"),
        service("front", "web"),
        _object("ConfigMap", "settings", "data: {a: b}"),
        _object("ServiceAccount", "robot"),
        _object("PersistentVolumeClaim", "disk", "spec: {volumeName: pv-1, accessModes: [ReadWriteOnce]}"),
        _object("HorizontalPodAutoscaler", "web", "spec: {scaleTargetRef: {kind: Deployment, name: web}}"),
        _object("PodDisruptionBudget", "web", "spec: {selector: {matchLabels: {app: web}}}"),
        _object("Role", "reader", "rules: []", rbac),
        _object("RoleBinding", "reader", subjects + role, rbac),
    )
    adoption = adopt(source)
    assert _files(adoption, "other") == {"app.yaml", "base/deployment-other.yaml"}
    assert _files(adoption, "web") == {
        "app.yaml",
        "base/configmap-settings.yaml",
        "base/deployment-web.yaml",
        "base/horizontalpodautoscaler-web.yaml",
        "base/persistentvolumeclaim-disk.yaml",
        "base/poddisruptionbudget-web.yaml",
        "base/role-reader.yaml",
        "base/service-front.yaml",
        "base/serviceaccount-robot.yaml",
        "overlays/rolebinding-reader.yaml.j2",
    }
    binding = text_of(adoption, "web", "overlays/rolebinding-reader.yaml.j2")
    assert 'namespace: "{{ environment.namespace }}"' in binding
    assert "volumeName" not in text_of(adoption, "web", "base/persistentvolumeclaim-disk.yaml")


def test_object_of_two_apps_goes_with_the_first_and_is_noted(tmp_path: Path) -> None:
    field = "envFrom: [{configMapRef: {name: settings}}]"
    source = manifests(tmp_path, workload("b", field), workload("a", field), _object("ConfigMap", "settings"))
    adoption = adopt(source)
    assert "base/configmap-settings.yaml" in _files(adoption, "a") - _files(adoption, "b")
    assert adoption.notes == ("ConfigMap settings: written with a, its first user; b use it too",)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (_object("ConfigMap", "x"), "no adopted workload uses it"),
        (service("x", "nobody"), "serves no adopted workload"),
        (_object("Service", "x", "spec: {type: ExternalName, externalName: db.example.com}"), "external: {host: db.e"),
        (_object("Namespace", "x"), "the bot makes it for each environment"),
        (_object("NetworkPolicy", "x"), "the bot makes it for each environment"),
        (_object("Ingress", "x"), "the bot makes the route"),
        (_object("ClusterRole", "x"), "belongs to the whole cluster"),
        (_object("CustomResourceDefinition", "x"), "belongs to the whole cluster"),
        (_object("ServiceMonitor", "x"), "not one of the kinds that are adopted; list it under `allowed_kinds`"),
        (_object("Pod", "x"), "a Pod alone is not restarted"),
        (_object("RoleBinding", "x", "roleRef: {kind: ClusterRole, name: admin}"), "binds a ClusterRole"),
        (_object("RoleBinding", "x", "roleRef: {kind: Role, name: '{{ site }}'}"), "holds template marks"),
    ],
)
def test_left_out_with_the_reason(tmp_path: Path, item: str, reason: str) -> None:
    adoption = adopt(manifests(tmp_path, workload("web"), item))
    (found,) = _left_out(adoption).values()
    assert reason in found
    assert _files(adoption, "web") == {"app.yaml", "base/deployment-web.yaml"}


def test_list_is_taken_apart(tmp_path: Path) -> None:
    items = [workload("web"), service("web", "web")]
    entries = "".join("  - " + item.replace("\n", "\n    ").rstrip() + "\n" for item in items)
    adoption = adopt(manifests(tmp_path, "apiVersion: v1\nkind: List\nitems:\n" + entries))
    assert _files(adoption, "web") == {"app.yaml", "base/deployment-web.yaml", "base/service-web.yaml"}


def test_what_the_old_cluster_wrote_is_gone(tmp_path: Path) -> None:
    metadata = (
        "{name: web, namespace: prod, uid: u, creationTimestamp: null, labels: {helm.sh/chart: c-1, tier: front}}"
    )
    web = workload("web").replace("{name: web}", metadata, 1) + "status: {replicas: 1}\n"
    (item,) = load_all(text_of(adopt(manifests(tmp_path, web)), "web", "base/deployment-web.yaml"), "")
    assert item["metadata"] == {"name": "web", "labels": {"tier": "front"}}
    assert "status" not in item


def test_node_port_becomes_an_inner_service(tmp_path: Path) -> None:
    front = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  type: NodePort\n  selector: {app: web}\n"
    front += "  externalTrafficPolicy: Local\n  ports: [{port: 80, nodePort: 30080}]\n"
    adoption = adopt(manifests(tmp_path, workload("web"), front))
    (item,) = load_all(text_of(adoption, "web", "base/service-web.yaml"), "")
    assert item["spec"] == {"type": "ClusterIP", "selector": {"app": "web"}, "ports": [{"port": 80}]}
    assert "expose:\n  service: web  # all.yaml: Service web is a NodePort\n  port: 80\n" in text_of(adoption, "web")


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Ingress", "rules: [{http: {paths: [{path: /, backend: {service: {name: web, port: {name: http}}}}]}}]"),
        ("Ingress", "defaultBackend: {service: {name: web, port: {number: 8080}}}"),
        ("HTTPRoute", "rules: [{backendRefs: [{name: web, port: 8080}]}]"),
    ],
)
def test_route_exposes_its_backend(tmp_path: Path, kind: str, spec: str) -> None:
    front = service("web", "web").replace("{port: 80}", "{port: 8080, name: http}")
    adoption = adopt(manifests(tmp_path, workload("web"), front, _object(kind, "way", f"spec: {{{spec}}}")))
    assert f"  service: web  # all.yaml: {kind} way\n  port: 8080\n" in text_of(adoption, "web")


def test_public_twin_that_someone_calls_stays(tmp_path: Path) -> None:
    public = service("web-public", "web", extra=", type: LoadBalancer")
    caller = workload("caller", "env: [{name: X, value: 'http://web-public'}]")
    adoption = adopt(manifests(tmp_path, workload("web"), service("web", "web"), public, caller))
    assert "base/service-web-public.yaml" in _files(adoption, "web")
    assert "expose:\n  service: web " in text_of(adoption, "web")


def test_name_with_dots_is_mapped_and_noted(tmp_path: Path) -> None:
    adoption = adopt(manifests(tmp_path, workload("web.v2")))
    assert [app.name for app in adoption.apps] == ["web-v2"]
    assert adoption.notes == ("web-v2: named after `web.v2`, which is no DNS label",)


def test_host_path_is_noted(tmp_path: Path) -> None:
    web = workload("web") + "      volumes: [{name: h, hostPath: {path: /}}]\n"
    assert adopt(manifests(tmp_path, web)).notes == ("web: environments refuse hostPath; take it out of the base",)


def test_cron_job_is_an_app(tmp_path: Path) -> None:
    containers = "[{name: main, image: 'a:1', env: [{name: WEB_URL, value: 'http://web'}]}]"
    job = f"spec: {{jobTemplate: {{spec: {{template: {{spec: {{containers: {containers}}}}}}}}}}}"
    source = manifests(tmp_path, _object("CronJob", "nightly", job), workload("web"), service("web", "web"))
    assert [(edge.app, edge.needs) for edge in adopt(source).edges] == [("nightly", "web")]


def test_repository_is_named_in_every_app(tmp_path: Path) -> None:
    adoption = adopt(manifests(tmp_path, workload("web")), repository="shop")
    assert "repository: shop\n" in text_of(adoption, "web")


def test_bad_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"apps/web/app\.yaml:5: repository"):
        adopt(manifests(tmp_path, workload("web")), repository="My Shop")
