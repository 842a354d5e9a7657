"""Whoever brings or takes away a clone may be killed at any statement and any request: the next run ends right."""

import base64
import copy
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest

from layersite.data.bring import clone_batch
from layersite.data.reap import reap_batch
from layersite.database.clone import engine_of, reap
from layersite.model.database import Clone, Golden
from tests.database import goldens, test_mariadb_clone
from tests.database.api_server import FatedCluster, serving
from tests.database.mariadb import MariaDBServer
from tests.database.server import Server
from tests.database.tap import MariaDBTap, Tap, every, run_until
from tests.unit.cluster.fake import namespace

NAME = "brought_web_1__shop"
ROOT = "/api/v1/namespaces/brought-web-1"
SECRET = f"{ROOT}/secrets/database-shop"
COUNTS = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM outbox)"
LEFT = {
    "postgresql": """
        SELECT 'database', datname FROM pg_database WHERE starts_with(datname, 'brought_')
        UNION ALL SELECT 'role', rolname FROM pg_roles WHERE starts_with(rolname, 'brought_')""",
    "mariadb": """
        SELECT 'database', schema_name FROM information_schema.schemata WHERE schema_name LIKE 'brought%'
        UNION ALL SELECT 'role', user FROM mysql.user WHERE user LIKE 'brought%'
        UNION ALL SELECT concat('record of a ', kind), name FROM layersite.ledger WHERE name LIKE 'brought%'""",
}
THERE = {
    "postgresql": [("database", NAME), ("role", NAME)],
    "mariadb": [("database", NAME), ("record of a database", NAME), ("record of a user", NAME), ("role", NAME)],
}


