"""The sides of the comparison, each with its own repository: layersite, and Argo CD's PullRequest generator."""

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from layersite.model.yaml import dump_all, load_all
from tests.e2e.team import Team
from tests.template.helpers import git

__all__ = ["Change", "Generator", "Side", "application_set", "github_shaped", "same_objects"]

_FINALIZER = "resources-finalizer.argocd.argoproj.io"


@dataclass(frozen=True)
class Change:
    """A pull request; `application` is the name of its Application and of its namespace."""

    branch: str
    number: int
    application: str


@dataclass(frozen=True)
class Side:
    """Layersite, and the developer in `folder` whose changes of `repository` become environments.

    A returned moment is when the forge had done its part.
    """

    team: Team
    repository: str
    folder: Path
    name: str = "layersite"
    commits: bool = True

    @property
    def prefix(self) -> str:
        """What the names of its applications begin with."""
        return f"{self.team.name}-"

    @property
    def url(self) -> str:
        """The address of the repository."""
        return f"{self.team.bed.gitea_url}/{self.team.name}/{self.repository}.git"

    def clone(self) -> None:
        """Make the repository if it is not there, and take it here."""
        if self.repository not in {each["name"] for each in self.team.api("GET", f"/orgs/{self.team.name}/repos")}:
            self.team.api("POST", f"/orgs/{self.team.name}/repos", name=self.repository, auto_init=True)
        self.folder.parent.mkdir(exist_ok=True)
        git(self.folder.parent, "clone", "--quiet", self.url, str(self.folder))
        for key, value in {"user.name": "Developer", "user.email": "developer@example.com", "gc.auto": "0"}.items():
            git(self.folder, "config", key, value)

    def prepare(self, branch: str, start: str) -> str:
        """Commit on `branch`, made from `start`, with an image of the commit, whose digest is returned."""
        sha = self.commit(branch, start, {"text": uuid4().hex})
        return self.team.build(self.repository, sha, sha)

    def commit(self, branch: str, start: str, files: dict[str, str]) -> str:
        """Commit `files` on `branch`, made anew from `start`, and return the commit."""
        git(self.folder, "checkout", "--quiet", "-B", branch, start)
        for path, text in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text, encoding="utf-8")
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", f"--message={branch}")
        return git(self.folder, "rev-parse", "HEAD").strip()

    def push(self, *branches: str) -> float:
        """Push `branches`."""
        git(self.folder, "push", "--quiet", "origin", *branches)
        return time.monotonic()

    def open(self, branch: str) -> tuple[Change, float]:
        """Open a pull request."""
        number = self.team.propose(self.repository, branch, branch)
        moment = time.monotonic()
        self.tell("opened", number)
        return Change(branch, number, f"{self.prefix}{self.repository}-{number}"), moment

    def renew(self, change: Change) -> float:
        """Push the commit that is prepared on a pull request's branch."""
        moment = self.push(change.branch)
        self.tell("synchronize", change.number)
        return moment

    def close(self, change: Change) -> float:
        """Close a pull request without merging it."""
        self.team.close(self.repository, change.number)
        moment = time.monotonic()
        self.tell("closed", change.number)
        return moment

    def tell(self, action: str, number: int) -> None:
        """Do nothing: the forge's own webhook wakes the bot."""


