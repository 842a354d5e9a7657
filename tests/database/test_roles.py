"""The roles that bring and remove clones, run by Ansible on a real server; the cluster stands in memory."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from layersite.data.bring import clone_batch
from layersite.data.fill import complete, fill_database
from layersite.model.catalog import Catalog
from layersite.model.database import Brought, Data, Golden
from layersite.model.environment import Environment, Tombstone
from layersite.model.errors import ToolError
from layersite.model.yaml import dump
from layersite.playbooks import Playbooks
from tests.database.api_server import serving
from tests.database.conftest import ON_BOTH
from tests.database.goldens import publish
from tests.database.server import Server
from tests.unit.cluster.fake import FakeCluster, namespace

pytestmark = ON_BOTH
ROOT = Path(__file__).parents[2]
SITE = "environments.git"
PREFIX = "roles-"


@pytest.fixture(scope="module")
def golden(postgres: Server) -> Golden:
    return publish(postgres)


@dataclass
class Stage:
    """A site with a server and a cluster, and what playbooks say and do there."""

    root: Path
    cluster: FakeCluster
    engine: str
    port: int
    more: dict[str, Any] = field(default_factory=dict, kw_only=True)
    said: list[str] = field(default_factory=list, init=False)

    def play(self, playbook: str, role: str, *options: str, **variables: Any) -> tuple[int, dict[str, Any]]:
        """Run a playbook; return how many tasks changed something (-1 if it failed), and its result file."""
        result, given = self.root / "result.json", self.root / "variables.json"
        everything = {"site": SITE, "prefix": PREFIX, "result": str(result), **variables}
        given.write_text(json.dumps({f"{role}_{key}": value for key, value in everything.items()}))
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), f"playbooks/{playbook}.yml", "-e", f"@{given}"]
        done = subprocess.run([*argv, *options], cwd=self.root, capture_output=True, text=True, check=False)
        self.said.append(done.stdout + done.stderr)
        recap = re.search(r"changed=(\d+).*failed=(\d+)", done.stdout)
        assert recap, done.stdout + done.stderr
        return -1 if recap[2] != "0" else int(recap[1]), json.loads(result.read_text())["environments"]

    def clone(self, *names: str, golden: Golden, options: tuple[str, ...] = (), **more: Any) -> tuple[int, Any]:
        database = {"name": "shop", "engine": self.engine, "golden": golden.name, "host": "127.0.0.1", **self.more}
        wanted = [
            {"name": name, "namespace": f"{PREFIX}{name}", "databases": [{**database, "port": self.port}]}
            for name in names
        ]
        return self.play("database", "database_clone", *options, environments=wanted, **{"timeout": 2, **more})

    def reap(self, *names: str, options: tuple[str, ...] = (), **more: Any) -> tuple[int, Any]:
        going = [{"name": name, "namespace": f"{PREFIX}{name}", "databases": ["shop"]} for name in names]
        databases = [{"name": "shop", "engine": self.engine, **self.more}]
        return self.play("database_reap", "database_reap", *options, environments=going, databases=databases, **more)

    def secret(self, name: str, database: str = "shop") -> dict[str, str] | None:
        found = self.cluster.get(f"/api/v1/namespaces/{PREFIX}{name}/secrets/database-{database}")
        return {key: base64.b64decode(value).decode() for key, value in found["data"].items()} if found else None


@dataclass
class Ground(Stage):
    """One with a PostgreSQL server."""

    server: Server

    def there(self) -> set[str]:
        """The clones, remains and roles of this site."""
        query = """
            SELECT datname FROM pg_database WHERE starts_with(datname, 'roles_')
            UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE starts_with(rolname, 'roles_')
        """
        with self.server.connect() as admin:
            return {str(name) for (name,) in admin.execute(query).fetchall()}


@contextmanager
def staged(root: Path, uri: str, engine: str, port: int, instances: dict[str, Any] | None = None) -> Iterator[Stage]:
    """Give a site whose database is on the server at `uri`, and a cluster with the namespaces of two environments."""
    for name in ("playbooks", "roles", "library", "inventory", "ansible.cfg"):
        (root / name).symlink_to(ROOT / name)
    more = {"instances": instances} if instances else {}
    site = {
        "organization": "acme",
        "environments": {"url": SITE},
        "cluster": {"baseline": {"namespace": "staging"}, "namespace_prefix": PREFIX},
        "exposure": {"domain": "preview.example.com"},
        "databases": {
            name: {"engine": engine, "host": "127.0.0.1", "port": port, **more} for name in ("shop", "stock")
        },
    }
    (root / "layersite.yaml").write_text(dump(site))
    cluster = FakeCluster(*(namespace(f"{PREFIX}{name}", name) for name in ("web-1", "web-2")))
    with pytest.MonkeyPatch.context() as patch, serving(cluster, root / "kubeconfig"):
        for name in ("SHOP", "STOCK"):
            patch.setenv(f"LAYERSITE_DATABASE_{name}_SERVER", uri)
        patch.setenv("KUBECONFIG", str(root / "kubeconfig"))
        patch.setenv("LC_ALL", "C.UTF-8")
        patch.setenv("ANSIBLE_HOME", str(root / "ansible"))
        yield Stage(root, cluster, engine, port, more=more)


@pytest.fixture
def ground(tmp_path: Path, postgres: Server) -> Iterator[Ground]:
    with staged(tmp_path, postgres.uri(), "postgresql", postgres.port) as stage:
        ground = Ground(stage.root, stage.cluster, stage.engine, stage.port, postgres)
        yield ground
    left = ground.there()
    with postgres.connect() as admin:
        for name in sorted(left, key=lambda name: name.startswith("role ")):
            kind, _, role = name.rpartition(" ")
            admin.execute(f"DROP {'ROLE' if kind else 'DATABASE'} {role}".encode())


def test_the_role_changes_and_then_changes_nothing(ground: Ground, golden: Golden) -> None:
    changed, found = ground.clone("web-1", "web-2", golden=golden)
    assert changed == 1
    assert found["web-1"]["databases"][0]["method"] == "WAL log"
    first = ground.secret("web-1")
    assert first is not None
    assert sorted(first) == ["host", "name", "password", "port", "url", "user"]
    with psycopg.connect(first["url"]) as app:
        assert app.execute("SELECT count(*) FROM orders").fetchone() == (100,)
    assert ground.clone("web-1", "web-2", golden=golden)[0] == 0
    assert ground.clone("web-1", "web-2", golden=golden, options=("--check", "--diff"))[0] == 0
    assert ground.secret("web-1") == first


def test_each_database_of_an_environment_has_its_own_role_and_secret_and_all_go_together(
    ground: Ground, golden: Golden
) -> None:
    goldens = {
        "shop": golden,
        "stock": publish(ground.server, "CREATE TABLE shelf AS SELECT 7 AS number", database="stock"),
    }
    server = {"engine": "postgresql", "host": "127.0.0.1", "port": ground.server.port}
    databases = [{"name": name, "golden": each.name, **server} for name, each in goldens.items()]
    wanted = [{"name": "web-1", "namespace": f"{PREFIX}web-1", "databases": databases}]
    assert ground.play("database", "database_clone", environments=wanted, timeout=2)[0] == 1
    secrets = {name: ground.secret("web-1", name) or {} for name in goldens}
    assert [each["user"] for each in secrets.values()] == ["roles_web_1__shop", "roles_web_1__stock"]
    for name, query in (("shop", "SELECT count(*) FROM orders"), ("stock", "SELECT 93 + number FROM shelf")):
        with psycopg.connect(secrets[name]["url"]) as app:
            assert app.execute(query.encode()).fetchone() == (100,)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(secrets["shop"]["url"].rpartition("/")[0] + "/roles_web_1__stock")
    going = [{"name": "web-1", "namespace": f"{PREFIX}web-1", "databases": [*goldens]}]
    known = [{"name": name, "engine": "postgresql"} for name in goldens]
    assert ground.play("database_reap", "database_reap", environments=going, databases=known, apply=True)[0] == 1
    assert ground.there() == set()


def test_check_mode_changes_nothing(ground: Ground, golden: Golden) -> None:
    changed, found = ground.clone("web-1", golden=golden, options=("--check",))
    assert (changed, found["web-1"]["is_fine"]) == (1, True)
    assert (ground.there(), ground.secret("web-1")) == (set(), None)


def test_nothing_that_ansible_says_holds_the_password(ground: Ground, golden: Golden) -> None:
    ground.clone("web-1", golden=golden, options=("-vvv", "--diff"))
    secret = ground.secret("web-1")
    assert secret is not None
    everything = "".join(ground.said) + (ground.root / "result.json").read_text() + ground.server.log
    assert secret["password"] not in everything
    assert ground.server.password not in everything


def test_a_lost_secret_comes_again_and_works(ground: Ground, golden: Golden) -> None:
    ground.clone("web-1", golden=golden)
    ground.cluster.objects.pop(f"/api/v1/namespaces/{PREFIX}web-1/secrets/database-shop")
    assert ground.clone("web-1", golden=golden)[0] == 1
    secret = ground.secret("web-1")
    assert secret is not None
    psycopg.connect(secret["url"]).close()


def test_a_namespace_that_is_late_is_waited_for_and_named(ground: Ground, golden: Golden) -> None:
    changed, found = ground.clone("late", golden=golden)
    assert changed == -1
    assert "the namespace roles-late does not exist yet" in found["late"]["message"]
    assert ground.there() == {"roles_late__shop", "role roles_late__shop"}


def test_a_reset_is_asked_for(ground: Ground, golden: Golden) -> None:
    ground.clone("web-1", golden=golden)
    secret = ground.secret("web-1")
    assert secret is not None
    with psycopg.connect(secret["url"]) as app:
        app.execute("DELETE FROM orders")
    assert ground.clone("web-1", golden=golden, reset=True)[0] == 1
    with psycopg.connect(secret["url"]) as app:
        assert app.execute("SELECT count(*) FROM orders").fetchone() == (100,)


def test_a_server_that_nobody_named_holds_up_only_its_own(
    ground: Ground, golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LAYERSITE_DATABASE_SHOP_SERVER")
    changed, found = ground.clone("web-1", golden=golden)
    assert changed == -1
    assert "the variable LAYERSITE_DATABASE_SHOP_SERVER is not set" in found["web-1"]["message"]


def test_reaping_only_tells_by_default_then_removes_and_then_changes_nothing(ground: Ground, golden: Golden) -> None:
    ground.clone("web-1", "web-2", golden=golden)
    before = ground.there()
    changed, found = ground.reap("web-1")
    assert (changed, found["web-1"]["state"]) == (0, "present")
    assert ground.reap("web-1", apply=True, options=("--check",))[0] == 1
    assert ground.there() == before
    assert ground.reap("web-1", apply=True)[0] == 1
    assert ground.there() == {"roles_web_2__shop", "role roles_web_2__shop"}
    changed, found = ground.reap("web-1", apply=True)
    assert (changed, found["web-1"]["state"]) == (0, "gone")


def test_a_sweep_removes_what_no_environment_has_and_stops_at_the_cap(ground: Ground, golden: Golden) -> None:
    ground.clone("web-1", "web-2", golden=golden)
    with ground.server.connect() as admin:
        admin.execute("CREATE DATABASE roles_web_9__shop")  # the same prefix, but nobody of ours made it
    old: dict[str, Any] = {"apply": True, "sweep": True, "living": ["web-2"]}
    assert ground.reap(**old)[0] == 0  # it is too young
    assert ground.reap(**old, grace_minutes=0, cap=0)[0] == -1
    assert "more than the cap of 0" in ground.said[-1]
    assert ground.reap(**{**old, "living": []}, grace_minutes=0)[0] == -1
    assert "the environments repository knows the environments of 0 of 2 clones" in ground.said[-1]
    assert ground.reap(**old, grace_minutes=0)[0] == 1
    assert ground.there() == {"roles_web_2__shop", "role roles_web_2__shop", "roles_web_9__shop"}


def test_the_bot_brings_and_takes_away(ground: Ground, golden: Golden) -> None:
    data = {"shop": Data(name="roles_web_1__shop", golden=golden.name)}
    environment = Environment(name="web-1", cluster="in-cluster", namespace="roles-web-1", slice={}, data=data)
    playbooks = Playbooks(ground.root, Catalog(ground.root, {}, {}))
    delivery = playbooks.databases([environment])["web-1"]
    assert delivery.problem is None
    assert [(each.golden, each.rows) for each in delivery.databases] == [(golden.name, 202)]
    stone = Tombstone(
        name="web-1",
        cluster="in-cluster",
        namespace="roles-web-1",
        generation=2,
        cause="closed",
        reason="closed",
        data=data,
        reap=("application", "namespace", "database"),
    )
    assert playbooks.reap([stone]) == {"web-1": None}
    assert ground.there() == set()


def wanting(golden: str | None = None) -> Environment:
    """The environment web-1, whose database is made from `golden`."""
    data = {"shop": Data(name="roles_web_1__shop", golden=golden)}
    return Environment(name="web-1", cluster="in-cluster", namespace="roles-web-1", slice={}, data=data)


@dataclass
class App:
    """The pods of web-1: they get their database, and sign in with their Secret."""

    ground: Ground

    def bring(self, golden: str | None = None, again: int = 0) -> dict[str, Any]:
        """Bring them their database as the module does, and return what became of it."""
        server = {"engine": "postgresql", "host": "127.0.0.1", "port": self.ground.server.port}
        database = {"name": "shop", "golden": golden, "again": again, "quiet": None, "instances": None, **server}
        place = {"name": "web-1", "namespace": f"{PREFIX}web-1", "context": None, "generation": 1}
        settings = {"site": SITE, "prefix": PREFIX, "reset": False, "timeout": 2}
        result = {"result": str(self.ground.root / "result.json")}
        wanted = {"environments": [{**place, "databases": [database]}], **settings, **result}
        found: dict[str, Any] = clone_batch(wanted, False, lambda context: self.ground.cluster)["environments"]["web-1"]
        assert found["is_fine"], found
        return found

    def has_begun_again(self, golden: str, again: int) -> bool:
        """Whether a pod goes when the database is brought."""
        self.ground.cluster.put({"kind": "Pod", "metadata": {"name": "web", "namespace": f"{PREFIX}web-1"}})
        self.bring(golden, again)
        return not self.ground.cluster.items(f"/api/v1/namespaces/{PREFIX}web-1/pods")

    def run(self, *statements: str) -> Any:
        """Run statements and return the last one's first value."""
        secret = self.ground.secret("web-1")
        assert secret is not None
        with psycopg.connect(secret["url"]) as app:
            found = [app.execute(each.encode()) for each in statements][-1]
            return found.fetchall()[0][0] if found.description else None


