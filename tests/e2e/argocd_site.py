"""A repository of environments with the AppProject and ApplicationSet that read it, for tests of the Argo CD client."""

import base64
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from layersite.argocd import ArgoCD, Patience, Result
from tests.testbed import Bed

__all__ = ["Site", "deployment", "make_site"]

_POLICIES = {
    "bot": ("applications, get", "applications, sync", "applicationsets, get", "logs, get"),
    "wordless": ("applications, get",),
    "blind": (),
}


@dataclass(frozen=True)
class Site:
    """What the bot has: a repository to push to, and a project whose name every environment's begins with."""

    bed: Bed
    forge: httpx.Client
    project: str
    argocd: ArgoCD

    @property
    def url(self) -> str:
        return f"{self.bed.gitea_url}/{self.bed.gitea_user}/{self.project}.git"

    def name(self, environment: str) -> str:
        return f"{self.project}-{environment}"

    def client(self, role: str = "bot", **changes: Any) -> ArgoCD:
        """Return a client with a new token of `role`."""
        path = f"{self.bed.argocd_url}/api/v1/projects/{self.project}/roles/{role}/token"
        admin = {"Authorization": f"Bearer {self.bed.argocd_admin_token}"}
        token = httpx.post(path, headers=admin, json={"expiresIn": 3600}, trust_env=False).raise_for_status().json()
        return ArgoCD(
            **{
                "url": self.bed.argocd_url,
                "token": token["token"],
                "project": self.project,
                "webhook_secret": self.bed.webhook_secret,
                "applicationset_url": self.bed.applicationset_webhook_url,
                **changes,
            }
        )

    def contains(self, revision: str, commit: str) -> bool:
        """Return whether `commit` is `revision` or one of its ancestors."""
        return commit in [each["sha"] for each in self._ask("GET", f"commits?sha={revision}&limit=50&stat=false")]

    def head(self) -> str:
        return str(self._ask("GET", "branches/main")["commit"]["id"])

    def push(self, environment: str, *objects: Mapping[str, Any], nudge: bool = True) -> str:
        """Commit `objects` and a namespace as the environment, or remove it without any; return the commit."""
        folder, before = f"environments/00/{self.name(environment)}", self.head()
        files = [f"{folder}/environment.yaml", f"{folder}/manifests/all.yaml"]
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name(environment)}}
        texts = [f"name: {self.name(environment)}\n", "\n---\n".join(map(json.dumps, (namespace, *objects)))]
        changes = [self._change(file, text if objects else None) for file, text in zip(files, texts, strict=True)]
        done = self._ask("POST", "contents", {"branch": "main", "message": environment, "files": changes})
        commit = str(done["commit"]["sha"])
        if nudge:
            assert self.argocd.nudge(self.url, "main", before, commit, files) == ()
        return commit

    def wait(self, environment: str, commit: str, deadline: float = 60, **options: Any) -> Result:
        """Return what becomes of one environment at `commit`."""
        patience = Patience(seconds=4, restarts=2)
        options = {"contains": self.contains, "patience": patience, **options}
        (result,) = self.argocd.await_synced({self.name(environment): commit}, deadline=deadline, **options)
        assert result.name == self.name(environment)
        return result

    def remove(self) -> None:
        """Remove everything that was made here and in the cluster."""
        kubectl = self.bed.kubectl
        environments = [name.removeprefix(f"{self.project}-") for name in self.argocd.applications()]
        for environment in environments:
            self.push(environment)
        list(self.argocd.await_gone(map(self.name, environments), deadline=120))
        kubectl("delete", "-n", "argocd", "applicationset", self.project)
        kubectl("delete", "-n", "argocd", "appproject", self.project)
        self._ask("DELETE", "")
        self.argocd.close()

    def _change(self, path: str, text: str | None) -> dict[str, str]:
        if text is not None:
            return {"operation": "upload", "path": path, "content": base64.b64encode(text.encode()).decode()}
        return {"operation": "delete", "path": path, "sha": self._ask("GET", f"contents/{path}")["sha"]}

    def _ask(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> Any:
        where = f"repos/{self.bed.gitea_user}/{self.project}/{path}".rstrip("/")
        answer = self.forge.request(method, where, json=content).raise_for_status()
        return answer.json() if answer.content else None


@contextmanager
def make_site(bed: Bed) -> Iterator[Site]:
    """Make a site, and remove it in the end."""
    project = f"t{secrets.token_hex(3)}"
    headers = {"Authorization": f"token {bed.gitea_token}"}
    with httpx.Client(base_url=f"{bed.gitea_url}/api/v1/", headers=headers, trust_env=False, timeout=30) as forge:
        forge.post("user/repos", json={"name": project, "auto_init": True}).raise_for_status()
        url = f"{bed.gitea_url}/{bed.gitea_user}/{project}.git"
        for each in (_project(project, url), _application_set(project, url)):
            bed.kubectl("apply", "-n", "argocd", "-f-", stdin=json.dumps(each))
        bare = Site(bed, forge, project, ArgoCD(bed.argocd_url, "", project=project, webhook_secret=""))
        site = Site(bed, forge, project, bare.client())
        bare.argocd.close()
        try:
            yield site
        finally:
            site.remove()


def deployment(name: str, image: str, *arguments: str, **container: Any) -> dict[str, Any]:
    """Return a Deployment of one container."""
    labels = {"app": name}
    spec = {"containers": [{"name": name, "image": image, "args": list(arguments), **container}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 0, **spec}},
        },
    }


def _project(name: str, url: str) -> dict[str, Any]:
    def policies(role: str, allowed: Sequence[str]) -> list[str]:
        return [f"p, proj:{name}:{role}, {each}, {name}/*, allow" for each in allowed]

    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": name},
        "spec": {
            "sourceRepos": [url],
            "destinations": [{"server": "https://kubernetes.default.svc", "namespace": f"{name}-*"}],
            "clusterResourceWhitelist": [{"group": "", "kind": "Namespace"}],
            "roles": [{"name": role, "policies": policies(role, allowed)} for role, allowed in _POLICIES.items()],
        },
    }


def _application_set(name: str, url: str) -> dict[str, Any]:
    where = {"repoURL": url, "revision": "refs/heads/main"}
    source = {"repoURL": url, "targetRevision": "refs/heads/main", "path": "{{.path.path}}/manifests"}
    template = {
        "metadata": {
            "name": "{{.path.basename}}",
            "labels": {"site": name},
            "annotations": {"argocd.argoproj.io/manifest-generate-paths": "."},
            "finalizers": ["resources-finalizer.argocd.argoproj.io"],
        },
        "spec": {
            "project": name,
            "source": source,
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "{{.path.basename}}"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": name},
        "spec": {
            "goTemplate": True,
            "goTemplateOptions": ["missingkey=error"],
            "generators": [{"git": {**where, "files": [{"path": "environments/*/*/environment.yaml"}]}}],
            "template": template,
        },
    }
