"""Rule 5: a fresh site's own tasks are green, started as a newcomer starts them: with Python and git alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.template.helpers import commit_all, generate, git

BARE_PYTHON = Path(sys.base_prefix) / "bin" / "python3"
"""The interpreter outside the virtual environment that runs the tests: it has no nox."""


def nox(site: Path, *arguments: str) -> str:
    done = subprocess.run([BARE_PYTHON, "noxfile.py", *arguments], cwd=site, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    generate(template, folder, vcs_ref="v0.0.2", layersite_source=template.as_uri(), ci=["github", "gitlab", "jenkins"])
    git(folder, "init", "--quiet")
    commit_all(folder, "feat: a new site")
    return folder


@pytest.mark.slow
def test_the_default_sessions_check_the_site_and_render_its_apps(site: Path) -> None:
    said = nox(site)
    assert "Session check was successful" in said
    assert "Session smoke was successful" in said
    assert git(site, "status", "--porcelain") == ""


@pytest.mark.slow
def test_a_command_gets_its_arguments(site: Path) -> None:
    said = nox(site, "-s", "render", "--", "--app", "hello-web")
    assert "kind: HTTPRoute" in said
    assert "kind: Deployment" in said


@pytest.mark.slow
def test_the_list_of_tasks_has_a_sentence_for_each(site: Path) -> None:
    tasks = [line for line in nox(site, "-l").splitlines() if line.startswith(("* ", "- "))]
    assert {line.split()[1] for line in tasks} >= {"check", "smoke", "reconcile", "preview", "teardown", "status"}
    assert all(" -> " in line for line in tasks)
