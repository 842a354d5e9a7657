"""The roles on Debian's servers: each changes something, then nothing, and then check mode has nothing to say."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest

from layersite.database.clone import list_goldens
from layersite.model.yaml import dump
from tests.database.mariadb import MariaDBServer
from tests.database.server import Server
from tests.database.test_golden_role import KEY
from tests.database.test_roles import PREFIX, SITE, Stage, staged

SHOP = """CREATE TABLE customer (id int PRIMARY KEY, mail varchar(90));
INSERT INTO customer VALUES (1, 'anna@real.example'), (2, 'bert@real.example');"""
HOSTS = ("first", "again", "checked")
ONCE = dict(zip(HOSTS, (1, 0, 0), strict=True))


@dataclass(frozen=True)
class Kind:
    """What is different from one kind of server to the next."""

    engine: str
    scheme: str
    relation: str


KINDS = {
    "postgres15": Kind("postgresql", "postgresql", "public.customer"),
    "mariadb": Kind("mariadb", "mysql", "customer"),
}


def mails(url: str) -> list[str]:
    """Return what an app finds that knows no more than the URL of its Secret."""
    parts = urlsplit(url)
    query = "SELECT mail FROM customer"
    if parts.scheme == "postgresql":
        with psycopg.connect(url) as app:
            return [str(mail) for (mail,) in app.execute(query)]
    with (
        pymysql.connect(
            host=parts.hostname,
            port=parts.port or 0,
            user=parts.username,
            password=parts.password or "",
            database=parts.path[1:],
        ) as mariadb,
        mariadb.cursor() as cursor,
    ):
        cursor.execute(query)
        return [str(mail) for (mail,) in cursor.fetchall()]


def is_gone(url: str) -> bool:
    try:
        mails(url)
    except (psycopg.OperationalError, pymysql.OperationalError):
        return True
    return False


def played(stage: Stage, role: str, **variables: Any) -> dict[str, int]:
    """Run a role on each of `HOSTS` in one go; return what changed something."""
    plays = [
        {"name": host, "hosts": host, "check_mode": host == "checked", "diff": True, "roles": [role]} for host in HOSTS
    ]
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    for name, content in (("plays.yml", plays), ("hosts.yml", {"all": {"hosts": dict.fromkeys(HOSTS, local)}})):
        (stage.root / name).write_text(dump(content), "utf-8")
    given = stage.root / "variables.json"
    given.write_text(json.dumps({f"{role}_{key}": value for key, value in variables.items()}), "utf-8")
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "plays.yml", "-i", "hosts.yml", "-e", f"@{given}"]
    done = subprocess.run(argv, cwd=stage.root, capture_output=True, text=True, check=False)
    stage.said.append(done.stdout + done.stderr)
    assert done.returncode == 0, stage.said[-1]
    return {host: int(changed) for host, changed in re.findall(r"(?m)^(\w+) +: .*changed=(\d+)", done.stdout)}


@pytest.mark.parametrize("name", KINDS)
def test_each_role_changes_once_then_nothing_and_check_mode_is_clean(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: Server | MariaDBServer = request.getfixturevalue(name)
    kind = KINDS[name]
    with staged(tmp_path, server.uri(), kind.engine, server.port) as stage, pytest.MonkeyPatch.context() as patch:
        for key, value in {"SOURCE": server.create("roles_source", SHOP), "KEY": KEY}.items():
            patch.setenv(f"LAYERSITE_DATABASE_SHOP_{key}", value)
        folder = stage.root / "data" / "shop"
        folder.mkdir(parents=True)
        contract = {"relations": {kind.relation: {"id": "keep", "mail": {"mask": "email"}}}}
        (folder / "contract.yaml").write_text(dump(contract), "utf-8")

        assert played(stage, "database_golden", site=str(stage.root), databases=["shop"]) == ONCE
        (golden,) = list_goldens("shop", kind.engine)
        place = {"name": "web-1", "namespace": f"{PREFIX}web-1"}
        database = {"name": "shop", "engine": kind.engine}
        wanted = {**database, "golden": golden.name, "host": "127.0.0.1", "port": server.port}
        common = {"site": SITE, "prefix": PREFIX, "result": str(stage.root / "result.json")}
        clones = [{**place, "databases": [wanted]}]
        assert played(stage, "database_clone", **common, environments=clones, timeout=2) == ONCE

        secret = stage.secret("web-1")
        assert secret is not None
        user, password = f"{PREFIX}web_1__shop".replace("-", "_"), secret["password"]
        assert secret == {
            "host": "127.0.0.1",
            "port": str(server.port),
            "name": user,
            "user": user,
            "password": password,
            "url": f"{kind.scheme}://{user}:{password}@127.0.0.1:{server.port}/{user}",
        }
        found = mails(secret["url"])
        assert len(found) == 2
        assert all(mail.endswith("@example.com") for mail in found)

        gone = [{**place, "databases": ["shop"]}]
        reaped = played(stage, "database_reap", **common, environments=gone, databases=[database], apply=True)
        assert reaped == ONCE
        assert is_gone(secret["url"])
        secrets = (KEY, "anna@real.example", password, server.password)
        assert [text for text in secrets if any(text in said for said in stage.said)] == []