def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Ask as an app does that knows no more than its URL."""
    parts = urlsplit(url)
    if parts.scheme == "postgresql":
        with psycopg.connect(url) as app:
            return app.execute(sql.encode()).fetchall()
    place: Any = {"host": parts.hostname, "port": parts.port, "user": parts.username, "database": parts.path[1:]}
    with pymysql.connect(password=parts.password or "", **place) as mariadb, mariadb.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def bring_at(uri: str, kubeconfig: str, parameters: dict[str, Any]) -> None:
    os.environ |= {"LAYERSITE_DATABASE_SHOP_SERVER": uri, "KUBECONFIG": kubeconfig}
    clone_batch(parameters, False)


def reap_at(uri: str, parameters: dict[str, Any]) -> None:
    os.environ["LAYERSITE_DATABASE_SHOP_SERVER"] = uri
    reap_batch(parameters, False)


@dataclass
class World:
    """A server with a golden, and a cluster with the namespace of one environment."""

    engine: Literal["postgresql", "mariadb"]
    uri: str
    golden: Golden
    folder: Path
    cluster: FatedCluster = field(default_factory=lambda: FatedCluster(namespace("brought-web-1", "web-1")))

    @property
    def kind(self) -> type[Tap]:
        return Tap if self.engine == "postgresql" else MariaDBTap

    def wanted(self, again: int = 0) -> dict[str, Any]:
        port = urlsplit(self.uri).port
        server = {"engine": self.engine, "host": "127.0.0.1", "port": port, "instances": None}
        database = {"name": "shop", "golden": self.golden.name, "again": again, "quiet": {"empty": ["outbox"]}}
        place = {"name": "web-1", "namespace": "brought-web-1", "context": None, "generation": 1}
        given = {"site": "site.git", "prefix": "brought-", "reset": False, "timeout": 2}
        result = str(self.folder / "result.json")
        return {"environments": [{**place, "databases": [{**database, **server}]}], **given, "result": result}

    def going(self) -> dict[str, Any]:
        known = {
            "databases": [{"name": "shop", "engine": self.engine, "instances": None}],
            "apply": True,
            "living": None,
        }
        given = {**known, "grace_minutes": 0, "cap": 3}
        return {**self.wanted(), **given, "environments": [{**self.wanted()["environments"][0], "databases": ["shop"]}]}

    def bring(self, again: int = 0) -> bool:
        """Bring the clone, and return whether anything changed."""
        found = clone_batch(self.wanted(again), False, lambda context: self.cluster)
        assert not found["failed"], found["msg"]
        return bool(found["changed"])

    def start(self, pod: str) -> None:
        self.cluster.put({"kind": "Pod", "metadata": {"name": pod, "namespace": "brought-web-1"}})

    def stop(self, pod: str) -> None:
        del self.cluster.objects[f"{ROOT}/pods/{pod}"]

    def pods(self) -> set[str]:
        return {each["metadata"]["name"] for each in self.cluster.items(f"{ROOT}/pods")}

    def url(self) -> str:
        return base64.b64decode(self.cluster.objects[SECRET]["data"]["url"]).decode()

    def record(self) -> object:
        with engine_of("shop", self.engine) as engine, engine.locked(NAME):  # once the server has let go of the dead
            return engine.records().get(NAME)

    def left(self) -> list[tuple[str, str]]:
        return sorted((str(kind), str(name)) for kind, name in ask(self.uri, LEFT[self.engine]))


@pytest.fixture(params=["postgresql", "mariadb"])
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    if request.param == "postgresql":
        postgres: Server = request.getfixturevalue("postgres")
        found = World("postgresql", postgres.uri() + "?sslmode=disable", goldens.publish(postgres), tmp_path)
    else:
        mariadb: MariaDBServer = request.getfixturevalue("mariadb")
        golden = test_mariadb_clone.publish(mariadb, test_mariadb_clone.SHOP)
        found = World("mariadb", mariadb.uri(), golden, tmp_path)
    monkeypatch.setenv("LAYERSITE_DATABASE_SHOP_SERVER", found.uri)
    yield found
    assert not reap_batch(found.going(), False)["failed"]
    assert found.left() == []


def is_right(world: World, again: int) -> None:
    """See that there is one of each and that pods reach it, and that a further run finds nothing to do."""
    record = world.record()
    assert isinstance(record, Clone)
    assert (record.again, world.left()) == (again, THERE[world.engine])
    assert ask(world.url(), COUNTS) == [(100, 0)]
    world.start("newest")
    before = copy.deepcopy(world.cluster.objects)
    assert not world.bring(again)
    assert (world.cluster.objects, world.record()) == (before, record)


def brought_first(world: World) -> None:
    """Nothing is there but a pod that waits for its Secret."""
    reap_batch(world.going(), False)
    world.cluster.objects = {path: each for path, each in world.cluster.objects.items() if each["kind"] == "Namespace"}
    world.start("waiting")


def brought_again(world: World) -> None:
    """A pod uses the clone that another shall replace."""
    brought_first(world)
    world.bring()
    world.stop("waiting")
    world.start("old")


@pytest.mark.parametrize(
    ("prepare", "again", "step"),
    [
        pytest.param(brought_again, 1, 60, id="again"),
        pytest.param(brought_again, 1, 1, id="again, each", marks=pytest.mark.stress),
        pytest.param(brought_first, 0, 1, id="first, each", marks=pytest.mark.stress),
    ],
)
def test_one_clone_one_role_and_one_secret_follow_wherever_it_was_killed(
    world: World, prepare: Callable[[World], None], again: int, step: int
) -> None:
    kubeconfig = world.folder / "kubeconfig"
    with serving(world.cluster, kubeconfig):

        def run(last: int) -> tuple[int | None, int]:
            given = (world.uri, str(kubeconfig), world.wanted(again))
            return run_until(last, bring_at, *given, kind=world.kind, meet=world.cluster.meet)

        prepare(world)
        code, total = run(0)
        assert (code, total > 12) == (0, True)
        for last in range(total, 0, -min(step, total // 2)):
            prepare(world)
            before = world.cluster.get(SECRET)
            assert run(last)[0] == -signal.SIGKILL
            is_told = world.cluster.get(SECRET) != before
            if is_told:
                world.start("fresh")
            world.bring(again)
            assert world.pods() == ({"fresh"} if is_told else set()) | (set() if again else {"waiting"})
            is_right(world, again)


def test_what_was_made_anew_since_is_left_alone_by_a_slower_run(world: World) -> None:
    world.bring()
    with engine_of("shop", world.engine) as engine:
        (found,) = engine.taken("site.git", "brought-")
        is_first = iter([True])

        def meanwhile(context: str | None) -> FatedCluster:
            if next(is_first, False):
                world.bring(again=2)
                world.start("newest")
            return world.cluster

        assert not clone_batch(world.wanted(again=1), False, meanwhile)["failed"]
        assert world.pods() == {"newest"}
        is_right(world, 2)
        reap(engine, found)
    is_right(world, 2)


@pytest.mark.parametrize("step", every(20))
def test_nothing_is_left_wherever_taking_away_was_killed(world: World, step: int) -> None:
    world.bring()
    total = run_until(0, reap_at, world.uri, world.going(), kind=world.kind)[1]
    for last in range(total // 2 if step > 1 else total, 0, -step):
        world.bring()
        assert run_until(last, reap_at, world.uri, world.going(), kind=world.kind)[0] == -signal.SIGKILL
        world.record()
        assert not reap_batch(world.going(), False)["failed"]
        assert world.left() == []
        assert not reap_batch(world.going(), False)["changed"]


@pytest.mark.stress
def test_nothing_is_left_of_a_bringing_that_was_killed_and_is_wanted_no_more(world: World) -> None:
    kubeconfig = world.folder / "kubeconfig"
    with serving(world.cluster, kubeconfig):
        given = (world.uri, str(kubeconfig), world.wanted())
        total = run_until(0, bring_at, *given, kind=world.kind, meet=world.cluster.meet)[1]
        for last in range(1, total):
            brought_first(world)
            killed = run_until(last, bring_at, *given, kind=world.kind, meet=world.cluster.meet)
            assert killed[0] == -signal.SIGKILL
            world.record()
            assert not reap_batch(world.going(), False)["failed"]
            assert world.left() == []
