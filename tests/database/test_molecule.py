"""The roles' molecule scenarios on a real server, looked at by testinfra; the cluster stands in memory."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.database.api_server import serving
from tests.database.server import Server
from tests.unit.cluster.fake import FakeCluster, namespace

TOOLS = Path(sys.executable).parent
ROLES = Path(__file__).parents[1] / "roles"


@pytest.mark.parametrize(
    "scenario",
    ["database_golden", *(pytest.param(f"database_{name}", marks=pytest.mark.stress) for name in ("clone", "reap"))],
)
def test_the_molecule_scenario(scenario: str, postgres: Server, tmp_path: Path) -> None:
    uris = {"SOURCE": postgres.uri("molecule_source"), "SERVER": postgres.uri(), "KEY": "0123456789abcdef" * 2}
    variables = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PGUSER": "postgres",
        "PGPASSWORD": postgres.password,
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path / "molecule"),
        "ANSIBLE_HOME": str(tmp_path),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
        "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
        **{f"LAYERSITE_DATABASE_SHOP_{what}": value for what, value in uris.items()},
    }
    with serving(FakeCluster(namespace("molecule-web-1", "web-1")), tmp_path / "kubeconfig"):
        done = subprocess.run(
            [str(TOOLS / "molecule"), "--base-config", "molecule/base.yml", "test", "-s", scenario],
            cwd=ROLES,
            env={**os.environ, **variables},
            capture_output=True,
            encoding="utf-8",
        )
    assert done.returncode == 0, done.stdout + done.stderr
    *_, checked, converged, again, checked_again, _ = re.findall(r"changed=(\d+)", done.stdout + done.stderr)
    assert (checked, converged, again, checked_again) == ("1", "1", "0", "0")
