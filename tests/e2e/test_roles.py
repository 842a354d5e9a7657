"""The roles by themselves on a real cluster: what they change, that a second run changes nothing, nor does a check."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.template.helpers import ROOT
from tests.testbed import Bed

LABEL = "layersite.dev/environment"
ANSIBLE = Path(sys.executable).with_name("ansible-playbook")
SCENARIOS = sorted(
    path.parent.name for path in (ROOT / "tests" / "roles" / "molecule").glob("environment_*/molecule.yml")
)


@dataclass(frozen=True)
class Environment:
    """A namespace that looks like an environment's, in the cluster of `bed`."""

    bed: Bed
    name: str
    namespace: str
    folder: Path

    def run(self, role: str, *options: str, code: int = 0, **variables: Any) -> tuple[int, dict[str, Any], str]:
        """Run the role's playbook; return how many tasks changed something, what it tells of this, and all it said."""
        result = self.folder / "result.json"
        each = {"name": self.name, "namespace": self.namespace, "generation": 1, **variables.pop("more", {})}
        settings = {"prefix": "test-", "timeout": 60, "result": str(result), "environments": [each], **variables}
        given = json.dumps({f"{role}_{key}": value for key, value in settings.items()})
        argv = [str(ANSIBLE), f"playbooks/{role}.yml", "--extra-vars", given, *options]
        env = {**os.environ, "KUBECONFIG": self.bed.kubeconfig}
        done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, encoding="utf-8")
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        (changed,) = re.findall(r"changed=(\d+)", said)
        return int(changed), json.loads(result.read_text())["environments"][self.name], said

    def secret(self, name: str) -> dict[str, str]:
        data = json.loads(self.bed.kubectl("get", "secret", name, "-n", self.namespace, "-o", "json"))["data"]
        return {key: base64.b64decode(text).decode() for key, text in data.items()}

    def is_there(self, *what: str) -> bool:
        return bool(self.bed.kubectl("get", *what, "--ignore-not-found"))


@pytest.fixture
def environment(bed: Bed, make_namespace: Callable[[], str], tmp_path: Path) -> Environment:
    namespace = make_namespace()
    bed.kubectl("label", "namespace", namespace, f"{LABEL}=web-1")
    return Environment(bed, "web-1", namespace, tmp_path)


@pytest.fixture
def baseline(bed: Bed, namespace: str) -> str:
    """The name of a namespace with one Secret, `database`."""
    literals = ["--from-literal=user=app", "--from-literal=password=hunter2"]
    bed.kubectl("create", "secret", "generic", "database", "-n", namespace, *literals)
    return namespace


WANTED = [
    {"name": "database", "source": "copy", "keys": ["password"]},
    {"name": "session", "source": "generate", "keys": ["token"]},
]


def test_secrets_are_made_once_and_copies_follow_the_baseline(environment: Environment, baseline: str) -> None:
    def run(*options: str) -> tuple[int, dict[str, Any], str]:
        return environment.run("environment_secrets", *options, baseline=baseline, more={"secrets": WANTED})

    changed, outcome, _ = run("--check", "--diff")
    assert (changed, outcome["changed"]) == (1, ["database", "session"])
    assert not environment.is_there("secrets", "-n", environment.namespace)

    changed, outcome, said = run("--diff", "-vvv")
    assert (changed, outcome["state"]) == (1, "ready")
    assert environment.secret("database") == {"password": "hunter2"}
    token = environment.secret("session")["token"]
    assert len(token) == 32
    assert not [text for text in ("hunter2", token) if text in said or base64.b64encode(text.encode()).decode() in said]

    assert run()[0] == 0
    assert run("--check", "--diff")[0] == 0

    rotated = json.dumps({"stringData": {"password": "another"}})
    environment.bed.kubectl("patch", "secret", "database", "-n", baseline, "--patch", rotated)
    assert run()[1]["changed"] == ["database"]
    assert environment.secret("database") == {"password": "another"}
    assert environment.secret("session") == {"token": token}


def test_a_secret_of_somebody_else_is_left_alone(environment: Environment, baseline: str) -> None:
    environment.bed.kubectl(
        "create", "secret", "generic", "session", "-n", environment.namespace, "--from-literal=token=theirs"
    )
    more = {"secrets": WANTED}
    _, outcome, _ = environment.run("environment_secrets", code=2, baseline=baseline, more=more)
    assert "is not layersite's own" in outcome["message"]
    assert environment.secret("session") == {"token": "theirs"}
    assert environment.secret("database") == {"password": "hunter2"}


@pytest.fixture
def volume(environment: Environment) -> Iterator[str]:
    """A retained volume that the environment claimed."""
    name = f"volume-{environment.namespace}"
    spec = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": f"/nowhere/{name}"},
        "claimRef": {"name": "data", "namespace": environment.namespace},
    }
    metadata = {"name": name, "labels": {LABEL: environment.name}}
    item = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}
    environment.bed.kubectl("create", "-f-", stdin=json.dumps(item))
    yield name
    environment.bed.kubectl("delete", "pv", name, "--ignore-not-found", "--wait=false")


def test_reaping_removes_namespace_and_volume_and_then_has_nothing_to_do(environment: Environment, volume: str) -> None:
    changed, outcome, _ = environment.run("environment_reap", "--check", "--diff")
    assert (changed, outcome["state"]) == (1, "present")
    assert environment.is_there("namespace", environment.namespace)

    changed, outcome, _ = environment.run("environment_reap")
    assert (changed, outcome["state"]) == (1, "gone")
    assert not environment.is_there("namespace", environment.namespace)
    assert not environment.is_there("pv", volume)

    changed, outcome, _ = environment.run("environment_reap")
    assert (changed, outcome["state"]) == (0, "gone")
    assert environment.run("environment_reap", "--check", "--diff")[0] == 0


def test_what_hangs_is_named_and_let_go_by_force(environment: Environment) -> None:
    stuck = {"name": "stuck", "namespace": environment.namespace, "finalizers": ["example.com/never"]}
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": stuck}
    environment.bed.kubectl("create", "-f-", stdin=json.dumps(item))
    _, outcome, _ = environment.run("environment_reap", code=2, timeout=5)
    assert outcome["state"] == "hanging"
    assert "example.com/never" in outcome["message"]
    _, outcome, _ = environment.run("environment_reap", timeout=30, force=True)
    assert outcome["state"] == "gone"
    assert not environment.is_there("namespace", environment.namespace)


@pytest.mark.parametrize(("prefix", "label"), [("test-", "web-2"), ("env-", "web-1")], ids=["label", "prefix"])
def test_a_namespace_of_somebody_else_is_not_touched(environment: Environment, prefix: str, label: str) -> None:
    environment.bed.kubectl("label", "--overwrite", "namespace", environment.namespace, f"{LABEL}={label}")
    changed, outcome, _ = environment.run("environment_reap", code=2, prefix=prefix)
    assert (changed, outcome["state"]) == (0, "refused")
    assert environment.is_there("namespace", environment.namespace)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_molecule_scenario(scenario: str, bed: Bed, make_namespace: Callable[[], str], tmp_path: Path) -> None:
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    names = {"MOLECULE_NAMESPACE": make_namespace(), "MOLECULE_BASELINE": make_namespace()}
    home = {"MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path), "ANSIBLE_HOME": str(tmp_path)}
    done = subprocess.run(
        [str(ANSIBLE.with_name("molecule")), "--base-config", "molecule/base.yml", "test", "-s", scenario],
        cwd=ROOT / "tests" / "roles",
        env={**os.environ, **names, **home, "PATH": tools, "KUBECONFIG": bed.kubeconfig},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
