"""The commands of the tutorial for a cluster, typed one after the other; only addresses are others."""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.e2e.team import Team, manifests, outside
from tests.template.helpers import ROOT, commit_all, copy_work_tree, git
from tests.testbed import Bed, push_image

PAGE = ROOT / "docs" / "tutorial" / "first-environment-on-a-cluster.md"
SESSIONS = ("adopt", "check", "smoke", "bootstrap", "reconcile", "status")


@dataclass(frozen=True)
class Newcomer:
    """Someone with the page, a shell in `folder`, and an organization whose CI builds what is pushed."""

    team: Team
    folder: Path
    environment: dict[str, str]

    def type(self, text: str) -> str:
        """Run one block where the last one ended, with the variables that it exported; return what it prints."""
        state, place = self.folder / "variables", self.folder / "place"
        before = f"source {state}; cd $(cat {place})" if state.exists() else "true"
        script = f"{before}\n{self._with_addresses(text)}\nexport -p > {state}; pwd > {place}"
        argv = ["bash", "-euc", script]
        done = subprocess.run(argv, cwd=self.folder, env=self.environment, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def build(self) -> None:
        """Push the image of every branch's head, as the service's CI does."""
        for branch in self.team.api("GET", f"/repos/{self.team.name}/shop/branches"):
            page = f"shop at {branch['name']}".encode()
            serve = ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"]
            push_image(self.team.bed, f"{self.team.name}/shop", branch["commit"]["id"], {"www/index.html": page}, serve)

    def prepare(self) -> None:
        """Install what the site's sessions need outside the bed's network, which leads to no package index."""
        argv = [*outside(), "python3", "noxfile.py", "--install-only", "--session", *SESSIONS]
        where = self.folder / "my-environments"
        done = subprocess.run(argv, cwd=where, env=self.environment, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stdout + done.stderr

    def _with_addresses(self, text: str) -> str:
        bed, name = self.team.bed, self.team.name
        for there, here in {
            "https://git.example.com": bed.gitea_url,
            "https://argocd.example.com": bed.argocd_url,
            "https://argocd-applicationset.example.com": bed.applicationset_webhook_url.removesuffix("/api/webhook"),
            "registry.example.com": bed.registry,
            "preview.example.com": self.team.domain,
            "https://baseline--": "http://baseline--",
            "https://shop-1--": "http://shop-1--",
            "/example/": f"/{name}/",
            "gateway_name: gateway": f"gateway_name: {bed.gateway_name}",
            "gateway_namespace: gateway-system": f"gateway_namespace: {bed.gateway_namespace}",
        }.items():
            text = text.replace(there, here)
        return text


@pytest.fixture
def team(bed: Bed, tmp_path: Path) -> Iterator[Team]:
    """The organization with an empty repository of environments, and one with a service."""
    headers = {"Authorization": f"token {bed.gitea_token}"}
    forge = httpx.Client(base_url=f"{bed.gitea_url}/api/v1", headers=headers, timeout=60, trust_env=False)
    team = Team(bed, f"t{uuid4().hex[:6]}", tmp_path / "my-environments", forge)
    team.api("POST", "/orgs", username=team.name)
    team.api("POST", f"/orgs/{team.name}/repos", name="environments", default_branch="main")
    team.api("POST", f"/orgs/{team.name}/repos", name="shop", auto_init=True, default_branch="main")
    content = base64.b64encode(manifests(team, "shop").encode()).decode()
    path = f"/repos/{team.name}/shop/contents/kubernetes/shop.yaml"
    team.api("POST", path, content=content, message="feat: manifests", branch="main")
    yield team
    forge.close()
    for kind in ("applicationset", "appproject"):
        bed.kubectl("delete", "-n", "argocd", kind, "layersite", "--ignore-not-found", "--cascade=foreground")


@pytest.fixture
def newcomer(team: Team, tmp_path: Path) -> Newcomer:
    """A shell whose git and `uvx` lead to this work tree instead of the published template."""
    template = tmp_path / "template"
    copy_work_tree(template)
    git(template, "init", "--quiet")
    git(template, "config", "user.name", "Test")
    git(template, "config", "user.email", "test@example.com")
    commit_all(template, "feat: everything")
    git(template, "tag", "v0.0.2")
    config, tools = tmp_path / "gitconfig", tmp_path / "bin"
    config.write_text(
        "[user]\n  name = Test\n  email = test@example.com\n"
        f'[url "file://{template}"]\n  insteadOf = https://github.com/layersite/layersite\n'
        "  insteadOf = https://github.com/layersite/layersite.git\n"
        '[credential]\n  helper = "!f() { echo username=layersite; echo password=$LAYERSITE_FORGE_TOKEN; }; f"\n'
    )
    tools.mkdir()
    (tools / "uvx").write_text(f'#!/bin/sh\nshift\nexec "{Path(sys.executable).with_name("copier")}" "$@"\n')
    (tools / "uvx").chmod(0o755)
    bed = team.bed
    settings = {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": str(config),
        "KUBECONFIG": bed.kubeconfig,
        "LAYERSITE_FORGE_TOKEN": bed.gitea_token,
        "LAYERSITE_ARGOCD_WEBHOOK_SECRET": bed.webhook_secret,
        "ARGOCD_SERVER": bed.argocd_url.partition("://")[2],
        "ARGOCD_AUTH_TOKEN": bed.argocd_admin_token,
        "ARGOCD_OPTS": "--plaintext" if bed.argocd_url.startswith("http:") else "",
    }
    return Newcomer(team, tmp_path, {**os.environ, **settings})


def blocks() -> list[str]:
    """Return the page's commands, block by block."""
    found = re.findall(r"(?ms)^ *```console\n(.*?)^ *```$", PAGE.read_text(encoding="utf-8"))
    return [re.sub(r"(?m)^   ", "", text) for text in found]


def test_the_tutorial_leads_from_nothing_to_a_healthy_environment_and_back(newcomer: Newcomer) -> None:
    said = []
    for text in blocks():
        said.append(newcomer.type(text))
        newcomer.build()
        if "uvx copier" in text:
            newcomer.prepare()
    baseline, _, made, removed = said[-4:]
    assert "shop at main" in baseline
    assert "shop-1 is ready: every app is healthy" in made
    assert "shop at new-look" in made
    assert "shop-1 is gone" in removed
    assert "env-baseline" in removed
    assert "env-shop-1" not in removed
    assert "Environment `shop-1` is gone" in newcomer.team.comment("shop", 1)
