"""A team with two services, their repositories, images, a baseline and a site: what a person does, in one line each."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import copier
import httpx

from tests.template.helpers import ROOT, commit_all, copy_work_tree, git
from tests.testbed import Bed, push_image

__all__ = ["SERVICES", "Team", "make_team", "manifests", "outside", "wait_for"]

SERVICES = ("web", "api")
_NOTHING: Mapping[str, str] = MappingProxyType({})
_CALL_API = """#!/bin/sh
echo "Content-Type: text/plain"
echo
address=$(nslookup "api.$NAMESPACE.svc.cluster.local" | /bin/busybox awk '/^Address/ && !/:53/ {print $NF}')
exec /bin/busybox wget -qO- "http://$address/"
"""


def outside() -> list[str]:
    """Return what stands before a command that must leave the bed's network for the machine's own."""
    return ["nsenter", f"--net={os.environ['LAYERSITE_BED_OUTSIDE']}"] if "LAYERSITE_BED_OUTSIDE" in os.environ else []


def wait_for(what: str, found: Callable[[], Any], seconds: float = 60) -> Any:
    """Return what `found` returns once that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.2)
    raise AssertionError(f"{what} did not come about within {seconds:g} s")


@dataclass
class Team:
    """One organization at the forge, with its site in `site`; every name in the cluster begins with its own."""

    bed: Bed
    name: str
    site: Path
    forge: httpx.Client
    environment: dict[str, str] = field(default_factory=dict, repr=False)

    # what its developers do

    def api(self, method: str, path: str, **content: Any) -> Any:
        answer = self.forge.request(method, path, json=content or None)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def commit(
        self,
        repository: str,
        branch: str,
        text: str,
        *,
        start: str | None = None,
        image: bool = True,
        extra: Mapping[str, str] = _NOTHING,
    ) -> str:
        """Commit on `branch` (made from `start`), push the image of `text` (and `extra`), and return the commit."""
        where = {"branch": start, "new_branch": branch} if start else {"branch": branch}
        content = base64.b64encode(text.encode()).decode()
        path = f"/repos/{self.name}/{repository}/contents/{uuid4().hex}.txt"
        sha = str(self.api("POST", path, content=content, message=text, **where)["commit"]["sha"])
        if image:
            self.build(repository, sha, text, extra)
        return sha

    def build(self, repository: str, sha: str, text: str, extra: Mapping[str, str] = _NOTHING) -> str:
        """Push the image of a commit and return its digest."""
        pages = {"www/index.html": text, "www/cgi-bin/api": _CALL_API, **extra}
        files = {path: content.encode() for path, content in pages.items()}
        serve = ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"]
        return push_image(self.bed, f"{self.name}/{repository}", sha, files, serve)

    def build_crashing(self, repository: str, sha: str) -> None:
        """Push an image that ends at once."""
        entry = ["/bin/sh", "-c", "echo the database said no >&2; exit 3"]
        push_image(self.bed, f"{self.name}/{repository}", sha, {"www/index.html": b""}, entry)

    def open(
        self, repository: str, branch: str, text: str, *, image: bool = True, extra: Mapping[str, str] = _NOTHING
    ) -> int:
        """Open a pull request whose commit serves `text` (and `extra`); return its number."""
        self.commit(repository, branch, text, start="main", image=image, extra=extra)
        return self.propose(repository, branch, text)

    def propose(self, repository: str, branch: str, title: str) -> int:
        made = self.api("POST", f"/repos/{self.name}/{repository}/pulls", title=title, head=branch, base="main")
        return int(made["number"])

    def close(self, repository: str, number: int) -> None:
        self.api("PATCH", f"/repos/{self.name}/{repository}/pulls/{number}", state="closed")

    def forget(self, environment: str) -> None:
        """Take the environment out of the repository, as a person might who reverts a commit."""
        tree = self.api("GET", f"/repos/{self.name}/environments/git/trees/main?recursive=true&per_page=10000")["tree"]
        mine = [each for each in tree if each["type"] == "blob" and f"/{environment}/" in each["path"]]
        files = [{"operation": "delete", "path": each["path"], "sha": each["sha"]} for each in mine]
        self.api("POST", f"/repos/{self.name}/environments/contents", branch="main", message="Revert", files=files)

    # what they see

    def comments(self, repository: str, number: int) -> list[str]:
        return [each["body"] for each in self.api("GET", f"/repos/{self.name}/{repository}/issues/{number}/comments")]

    def comment(self, repository: str, number: int) -> str:
        (body,) = self.comments(repository, number)
        return body

    def status(self, repository: str, branch: str) -> str:
        """Return state and description of the newest commit status of the branch's head."""
        found = self.api("GET", f"/repos/{self.name}/{repository}/commits/{branch}/status")["statuses"]
        mine = [each for each in found or [] if each["context"] == "layersite"]
        return f"{mine[0]['status']}: {mine[0]['description']}" if mine else ""

    def get(self, environment: str, app: str = "web", path: str = "/") -> str:
        """Return what the environment answers through the gateway."""
        host = f"{environment}--{app}.{self.domain}"
        answer = httpx.get(f"{self.bed.gateway_url}{path}", headers={"Host": host}, timeout=20, trust_env=False)
        return answer.text.strip() if answer.is_success else f"{answer.status_code}"

    def shows(self, environment: str, text: str, app: str = "web", path: str = "/") -> None:
        """See the environment answer `text`; the gateway learns of new pods a moment after Argo CD."""
        wait_for(f"{text!r} from {environment}", lambda: self.get(environment, app, path) == text, 20)

    def namespaces(self) -> set[str]:
        """Return the namespaces of this team's environments."""
        listed = json.loads(self.bed.kubectl("get", "namespaces", "-o", "json"))["items"]
        names = {item["metadata"]["name"] for item in listed}
        return {name.removeprefix(f"{self.name}-") for name in names if name.startswith(f"{self.name}-")}

    def applications(self) -> set[str]:
        listed = json.loads(self.bed.kubectl("get", "applications", "-n", "argocd", "-o", "json"))["items"]
        names = {item["metadata"]["name"] for item in listed}
        return {name.removeprefix(f"{self.name}-") for name in names if name.startswith(f"{self.name}-")}

    def committed(self) -> set[str]:
        """Return the paths below the directories of environments, without the shard."""
        tree = self.api("GET", f"/repos/{self.name}/environments/git/trees/main?recursive=true&per_page=10000")["tree"]
        paths = [each["path"] for each in tree if each["type"] == "blob"]
        return {path.split("/", 2)[2] for path in paths if path.startswith("environments/") and path.count("/") > 1}

    @property
    def domain(self) -> str:
        return f"{self.name}.localhost"

    # what its bot does

    def layersite(self, *arguments: str, code: int | None = 0) -> str:
        """Run a command in the site and return what it says."""
        argv = [str(Path(sys.executable).with_name("layersite")), "--site", str(self.site), *arguments]
        done = subprocess.run(argv, env={**os.environ, **self.environment}, capture_output=True, encoding="utf-8")
        said = done.stdout + done.stderr
        assert code is None or done.returncode == code, f"exit code {done.returncode}\n{said}"
        assert not [token for token in self.secrets if token in said]
        return said

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a command in the site and leave it running; what it says is not heard."""
        argv = [str(Path(sys.executable).with_name("layersite")), "--site", str(self.site), *arguments]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(argv, env={**os.environ, **self.environment}, stdout=quiet, stderr=quiet)

    def prepare(self, *sessions: str) -> None:
        """Install what the site's own sessions need, outside a bed's network, which leads to no package index."""
        argv = [*outside(), sys.executable, "noxfile.py", "--install-only", "--session", *sessions]
        subprocess.run(argv, cwd=self.site, check=True, capture_output=True)

    def nox(self, session: str, *arguments: str, code: int = 0) -> str:
        """Run one of the site's own sessions, which was prepared, and return what it says."""
        argv = [sys.executable, "noxfile.py", "--session", session, "--", *arguments]
        env = {**os.environ, **self.environment}
        done = subprocess.run(argv, cwd=self.site, env=env, capture_output=True, encoding="utf-8")
        said = done.stdout + done.stderr
        assert done.returncode == code, f"exit code {done.returncode}\n{said}"
        assert not [token for token in self.secrets if token in said]
        return said

    @property
    def secrets(self) -> list[str]:
        return [self.bed.gitea_token, self.bed.argocd_admin_token, self.bed.webhook_secret]

    @contextmanager
    def serving(self, every: int = 60, host: str = "127.0.0.1") -> Iterator[str]:
        """Run `layersite serve` and have the forge's webhooks wake it; yields its address."""
        argv = [str(Path(sys.executable).with_name("layersite")), "--site", str(self.site), "serve"]
        argv += ["--host", host, "--port", "0", "--every", str(every)]
        secret = uuid4().hex
        log = self.site.parent / "serve.log"
        with log.open("w") as file:
            env = {**os.environ, **self.environment, "LAYERSITE_WEBHOOK_SECRET": secret}
            process = subprocess.Popen(argv, env=env, stderr=file, stdout=file)
        try:
            url = f"http://127.0.0.1:{wait_for('the service', lambda: _port(log), 30)}"
            for repository in SERVICES:
                config = {"url": f"{url}/webhook", "content_type": "json", "secret": secret}
                path = f"/repos/{self.name}/{repository}/hooks"
                events = ["push", "pull_request", "pull_request_sync"]
                self.api("POST", path, type="gitea", active=True, events=events, config=config)
            yield url
        finally:
            process.terminate()
            process.wait(60)


