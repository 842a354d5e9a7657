"""An environment that reaches out of its namespace is refused by the bot, and by Argo CD where the bot is bypassed."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from layersite.argocd import ArgoCD
from tests.e2e.team import Team, wait_for
from tests.template.helpers import commit_all, git

Object = dict[str, Any]  # any kind of Kubernetes object


def config_map(namespace: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "intruder", "namespace": namespace}}


def cluster_role() -> Object:
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    return {**head, "metadata": {"name": "intruder"}, "rules": rules}


def application(project: str) -> Object:
    source = {"repoURL": "https://git.example.com/elsewhere.git", "path": "."}
    where = {"name": "in-cluster", "namespace": "default"}
    spec = {"project": project, "source": source, "destination": where}
    metadata = {"name": "intruder", "namespace": "argocd"}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": metadata, "spec": spec}


def namespace() -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "intruder"}}


INTRUDERS = {
    "another-namespace": config_map("kube-system"),
    "the-baseline": config_map("BASELINE"),
    "a-cluster-scoped-kind": cluster_role(),
    "a-namespace-of-its-own": namespace(),
    "an-application-of-another-project": application("default"),
}


def in_the_cluster_of(team: Team, name: str) -> Object:
    item: Object = json.loads(json.dumps(INTRUDERS[name]).replace("BASELINE", f"stage-{team.name}"))
    return item


@pytest.fixture(scope="module")
def refused(team: Team) -> Iterator[dict[str, int]]:
    """The number of a change for each intruder, after a run in which an overlay brings them along."""
    parts = [
        f'{{% if change and change.branch == "{name}" %}}\n{json.dumps(in_the_cluster_of(team, name))}\n{{% endif %}}\n'
        for name in INTRUDERS
    ]
    overlay = team.site / "apps" / "web" / "overlays" / "intruder.yaml.j2"
    overlay.parent.mkdir(exist_ok=True)
    overlay.write_text("".join(parts))
    numbers = {name: team.open("web", name, "x") for name in INTRUDERS}
    team.layersite("reconcile", code=8)
    yield numbers
    overlay.unlink()
    for number in numbers.values():
        team.close("web", number)
    team.layersite("reconcile")


@pytest.mark.parametrize("name", INTRUDERS)
def test_the_bot_refuses_it_and_commits_nothing(team: Team, refused: dict[str, int], name: str) -> None:
    comment = team.comment("web", refused[name])
    assert f"Environment `web-{refused[name]}` could not be made" in comment
    assert "intruder" in comment
    assert team.status("web", name).startswith("error")
    assert not team.committed()


@pytest.fixture(scope="module")
def past_the_bot(team: Team, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Environments with the intruders, committed by somebody who may push, without our check."""
    clone = tmp_path_factory.mktemp("intruder") / "clone"
    commit_by_hand(team, clone, {name: in_the_cluster_of(team, name) for name in INTRUDERS})
    yield
    commit_by_hand(team, clone, {})  # Argo CD removes them once it has tried often enough, in a few minutes


@pytest.mark.usefixtures("past_the_bot")
@pytest.mark.parametrize("name", INTRUDERS)
def test_argo_cd_refuses_it_too_where_it_is_committed_past_the_bot(team: Team, name: str) -> None:
    look = ["-n", "argocd", f"{team.name}-{name}", "--ignore-not-found", "-o"]
    why = wait_for("Argo CD's refusal", lambda: refusal(team.bed.kubectl("get", "application", *look, "json")))
    assert f"not permitted in project {team.name}" in why.replace("'", "").replace('"', "")
    assert team.bed.kubectl("get", "application", *look, "jsonpath={.spec.project}") == team.name
    item = in_the_cluster_of(team, name)
    where = ["-n", item["metadata"].get("namespace", "default"), "--ignore-not-found"]
    assert not team.bed.kubectl("get", item["kind"], "intruder", *where)


def refusal(application: str) -> str:
    """Return why Argo CD does not sync the application, as soon as it says that something is not permitted."""
    status = json.loads(application or "{}").get("status", {})
    results = status.get("operationState", {}).get("syncResult", {}).get("resources") or []
    said = [each.get("message", "") for each in (*status.get("conditions", []), *results)]
    return next((text for text in said if "not permitted" in text), "")


def commit_by_hand(team: Team, clone: Path, items: dict[str, Object]) -> None:
    """Push a directory for each of `items` and no other, and tell Argo CD, as the bot does after its own push."""
    url = f"{team.bed.gitea_url}/{team.name}/environments.git"
    if not clone.exists():
        git(clone.parent, "clone", "--quiet", url.replace("://", f"://intruder:{team.bed.gitea_token}@"), str(clone))
        git(clone, "config", "user.name", "Intruder")
        git(clone, "config", "user.email", "intruder@example.com")
    root = clone / "environments" / "00"
    shutil.rmtree(root, ignore_errors=True)
    for name, item in items.items():
        (root / name / "manifests").mkdir(parents=True)
        own = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{team.name}-{name}"}}
        (root / name / "manifests" / "all.yaml").write_text(f"{json.dumps(own)}\n---\n{json.dumps(item)}\n")
        # None of these but the cluster is for the environment to choose.
        contract = {"name": name, "cluster": "in-cluster", "project": "default", "namespace": "kube-system"}
        (root / name / "environment.yaml").write_text(json.dumps(contract))
    before = git(clone, "rev-parse", "HEAD").strip()
    commit_all(clone, "chore: intrude")
    git(clone, "push", "--quiet")
    nudge(team, url, before, git(clone, "rev-parse", "HEAD").strip())


def nudge(team: Team, url: str, before: str, after: str) -> None:
    bed, where = team.bed, team.bed.applicationset_webhook_url.removesuffix("/api/webhook")
    argocd = ArgoCD(bed.argocd_url, "", project=team.name, webhook_secret=bed.webhook_secret, applicationset_url=where)
    paths = [f"environments/00/{name}/environment.yaml" for name in INTRUDERS]
    assert argocd.nudge(url, "main", before, after, paths) == ()
    argocd.close()
