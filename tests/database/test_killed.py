"""A build that is killed leaves nothing that anyone can use, and the next one puts everything right."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.database.server import Server

SITE = """
organization: Example
environments: {url: environments.git}
cluster: {baseline: {managed: true}}
exposure: {domain: preview.example.com}
databases: {killed: {host: postgres.databases.svc}}
"""
CONTRACT = "relations: {public.customer: {id: keep, mail: {mask: email}, note: {mask: text}}}"
SHOP = """
CREATE TABLE customer (id int PRIMARY KEY, mail text UNIQUE, note text);
INSERT INTO customer SELECT n, n || '@real.example', repeat('called ', 9) FROM generate_series(1, 100000) n;
CREATE INDEX ON customer (note);
"""
STEPS = {
    "the draft is made": "SELECT FROM pg_database WHERE datname LIKE 'layersite_draft_killed%'",
    "rows come": "SELECT FROM pg_stat_activity WHERE query LIKE 'COPY public.customer%' AND state = 'active'",
    "indexes are built": "SELECT FROM pg_stat_activity WHERE query LIKE '%INDEX%public.customer%' AND state = 'active'",
    "it is vacuumed": "SELECT FROM pg_stat_activity WHERE query LIKE 'VACUUM (FREEZE%' AND state = 'active'",
    "it is checked": "SELECT FROM pg_stat_activity WHERE query LIKE '%layersite.nonce%' AND datname LIKE '%draft%'",
}
DRAFTS = "SELECT datname FROM pg_database WHERE datname LIKE 'layersite_draft_killed%'"
GOLDENS = "SELECT datname FROM pg_database WHERE datname LIKE 'golden_killed%'"


@pytest.fixture
def start(tmp_path: Path, postgres: Server) -> "Start":
    (tmp_path / "layersite.yaml").write_text(SITE, "utf-8")
    (tmp_path / "data" / "killed").mkdir(parents=True)
    (tmp_path / "data" / "killed" / "contract.yaml").write_text(CONTRACT, "utf-8")
    source = postgres.create("killed_source", SHOP)
    values = {"SOURCE": source, "SERVER": postgres.uri(), "KEY": "0123456789abcdef" * 2}
    return Start(tmp_path, {f"LAYERSITE_DATABASE_KILLED_{what}": value for what, value in values.items()})


class Start:
    """Starts a build as a process of its own."""

    def __init__(self, site: Path, variables: dict[str, str]) -> None:
        self._argv = [str(Path(sys.executable).parent / "layersite"), "--site", str(site), "golden", "build", "killed"]
        self._environment = {**os.environ, **variables}

    def __call__(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._argv, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_whenever_it_is_killed_one_right_end_state_follows(start: Start, postgres: Server) -> None:
    with postgres.connect() as admin:
        admin.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
        for step, sign in STEPS.items():
            build = start()
            await_sign(admin, build, step, sign)
            build.kill()
            build.communicate()
            assert admin.execute(GOLDENS.encode()).fetchall() == [], step
            for (draft,) in admin.execute(DRAFTS.encode()).fetchall():
                with pytest.raises(psycopg.OperationalError, match=r"permission denied|not currently accepting"):
                    psycopg.connect(postgres.uri(draft, "stranger", "stranger"))
        last = start()
        said = last.communicate()[0].decode()
        assert last.returncode == 0, said
        assert admin.execute(DRAFTS.encode()).fetchall() == []
        ((golden,),) = admin.execute(GOLDENS.encode()).fetchall()
        admin.execute("DROP ROLE stranger")
    postgres.copy(golden, "look")
    with postgres.connect("look") as look:
        assert look.execute("SELECT count(DISTINCT mail) FROM customer").fetchone() == (100_000,)


def await_sign(admin: psycopg.Connection, build: subprocess.Popen[bytes], step: str, sign: str) -> None:
    while admin.execute(sign.encode()).fetchone() is None:
        if build.poll() is not None:
            said = build.communicate()[0].decode()
            pytest.fail(f"the build ended before this was seen: {step}; {said}")
        time.sleep(0.001)