def _port(log: Path) -> str:
    line = next((line for line in log.read_text().splitlines() if "listening on" in line), "")
    return line.rpartition(":")[2].strip()


def make_team(bed: Bed, folder: Path) -> Team:
    """Make the organization, its repositories and images, the baseline, the site, and set Argo CD up for it."""
    name = f"t{uuid4().hex[:6]}"
    headers = {"Authorization": f"token {bed.gitea_token}"}
    forge = httpx.Client(base_url=f"{bed.gitea_url}/api/v1", headers=headers, timeout=60, trust_env=False)
    environment = {
        "LAYERSITE_FORGE_TOKEN": bed.gitea_token,
        "LAYERSITE_ARGOCD_TOKEN": bed.argocd_admin_token,
        "LAYERSITE_ARGOCD_WEBHOOK_SECRET": bed.webhook_secret,
        "KUBECONFIG": bed.kubeconfig,
    }
    team = Team(bed, name, folder / "site", forge, environment)
    team.api("POST", "/orgs", username=name)
    team.api("POST", f"/orgs/{name}/repos", name="environments", default_branch="main")
    for repository in SERVICES:
        team.api("POST", f"/orgs/{name}/repos", name=repository, auto_init=True, default_branch="main")
        team.commit(repository, "main", f"{repository} of main")
    _write_site(team, folder)
    bed.kubectl("create", "namespace", f"stage-{name}")
    for repository in SERVICES:
        head = team.api("GET", f"/repos/{name}/{repository}/branches/main")["commit"]["id"]
        text = manifests(team, repository).replace(":latest", f":{head}")
        bed.kubectl("apply", "-n", f"stage-{name}", "-f", "-", stdin=text)
    return team


