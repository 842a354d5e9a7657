"""From `needs: [{database: shop}]` to a pod's variable: what is committed, what stays, what a missing server means."""

import base64
import copy
import itertools
import os
import re
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.sql import SQL, Identifier

from layersite.cli import main
from layersite.database import ledger
from layersite.model.database import Clone, Golden
from layersite.model.yaml import Yaml, dump, load_all
from layersite.process import git
from tests.database.api_server import FatedCluster, serving
from tests.database.conftest import ON_BOTH
from tests.database.goldens import publish
from tests.database.server import Server
from tests.database.tap import run_until
from tests.unit.cluster.fake import FakeCluster, namespace
from tests.unit.test_reconcile import DEPLOYMENT, close, commits, committed, push, write

pytestmark = ON_BOTH
ROOT = Path(__file__).parents[2]
Run = Callable[..., Result]
_SECONDS = itertools.count()
CLONE = "wired_topic__shop"
SECRET = "/api/v1/namespaces/wired-topic/secrets/database-shop"
ON_PUSH = """#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/{port} && printf 'GET /moment HTTP/1.0\\r\\n\\r\\n' >&3 && read -r -u 3 answer
"""
"""A hook that tells the API server of a push, before it is taken and after."""
CONTRACT = {"relations": {"outbox": "drop"}, "quiet": {"empty": ["outbox"]}}


@pytest.fixture
def site(tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "site"
    root.mkdir()
    for name in ("playbooks", "roles", "library", "inventory", "ansible.cfg"):
        (root / name).symlink_to(ROOT / name)
    settings = {
        "organization": "acme",
        "environments": {"url": "../environments.git"},
        "repositories": {"shop": {"url": "../shop"}, "cart": {"url": "../cart"}},
        "cluster": {"baseline": {"namespace": "staging"}, "namespace_prefix": "wired-"},
        "exposure": {"domain": "preview.example.com"},
        "images": {"by_digest": False},
        "databases": {"shop": {"host": "127.0.0.1", "port": postgres.port}},
    }
    write(root / "layersite.yaml", dump(settings))
    write(root / "data" / "shop" / "contract.yaml", dump(CONTRACT))
    web: Yaml = {"repository": "shop", "needs": [{"database": "shop", "as": "DATABASE_URL"}], "expose": {}}
    for name, app in {"web": web, "cart": {"repository": "cart"}}.items():
        write(root / "apps" / name / "app.yaml", dump({"base": {"directory": "base"}} | app))
        write(root / "apps" / name / "base" / "all.yaml", DEPLOYMENT.replace("APP", name))
    git("init", "-q", "--bare", "-b", "main", str(tmp_path / "environments.git"))
    for name in ("shop", "cart"):
        git("init", "-q", "-b", "main", str(tmp_path / name))
        git("commit", "-q", "--allow-empty", "-m", "start", cwd=tmp_path / name)
    monkeypatch.setenv("LAYERSITE_DATABASE_SHOP_SERVER", postgres.uri())
    return root


@pytest.fixture
def run(site: Path) -> Run:
    def invoke(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["--site", str(site), *arguments])
        assert result.exit_code == code, result.output
        return result

    return invoke


@pytest.fixture
def cluster(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FatedCluster]:
    found = FatedCluster(namespace("wired-topic", "topic"))
    monkeypatch.setenv("KUBECONFIG", str(site / "kubeconfig"))
    with serving(found, site / "kubeconfig"):
        yield found


def newest(server: Server) -> Golden:
    """Publish a golden that is newer than all before."""
    return publish(server, built=f"2026-06-01T00:00:{next(_SECONDS):02}Z")


def documents(site: Path, file: str) -> list[Yaml]:
    (text,) = [text for path, text in committed(site).items() if path.endswith(file)]
    return load_all(text, file)


def data(site: Path) -> Yaml:
    return documents(site, "topic/environment.yaml")[0]["data"]


def test_the_golden_is_committed_and_the_pods_wait_for_the_secret(site: Path, run: Run, postgres: Server) -> None:
    golden = newest(postgres)
    push(site, "shop", "topic")
    run("reconcile")
    assert data(site) == {
        "shop": {
            "name": "wired_topic__shop",
            "golden": golden.name,
            "attestation": golden.attestation,
            "migration": "0002_webhooks",
        }
    }
    (deployment,) = [item for item in documents(site, "web.yaml") if item["kind"] == "Deployment"]
    assert deployment["spec"]["template"]["spec"]["containers"][0]["env"] == [
        {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"key": "url", "name": "database-shop"}}}
    ]
    (walls,) = [item for item in documents(site, "namespace.yaml") if item["kind"] == "NetworkPolicy"]
    assert walls["spec"]["egress"][-1] == {
        "to": [{"ipBlock": {"cidr": "127.0.0.1/32"}}],
        "ports": [{"port": postgres.port, "protocol": "TCP"}],
    }


def test_a_newer_golden_moves_no_environment_that_lives(site: Path, run: Run, postgres: Server) -> None:
    first = newest(postgres)
    push(site, "shop", "topic")
    run("reconcile")
    count = commits(site)
    newest(postgres)
    run("reconcile")
    assert commits(site) == count
    push(site, "shop", "topic")
    run("reconcile")
    assert data(site)["shop"]["golden"] == first.name