def test_without_a_golden_it_is_made_empty_and_filled_once_the_app_has_migrated(ground: Ground) -> None:
    playbooks, app = Playbooks(ground.root, Catalog(ground.root, {}, {})), App(ground)
    delivery = playbooks.databases([wanting()])["web-1"]
    (brought,) = delivery.databases
    assert (delivery.is_made, brought.golden, brought.method, brought.rows) == (True, None, "empty", 0)
    assert app.run("SELECT count(*) FROM pg_class WHERE oid >= 16384") == 0
    app.run("CREATE TABLE customer (id serial PRIMARY KEY, email text NOT NULL)")
    assert [complete(ground.root, brought).rows for _ in range(2)] == [50, 50]
    app.run("CREATE TABLE orders (id serial PRIMARY KEY, customer int NOT NULL REFERENCES customer)")
    assert complete(ground.root, brought).rows == 100
    assert app.run("SELECT count(*) FROM orders JOIN customer ON customer.id = customer") == 50
    delivery = playbooks.databases([wanting()])["web-1"]
    assert (delivery.is_made, [each.rows for each in delivery.databases]) == (False, [100])
    assert playbooks.drop([wanting()]) == {"web-1": None}
    assert ground.there() == set()


def test_the_app_s_own_command_fills_it_once(ground: Ground) -> None:
    sql = "INSERT INTO customer DEFAULT VALUES"
    code = f"import os, psycopg; psycopg.connect(os.environ['DATABASE_URL'], autocommit=True).execute({sql!r})"
    (ground.root / "data" / "shop").mkdir(parents=True)
    (ground.root / "data" / "shop" / "fixtures.yaml").write_text(dump({"command": [sys.executable, "-c", code]}))
    app = App(ground)
    (found,) = app.bring()["databases"]
    brought = Brought.model_validate(found)
    app.run("CREATE TABLE customer (id serial)")
    for _ in range(2):
        complete(ground.root, brought)
    assert app.run("SELECT count(*) FROM customer") == 1


