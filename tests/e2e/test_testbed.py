"""The bed itself: what every other end-to-end test takes for granted."""

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.testbed import Bed, push_image, wait_for

COMMAND = [sys.executable, "-m", "tests.testbed"]


def apply(bed: Bed, namespace: str, *objects: dict[str, Any]) -> None:
    bed.kubectl(
        "apply", "-n", namespace, "-f-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    )


def pod(name: str, image: str, *arguments: str) -> dict[str, Any]:
    container = {"name": name, "image": image, "args": list(arguments)}
    metadata = {"name": name, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def service(name: str, port: int) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def wait_ready(bed: Bed, namespace: str, name: str) -> None:
    bed.kubectl("wait", "-n", namespace, "--for=condition=Ready", "--timeout=60s", f"pod/{name}")


def test_the_node_is_ready(bed: Bed) -> None:
    assert "condition met" in bed.kubectl("wait", "--for=condition=Ready", "--timeout=0", "nodes", "--all")


def test_an_image_that_was_just_pushed_answers_at_the_gateway_under_its_host(bed: Bed, namespace: str) -> None:
    serve = ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"]
    digest = push_image(bed, "tests/page", namespace, {"www/index.html": b"the page of this test\n"}, serve)
    host = f"page.{namespace}.{bed.domain}"
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "page"},
        "spec": {
            "parentRefs": [{"name": bed.gateway_name, "namespace": bed.gateway_namespace}],
            "hostnames": [host],
            "rules": [{"backendRefs": [{"name": "page", "port": 8080}]}],
        },
    }
    apply(bed, namespace, pod("page", f"{bed.registry}/tests/page@{digest}"), service("page", 8080), route)
    with httpx.Client(trust_env=False, headers={"Host": host}) as client:
        answer = wait_for("the page", lambda: client.get(bed.gateway_url), lambda seen: seen.is_success)
    assert answer.text == "the page of this test\n"


def test_names_resolve_in_a_pod_also_into_another_namespace(bed: Bed, make_namespace: Callable[[], str]) -> None:
    near, far = make_namespace(), make_namespace()
    alias = {"type": "ExternalName", "externalName": f"backend.{far}.svc.cluster.local"}
    podinfo = f"{bed.registry}/podinfo:latest"
    apply(bed, far, pod("backend", podinfo), service("backend", 9898))
    apply(
        bed,
        near,
        pod("frontend", podinfo, "--backend-url=http://backend:9898/echo"),
        service("frontend", 9898),
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "backend"}, "spec": alias},
    )
    wait_ready(bed, far, "backend")
    wait_ready(bed, near, "frontend")
    script = "nslookup frontend.$0.svc.cluster.local && nslookup kubernetes.default.svc.cluster.local"
    assert "10.96.0.1" in bed.kubectl("exec", "-n", near, "frontend", "--", "/bin/sh", "-c", script, near)
    address = bed.kubectl("get", "-n", near, "service/frontend", "-ojsonpath={.spec.clusterIP}")
    with httpx.Client(transport=httpx.HTTPTransport(retries=5)) as client:  # kube-proxy may still be at it
        answer = client.post(f"http://{address}:9898/echo", content="from the backend")
    assert answer.json() == ["from the backend"]


APPLICATION_SET = """
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {{name: {name}, namespace: argocd}}
spec:
  goTemplate: true
  goTemplateOptions: [missingkey=error]
  generators:
    - git: {{repoURL: "{url}", revision: refs/heads/main, files: [{{path: "*/environment.yaml"}}]}}
  template:
    metadata: {{name: "{name}-{{{{ .path.basename }}}}", finalizers: [resources-finalizer.argocd.argoproj.io]}}
    spec:
      project: default
      source: {{repoURL: "{url}", targetRevision: refs/heads/main, path: "{{{{ .path.path }}}}/manifests"}}
      destination: {{server: "https://kubernetes.default.svc", namespace: {name}}}
      syncPolicy: {{automated: {{prune: true, selfHeal: true}}}}
"""


@pytest.fixture
def application_set(bed: Bed, namespace: str, repository: str) -> Iterator[str]:
    """An ApplicationSet named like the namespace, with an application for each folder of the repository."""
    url = f"{bed.gitea_url}/{bed.gitea_user}/{repository}.git"
    bed.kubectl("apply", "-f-", stdin=APPLICATION_SET.format(name=namespace, url=url))
    yield namespace
    bed.kubectl("delete", "-n", "argocd", "applicationset", namespace)


