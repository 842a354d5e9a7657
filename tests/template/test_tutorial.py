"""The tutorial's own commands, typed one after the other against a forge that is a folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.template.helpers import ROOT, commit_all, git

PAGE = ROOT / "docs" / "tutorial" / "first-site.md"
MANIFESTS = ROOT / "apps" / "hello-api" / "base"


@pytest.fixture
def forge(tmp_path: Path, template: Path) -> Path:
    """What the addresses in the tutorial lead to: an empty repository, one with a service, and the template."""
    folder = tmp_path / "forge"
    git(tmp_path, "init", "--quiet", "--bare", str(folder / "environments.git"))
    shop = tmp_path / "source"
    (shop / "kubernetes").mkdir(parents=True)
    for file in MANIFESTS.iterdir():
        (shop / "kubernetes" / file.name).write_bytes(file.read_bytes())
    git(shop, "init", "--quiet")
    commit_all(shop, "feat: a service")
    git(tmp_path, "clone", "--quiet", "--bare", str(shop), str(folder / "shop.git"))
    return folder


@pytest.fixture
def shell(tmp_path: Path, forge: Path, template: Path) -> dict[str, str]:
    """The environment of a newcomer's shell: addresses are led to folders, and the questions answered by default."""
    config = tmp_path / "gitconfig"
    config.write_text(
        f"[include]\n  path = {os.environ['GIT_CONFIG_GLOBAL']}\n"
        f'[url "file://{forge}/"]\n  insteadOf = https://git.example.com/example/\n'
        f'[url "file://{template}"]\n  insteadOf = https://github.com/layersite/layersite\n  insteadOf = https://github.com/layersite/layersite.git\n'
    )
    tools = tmp_path / "bin"
    tools.mkdir()
    copier = Path(sys.executable).parent / "copier"
    (tools / "uvx").write_text(f'#!/bin/sh\nshift 2\nexec "{copier}" copy --defaults "$@"\n')
    (tools / "uvx").chmod(0o755)
    return {**os.environ, "GIT_CONFIG_GLOBAL": str(config), "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}


def steps() -> list[tuple[str, str]]:
    """Return the page's blocks with their language, in order."""
    found = re.findall(r"(?ms)^ *```(\w+)\n(.*?)^ *```$", PAGE.read_text(encoding="utf-8"))
    return [(language, re.sub(r"(?m)^   ", "", text)) for language, text in found]


@pytest.mark.slow
def test_the_tutorial_leads_from_nothing_to_an_environment_and_back(tmp_path: Path, shell: dict[str, str]) -> None:
    said, folder = [], tmp_path
    for language, text in steps():
        if language == "yaml":
            settings = folder / "layersite.yaml"
            settings.write_text(settings.read_text("utf-8").replace("repositories: {}\n", text), encoding="utf-8")
            continue
        done = subprocess.run(["bash", "-euc", text], cwd=folder, env=shell, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        said.append(done.stdout)
        folder = tmp_path / "my-environments"
    made, removed = said[-2:]
    assert "/first/environment.yaml" in made
    assert "/first/manifests/" in made
    assert "/first/tombstone.yaml" in removed