def test_the_app_s_own_command_that_fails_tells_no_password(ground: Ground) -> None:
    code = "import os, sys; sys.exit('no way to ' + os.environ['DATABASE_URL'])"
    (ground.root / "data" / "shop").mkdir(parents=True)
    (ground.root / "data" / "shop" / "fixtures.yaml").write_text(dump({"command": [sys.executable, "-c", code]}))
    with pytest.raises(ToolError, match="no way to …") as error:
        fill_database(ground.root, "shop", "roles_web_1__shop")
    assert ground.server.password not in str(error.value)


def test_what_is_wanted_anew_is_made_anew_and_its_pods_begin_again(ground: Ground, golden: Golden) -> None:
    app, path = App(ground), f"/api/v1/namespaces/{PREFIX}web-1/secrets/database-shop"
    app.bring(golden.name)
    before = ground.secret("web-1")
    app.run("DELETE FROM orders")
    assert [app.has_begun_again(golden.name, again) for again in (0, 1, 1)] == [False, True, False]
    assert (app.run("SELECT count(*) FROM orders"), ground.secret("web-1")) == (100, before)
    labels = ground.cluster.objects[path]["metadata"]["labels"]
    labels["layersite.dev/clone-built"] = "of another"  # as a run leaves it that was killed before the pods began again
    assert [app.has_begun_again(golden.name, 1) for _ in range(2)] == [True, False]