@dataclass(frozen=True)
class Generator(Side):
    """Argo CD's generator, for which the repository holds manifests; it commits nothing.

    `github` is the address of a forge in GitHub's shape: with it, Argo CD is told of each event at once, which it
    understands for GitHub and never for Gitea. Without it, it looks every 30 seconds. A `twin` gets the objects that
    layersite's environments hold beside their app, as Argo CD's users would write them.
    """

    commits: bool = False
    github: str = ""
    twin: bool = False

    @property
    def prefix(self) -> str:
        """What the names of its applications begin with, which differs from those of layersite."""
        return f"{self.team.name}{self.repository}-"

    def prepare(self, branch: str, start: str) -> str:
        """Commit manifests that name a new image."""
        tag = uuid4().hex
        digest = self.team.build(self.repository, tag, tag)
        place = f"{self.team.bed.registry}/{self.team.name}"
        text = re.sub(rf"{place}/web:\w+", f"{place}/{self.repository}@{digest}", self._manifests)
        self.commit(branch, start, {"deploy/all.yaml": text.replace("render--web", f"{self.repository}-{branch}")})
        return digest

    @cached_property
    def _manifests(self) -> str:
        if self.twin:
            return same_objects(self.team, "web")
        return (self.team.site / "apps" / "web" / "base" / "all.yaml").read_text(encoding="utf-8")

    def start(self) -> None:
        """Make the ApplicationSet."""
        forge = {"owner": self.team.name, "repo": self.repository}
        generator: dict[str, Any] = {"github": {**forge, "api": f"{self.github}/"}}
        if not self.github:
            generator = {"gitea": {**forge, "api": self.team.bed.gitea_url}, "requeueAfterSeconds": 30}
        source = {"repoURL": self.url, "targetRevision": "{{ .head_sha }}", "path": "deploy"}
        name = f"{self.prefix}{self.repository}-{{{{ .number }}}}"
        self.team.bed.kubectl("apply", "-f-", stdin=application_set({"pullRequest": generator}, name, source))

    def tell(self, action: str, number: int) -> None:
        """Send what GitHub would send, without its delay."""
        if not self.github:
            return
        place = {"name": self.repository, "owner": {"login": self.team.name}, "url": f"{self.github}/api/v3/repos/x"}
        body = json.dumps({"action": action, "number": number, "repository": place}).encode()
        signature = hmac.new(self.team.bed.webhook_secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-GitHub-Event": "pull_request", "X-Hub-Signature-256": f"sha256={signature}"}
        url = self.team.bed.applicationset_webhook_url
        httpx.post(url, content=body, headers=headers, timeout=30, trust_env=False).raise_for_status()


def same_objects(team: Team, app: str) -> str:
    """Return what an environment of layersite holds that isolates `app`, without its name and what is for layersite."""
    folder = team.site.parent / f"twin-{app}"
    team.layersite("render", "--app", app, "--directory", str(folder))
    found = [item for path in sorted(folder.glob("manifests/*")) for item in load_all(path.read_text(), path.name)]
    items = [item for item in found if item["kind"] != "Namespace"]
    for item in items:
        del item["metadata"]["namespace"], item["metadata"]["annotations"]
    return dump_all(items)


def application_set(generator: dict[str, Any], name: str, source: dict[str, Any]) -> str:
    """Return an ApplicationSet that gives each environment a namespace of its own, and removes what it made."""
    policy = {"automated": {"prune": True}, "syncOptions": ["CreateNamespace=true"]}
    template = {
        "metadata": {
            "name": name,
            "finalizers": [_FINALIZER],
            "annotations": {"argocd.argoproj.io/manifest-generate-paths": "."},
        },
        "spec": {
            "project": "default",
            "source": source,
            "destination": {"name": "in-cluster", "namespace": name},
            "syncPolicy": policy,
        },
    }
    made = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": name.partition("-")[0], "namespace": "argocd"},
        "spec": {"goTemplate": True, "generators": [generator], "template": template},
    }
    return json.dumps(made)


def github_shaped(team: Team) -> Callable[[str, bytes], bytes]:
    """Return what answers GitHub's list of open pull requests with those of the team's forge."""

    def answer(path: str, body: bytes) -> bytes:
        repository = path.partition("?")[0].split("/")[-2]
        kept = [
            {
                "number": pull["number"],
                "title": pull["title"],
                "user": {"login": pull["user"]["login"]},
                "labels": [],
                "head": {"ref": pull["head"]["ref"], "sha": pull["head"]["sha"]},
                "base": {"ref": pull["base"]["ref"]},
            }
            for pull in team.api("GET", f"/repos/{team.name}/{repository}/pulls?state=open&limit=50")
        ]
        return json.dumps(kept).encode()

    return answer