def test_a_clone_is_made_and_reset_by_hand(site: Path, run: Run, postgres: Server, cluster: FakeCluster) -> None:
    newest(postgres)
    push(site, "shop", "topic")
    run("reconcile")
    said = run("clone", "topic")
    assert "wired_topic__shop" in said.output
    secret = cluster.get("/api/v1/namespaces/wired-topic/secrets/database-shop")
    assert secret is not None
    url = base64.b64decode(secret["data"]["url"]).decode()
    with psycopg.connect(url) as app:
        assert app.execute("SELECT count(*) FROM outbox").fetchone() == (0,)  # as the contract says
    golden = data(site)["shop"]["golden"]
    row = next(line.split() for line in run("status").output.splitlines() if golden in line)
    assert (row[:3], row[4:8]) == (["topic", "shop", golden], ["d", "202", "WAL", "log"])
    with postgres.connect() as admin:
        records = ledger.entries(admin)
    made_of, made = records[golden], records["wired_topic__shop"]
    assert isinstance(made, Clone)
    assert (row[3], row[8]) == (
        f"{(datetime.now(UTC) - datetime.fromisoformat(made_of.built)).days}",
        f"{made.seconds:g}",
    )
    newer = newest(postgres)
    run("clone", "topic", "--reset", "--dry-run")
    assert data(site)["shop"]["golden"] != newer.name
    assert newer.name in run("clone", "topic", "--reset").output
    assert data(site)["shop"]["golden"] == newer.name
    psycopg.connect(url).close()
    run("clone", "tpic", code=9)


def test_a_tombstone_remembers_what_must_go(site: Path, run: Run, postgres: Server) -> None:
    newest(postgres)
    push(site, "shop", "topic")
    run("reconcile")
    close(site, "shop", "topic")
    run("reconcile")
    (stone,) = documents(site, "tombstone.yaml")
    assert stone["reap"] == ["application", "namespace", "database"]
    assert stone["data"]["shop"]["name"] == "wired_topic__shop"


def test_without_a_server_only_what_needs_it_is_held_back(
    site: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LAYERSITE_DATABASE_SHOP_SERVER")
    push(site, "shop", "topic")
    push(site, "cart", "other")
    said = run("reconcile", code=8)
    assert "the variable LAYERSITE_DATABASE_SHOP_SERVER is not set" in said.output
    assert any("other" in path for path in committed(site))
    assert not any("topic" in path for path in committed(site))


def test_without_a_golden_it_says_how_to_build_one(site: Path, run: Run, postgres: Server) -> None:
    write(site / "layersite.yaml", (site / "layersite.yaml").read_text().replace("shop:\n    host", "void:\n    host"))
    write(
        site / "apps" / "web" / "app.yaml",
        (site / "apps/web/app.yaml").read_text().replace("database: shop", "database: void"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERSITE_DATABASE_VOID_SERVER", postgres.uri())
        push(site, "shop", "topic")
        assert "build one with `layersite golden build void`" in run("reconcile", code=8).output


def test_a_database_that_the_site_does_not_have_is_an_error_with_its_near_miss(site: Path, run: Run) -> None:
    app = site / "apps" / "web" / "app.yaml"
    write(app, app.read_text().replace("database: shop", "database: shp"))
    assert "`shp` is not among `databases` of layersite.yaml, did you mean `shop`?" in run("check", code=3).output


def test_an_app_may_not_declare_the_secret_of_a_clone(site: Path, run: Run) -> None:
    app = site / "apps" / "web" / "app.yaml"
    secret = {"name": "database-shop", "source": "generate", "keys": ["password"]}
    write(app, app.read_text() + dump({"secrets": [secret]}).removeprefix("---\n"))
    assert "`database-shop` is the Secret that leads to a clone" in run("check", code=3).output


def test_a_clone_that_no_environment_has_is_found_and_goes_when_asked(
    site: Path, run: Run, postgres: Server, cluster: FakeCluster
) -> None:
    golden = newest(postgres)
    old = Clone(
        name="wired_gone__shop",
        site="../environments.git",
        environment="gone",
        database="shop",
        golden=golden.name,
        method="WAL log",
        seconds=0.1,
        built="2026-01-01T00:00:00Z",
    )
    push(site, "shop", "topic")
    run("reconcile")
    run("clone", "topic")
    postgres.create(old.name)
    with postgres.connect() as admin:
        admin.execute(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(old.name), ledger.text(old)))
    assert old.name in run("reap").output
    assert "wired_gone__shop" in run("reap").output  # it only told
    said = run("reap", "--apply").output
    assert ("wired_gone__shop" in said, "wired_topic__shop" in said) == (True, False)
    assert "nothing is left over" in run("reap").output


def test_no_clone_goes_because_the_repository_lost_its_branch(
    site: Path, run: Run, postgres: Server, cluster: FakeCluster
) -> None:
    newest(postgres)
    push(site, "shop", "topic")
    run("reconcile")
    run("clone", "topic")
    with postgres.connect() as admin:
        found = admin.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [CLONE]
        )
        old = SQL(str(found.fetchall()[0][0])).as_string().replace('"built": "2', '"built": "1')
        admin.execute(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(CLONE), old))
    git("--git-dir", str(site.parent / "environments.git"), "branch", "-m", "main", "renamed")
    for options in ((), ("--apply",)):
        assert "the environments of 0 of 1 clones" in run("reap", *options, code=8).output
    git("--git-dir", str(site.parent / "environments.git"), "branch", "-m", "renamed", "main")
    assert "nothing is left over" in run("reap").output