def push_environment(bed: Bed, gitea: httpx.Client, repository: str) -> bytes:
    """Commit an environment with one pod, and return the body that GitHub would send for the push."""
    manifest = json.dumps(pod("web", f"{bed.registry}/podinfo:latest"))
    contents = {"blue/environment.yaml": "name: blue\n", "blue/manifests/web.yaml": manifest}
    files = [
        {"operation": "create", "path": path, "content": base64.b64encode(text.encode()).decode()}
        for path, text in contents.items()
    ]
    path = f"repos/{bed.gitea_user}/{repository}"
    commit = gitea.post(f"{path}/contents", json={"branch": "main", "message": "Add blue", "files": files})
    about = {"html_url": f"{bed.gitea_url}/{bed.gitea_user}/{repository}", "default_branch": "main"}
    change = {"id": commit.raise_for_status().json()["commit"]["sha"], "added": list(contents)}
    return json.dumps({"ref": "refs/heads/main", "repository": about, "commits": [change]}).encode()


def nudge(url: str, body: bytes, secret: str) -> httpx.Response:
    signature = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    headers = {"X-GitHub-Event": "push", "X-Hub-Signature-256": signature, "Content-Type": "application/json"}
    with httpx.Client(trust_env=False) as client:
        return client.post(url, content=body, headers=headers)


def test_a_pushed_environment_becomes_healthy_after_a_signed_nudge(
    bed: Bed, gitea: httpx.Client, repository: str, application_set: str
) -> None:
    body = push_environment(bed, gitea, repository)
    for url in (bed.applicationset_webhook_url, bed.argocd_webhook_url):
        assert nudge(url, body, "of somebody else").is_error
        assert nudge(url, body, bed.webhook_secret).is_success
    status = "-ojsonpath={.status.sync.status} {.status.health.status}"
    look = ["get", "-n", "argocd", "application", f"{application_set}-blue", "--ignore-not-found", status]
    wait_for("the application", lambda: bed.kubectl(*look), lambda seen: seen == "Synced Healthy")
    assert "web" in bed.kubectl("get", "-n", application_set, "pods")


def test_the_bots_account_sees_its_own_project_alone(bed: Bed, application_set: str) -> None:
    headers = {"Authorization": f"Bearer {bed.argocd_token}"}
    with httpx.Client(base_url=bed.argocd_url, headers=headers, trust_env=False) as client:
        assert client.get("/api/v1/applications").raise_for_status().json()["items"] is None
        assert client.get(f"/api/v1/applicationsets/{application_set}").status_code == httpx.codes.FORBIDDEN


@pytest.fixture
def second(bed: Bed) -> Iterator[str]:
    """The id of a bed that nobody has started."""
    if not bed.id:
        pytest.skip("this cluster was not started by the bed")
    name = f"{bed.id[:17]}-2"
    yield name
    subprocess.run([*COMMAND, "down", f"--id={name}"], check=True)


def state(bed_id: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(f"/var/lib/layersite-testbed/{bed_id}/state.json").read_bytes())
    return loaded


def test_starting_a_bed_that_runs_changes_nothing(bed: Bed) -> None:
    if not bed.id:
        pytest.skip("this cluster was not started by the bed")
    before = state(bed.id)
    subprocess.run([*COMMAND, "up", f"--id={bed.id}"], check=True)
    assert state(bed.id) == before


def test_a_second_bed_starts_again_after_a_kill_and_leaves_nothing(second: str) -> None:
    subprocess.run([*COMMAND, "up", f"--id={second}"], check=True)
    first = state(second)["processes"]
    etcd, containerd = first["etcd"][0], first["containerd"][0]
    program = Path(f"/proc/{etcd}/task/{etcd}/children").read_text(encoding="utf-8")  # what is recorded entered for it
    for pid in (int(program), containerd):
        os.kill(pid, signal.SIGKILL)
    assert subprocess.run([*COMMAND, "status", f"--id={second}"], check=False).returncode == 1
    subprocess.run([*COMMAND, "up", f"--id={second}"], check=True)
    assert not set(map(tuple, first.values())) & set(map(tuple, state(second)["processes"].values()))
    subprocess.run([*COMMAND, "down", f"--id={second}"], check=True)
    places = [f"/var/lib/layersite-testbed/{second}", f"/run/netns/layersite-{second}"]
    assert not any(Path(place).exists() for place in places)
    assert not list(Path("/sys/fs/cgroup").glob(f"**/layersite-{second}"))
    assert f"layersite-testbed/{second}" not in Path("/proc/self/mounts").read_text(encoding="utf-8")
    assert subprocess.run(["pgrep", "--full", f"layersite-testbed/{second}"], check=False).returncode == 1
