"""The role: it changes, then changes nothing, and check mode is clean; nothing that it prints tells a secret."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.database.conftest import ON_BOTH
from tests.database.server import Server
from tests.database.test_golden import SITE

pytestmark = ON_BOTH
ROOT = Path(__file__).parents[2]
KEY = "0123456789abcdef" * 2
CONTRACT = """
relations:
  public.customer: {id: keep, mail: {mask: email}}
canaries: [canary.role@layersite.example]
"""


class Play:
    """Runs the playbook in a site."""

    def __init__(self, site: Path, variables: dict[str, str], database: str = "pagila") -> None:
        self._site, self._variables, self._database = site, variables, database

    def __call__(self, *options: str) -> tuple[int, str]:
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "playbooks/golden.yml", *options]
        argv += [
            "-e",
            f"database_golden_site={self._site}",
            "-e",
            json.dumps({"database_golden_databases": [self._database]}),
        ]
        environment = {**os.environ, **self._variables, "ANSIBLE_HOME": str(self._site / "home"), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(argv, cwd=self._site, capture_output=True, text=True, env=environment, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def play(tmp_path: Path, postgres: Server) -> Play:
    for name in ("playbooks", "roles", "library", "inventory", "ansible.cfg"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "layersite.yaml").write_text(SITE, "utf-8")
    (tmp_path / "data" / "pagila").mkdir(parents=True)
    (tmp_path / "data" / "pagila" / "contract.yaml").write_text(CONTRACT, "utf-8")
    sql = """CREATE TABLE customer (id int PRIMARY KEY, mail text);
    INSERT INTO customer VALUES (1, 'anna@real.example'), (2, 'canary.role@layersite.example');"""
    source = postgres.create("role_source", sql)
    values = {"SOURCE": source, "SERVER": postgres.uri(), "KEY": KEY}
    return Play(tmp_path, {f"LAYERSITE_DATABASE_PAGILA_{what}": value for what, value in values.items()})


def test_the_role_builds_once_and_tells_nothing(play: Play, postgres: Server) -> None:
    secrets = (KEY, postgres.password, "anna@real.example")
    runs = [play("--check", "--diff"), play("-vvv", "--diff"), play(), play("--check", "--diff")]
    assert [code for code, _ in runs] == [0, 0, 0, 0], runs[0][1]
    assert ["changed=1" in said for _, said in runs] == [True, True, False, False]
    assert [secret for secret in secrets if any(secret in said for _, said in runs)] == []


def test_a_column_that_nobody_listed_fails_the_play_and_is_named(play: Play, postgres: Server) -> None:
    postgres.run("role_source", "ALTER TABLE customer ADD nickname text")
    code, said = play()
    assert code == 2
    assert "the column `nickname` of public.customer is not listed" in said
