"""The CI files: pinned, bounded, with the least rights, and no text of a stranger in a command."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.template.helpers import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def workflow(request: pytest.FixtureRequest) -> Any:
    return yaml.safe_load(request.param.read_text("utf-8"))


def steps(workflow: Any) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_it_has_no_rights_but_those_that_a_job_asks_for(workflow: Any) -> None:
    assert workflow["permissions"] == {}


def test_every_job_ends_in_time(workflow: Any) -> None:
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())


def test_every_action_is_pinned_to_a_commit(workflow: Any) -> None:
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"]) for step in steps(workflow) if "uses" in step)


def test_no_expression_stands_in_a_command(workflow: Any) -> None:
    assert not [step["run"] for step in steps(workflow) if "${{" in step.get("run", "")]


def test_no_checkout_leaves_its_token_behind(workflow: Any) -> None:
    checkouts = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("command", ["reconcile", "reap -- --apply"])
@pytest.mark.parametrize("files", [".github/workflows/re*.yml", ".gitlab-ci.yml", "Jenkinsfile"])
def test_each_ci_system_runs_the_same_commands(files: str, command: str) -> None:
    texts = [path.read_text("utf-8") for path in ROOT.glob(files)]
    assert sum(text.count(f"python3 noxfile.py -s {command}") for text in texts) == 1


def test_a_schedule_for_reaping_starts_nothing_else_on_gitlab() -> None:
    jobs = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text("utf-8"))
    assert jobs["reap"]["rules"] == [{"if": "$LAYERSITE_REAP"}]
    assert {"if": "$LAYERSITE_REAP", "when": "never"} in jobs["reconcile"]["rules"][:2]


@pytest.mark.parametrize("token", [{}, {"LAYERSITE_TOKEN": "t0p-secret"}], ids=["the forge's own", "one for git"])
def test_git_signs_in_on_gitlab_with_a_token_that_is_given(tmp_path: Path, token: dict[str, str]) -> None:
    script = "\n".join(yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text("utf-8"))["reconcile"]["before_script"])
    variables = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "CI_SERVER_HOST": "gitlab.example.com", **token}
    subprocess.run(["sh", "-ec", script], env=variables, check=True)
    credentials = tmp_path / ".git-credentials"
    said = credentials.read_text() if credentials.exists() else ""
    assert said == ("https://oauth2:t0p-secret@gitlab.example.com\n" if token else "")


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="actionlint is not installed")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_actionlint_finds_nothing(path: Path) -> None:
    done = subprocess.run(["actionlint", path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