def test_a_clone_that_somebody_dropped_is_made_again(
    site: Path, run: Run, postgres: Server, cluster: FakeCluster
) -> None:
    newest(postgres)
    push(site, "shop", "topic")
    run("reconcile")
    run("clone", "topic")
    with postgres.connect() as admin:
        admin.execute(f"DROP DATABASE {CLONE}".encode())
    cluster.put({"kind": "Pod", "metadata": {"name": "web", "namespace": "wired-topic"}})
    said = run("reap").output
    assert all(text in said for text in (CLONE, "would be made", "`topic` is committed with it"))
    assert "was made" in run("reap", "--apply").output
    secret = cluster.get("/api/v1/namespaces/wired-topic/secrets/database-shop")
    assert secret is not None
    with psycopg.connect(base64.b64decode(secret["data"]["url"]).decode()) as app:
        assert app.execute("SELECT count(*) FROM orders").fetchone() == (100,)
    assert cluster.items("/api/v1/namespaces/wired-topic/pods") == []  # those that knew the other one begin again
    assert "nothing is missing" in run("reap").output


def command_at(uri: str, environment: dict[str, str], *arguments: str) -> None:
    os.environ |= environment
    main([*arguments], standalone_mode=False)


def tell_of_pushes(site: Path) -> None:
    """Let the forge tell the cluster of each push, before and after it takes effect."""
    port = re.findall(r":(\d+)", (site / "kubeconfig").read_text())[0]
    for name in ("pre-receive", "post-receive"):
        hook = site.parent / "environments.git" / "hooks" / name
        write(hook, ON_PUSH.format(port=port))
        hook.chmod(0o755)


@pytest.mark.stress
@pytest.mark.parametrize("takes_all", [True, False], ids=["with its programs", "alone"])
def test_a_command_that_was_killed_at_a_push_or_a_request_is_mended_by_the_next(
    site: Path, run: Run, postgres: Server, cluster: FatedCluster, tmp_path: Path, takes_all: bool
) -> None:
    tell_of_pushes(site)
    newest(postgres)
    push(site, "shop", "topic")
    run("reconcile")
    run("clone", "topic")
    environment = {
        "LAYERSITE_DATABASE_SHOP_SERVER": postgres.uri(),
        "KUBECONFIG": str(site / "kubeconfig"),
        "TMPDIR": str(tmp_path),
    }
    command = (environment, "--site", str(site), "clone", "topic")

    def clone(last: int, *options: str) -> tuple[int | None, int]:
        return run_until(last, command_at, postgres.uri(), *command, *options, meet=cluster.meet, takes_all=takes_all)

    def prepare() -> Golden:
        cluster.objects.pop("/api/v1/namespaces/wired-topic/pods/new", None)
        cluster.put({"kind": "Pod", "metadata": {"name": "old", "namespace": "wired-topic"}})
        return newest(postgres)

    prepare()
    assert clone(0, "--reset") == (0, 6)  # two of a push, of a pod that goes, and of the Secret
    left = b""
    for last in range(1, 7):
        golden, before = prepare(), data(site)["shop"]["golden"]
        assert clone(last, "--reset")[0] == -signal.SIGKILL
        left += b"".join(path.read_bytes() for path in tmp_path.glob("layersite-*/**/*") if path.is_file())
        wanted = before if last == 1 else golden.name
        assert data(site)["shop"]["golden"] == wanted
        assert clone(0)[0] == 0
        assert bool(cluster.items("/api/v1/namespaces/wired-topic/pods")) == (last == 1)
        secret = cluster.get(SECRET)
        assert secret is not None
        with psycopg.connect(base64.b64decode(secret["data"]["url"]).decode()) as app:
            assert app.execute("SELECT count(*) FROM orders").fetchone() == (100,)
        hidden = (postgres.password, base64.b64decode(secret["data"]["password"]).decode())
        assert [each for each in hidden if each.encode() in left] == []
        with postgres.connect() as admin:
            records = ledger.entries(admin)
        made = [each for each in records.values() if isinstance(each, Clone)]
        assert [(each.name, each.golden) for each in made] == [(CLONE, wanted)]
        cluster.put({"kind": "Pod", "metadata": {"name": "new", "namespace": "wired-topic"}})
        objects, count = copy.deepcopy(cluster.objects), commits(site)
        run("clone", "topic")
        assert (cluster.objects, commits(site)) == (objects, count)
        assert [*tmp_path.glob("layersite-*/*"), *tmp_path.glob("ansible*")] == []
    assert b"database_clone_environments" in left