def _write_site(team: Team, folder: Path) -> None:
    template = folder / "template"
    copy_work_tree(template)
    url = f"{team.bed.gitea_url}/{team.name}"
    answers = {
        "organization": team.name,
        "environments_url": f"{url}/environments.git",
        "forge": "gitea",
        "forge_url": team.bed.gitea_url,
        "repositories": {name: {"url": f"{url}/{name}.git"} for name in SERVICES},
        "argocd_url": team.bed.argocd_url,
        "applicationset_url": team.bed.applicationset_webhook_url.removesuffix("/api/webhook"),
        "namespace_prefix": f"{team.name}-",
        "baseline": "existing",
        "baseline_namespace": f"stage-{team.name}",
        "domain": team.domain,
        "gateway_name": team.bed.gateway_name,
        "gateway_namespace": team.bed.gateway_namespace,
        "layersite_source": ROOT.as_uri(),
    }
    copier.run_copy(str(template), team.site, data=answers, defaults=True, quiet=True)
    settings = team.site / "layersite.yaml"
    text = settings.read_text()
    text = text.replace("scheme: https", "scheme: http").replace("project: layersite", f"project: {team.name}")
    text = text.replace("insecure_registries: []", f'insecure_registries: ["{team.bed.registry}"]')
    settings.write_text(text.replace("timeout_minutes: 10", "timeout_minutes: 2"))
    for example in team.site.glob("apps/*/"):
        subprocess.run(["rm", "-r", str(example)], check=True)
    for name in SERVICES:
        base = team.site / "apps" / name / "base"
        base.mkdir(parents=True)
        (base / "all.yaml").write_text(manifests(team, name))
        app: dict[str, Any] = {
            "repository": name,
            "base": {"directory": "base"},
            "images": [{"name": f"{team.bed.registry}/{team.name}/{name}", "tag": "{sha}"}],
        }
        more = {"expose": {}, "needs": [{"app": "api"}]} if name == "web" else {}
        (base.parent / "app.yaml").write_text(json.dumps(app | more))
    git(team.site, "init", "--quiet", "--initial-branch=main")
    git(team.site, "config", "user.name", "Team")
    git(team.site, "config", "user.email", "team@example.com")
    commit_all(team.site, "feat: our site")
    remote = f"{url}/environments.git".replace("://", f"://bot:{team.bed.gitea_token}@")
    git(team.site, "push", "--quiet", remote, "main")


def manifests(team: Team, name: str) -> str:
    """Return a Deployment and a Service of the team's image `name`."""
    container = {
        "name": "main",
        "image": f"{team.bed.registry}/{team.name}/{name}:latest",
        "ports": [{"containerPort": 8080}],
        "env": [{"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}, "limits": {"cpu": "200m", "memory": "32Mi"}},
    }
    labels = {"app": name}
    pod = {"containers": [container], "terminationGracePeriodSeconds": 0, "enableServiceLinks": False}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    }
    return f"{json.dumps(deployment)}\n---\n{json.dumps(service)}\n"
