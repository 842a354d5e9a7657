"""Which Secrets an environment gets, and what is never touched."""

import base64
from typing import Any, Literal

import pytest

from layersite.cluster import Outcome, Place, Wish, provide
from layersite.cluster.api import ClusterError
from tests.unit.cluster.fake import FakeClock, FakeCluster, namespace, secret

WEB = Place("web-1", "env-web-1")
NAMESPACE = "/api/v1/namespaces/env-web-1"
COPY = Wish("db", "copy", ("password",))
GENERATE = Wish("token", "generate", ("value",))
SOURCE = {"password": "aHVudGVyMg==", "user": "YXBw"}


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster(namespace("env-web-1", "web-1"), namespace("staging"), secret("staging/db", SOURCE))


def run(cluster: FakeCluster, *wishes: Wish, place: Place = WEB, dry_run: bool = False) -> Outcome:
    return provide(
        lambda _: cluster, {place: wishes}, "staging", "env-", timeout=10, dry_run=dry_run, clock=FakeClock()
    )[place.name]


def made(cluster: FakeCluster, name: str) -> dict[str, Any]:
    return cluster.objects[f"{NAMESPACE}/secrets/{name}"]


def test_a_copy_has_the_declared_keys_and_says_whose_it_is(cluster: FakeCluster) -> None:
    assert run(cluster, COPY) == Outcome("ready", changed=("db",))
    assert made(cluster, "db")["data"] == {"password": "aHVudGVyMg=="}
    assert made(cluster, "db")["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "layersite",
        "layersite.dev/environment": "web-1",
        "layersite.dev/secret-source": "copy",
    }


def test_a_copy_without_keys_has_all_and_keeps_the_type(cluster: FakeCluster) -> None:
    cluster.put(secret("staging/pull", {".dockerconfigjson": "e30="}, "kubernetes.io/dockerconfigjson"))
    run(cluster, Wish("pull", "copy"))
    assert made(cluster, "pull")["data"] == {".dockerconfigjson": "e30="}
    assert made(cluster, "pull")["type"] == "kubernetes.io/dockerconfigjson"


def test_a_generated_secret_is_long_and_differs(cluster: FakeCluster) -> None:
    run(cluster, Wish("token", "generate", ("one", "two")))
    data = made(cluster, "token")["data"]
    assert len({base64.b64decode(value) for value in data.values()}) == 2
    assert all(len(base64.b64decode(value)) == 32 for value in data.values())


def test_the_second_run_changes_nothing(cluster: FakeCluster) -> None:
    run(cluster, COPY, GENERATE)
    before = dict(cluster.objects)
    assert run(cluster, COPY, GENERATE) == Outcome("ready")
    assert cluster.objects == before


def test_a_changed_source_changes_the_copy(cluster: FakeCluster) -> None:
    run(cluster, COPY)
    cluster.put(secret("staging/db", {"password": "bmV3"}))
    assert run(cluster, COPY) == Outcome("ready", changed=("db",))
    assert made(cluster, "db")["data"] == {"password": "bmV3"}


def test_a_new_key_is_generated_and_the_old_ones_stay(cluster: FakeCluster) -> None:
    run(cluster, GENERATE)
    before = made(cluster, "token")["data"]
    run(cluster, Wish("token", "generate", ("value", "second")))
    after = made(cluster, "token")["data"]
    assert after.keys() == {"value", "second"}
    assert after["value"] == before["value"]


def test_a_copy_that_is_declared_as_generated_is_not_kept(cluster: FakeCluster) -> None:
    run(cluster, COPY)
    run(cluster, Wish("db", "generate", ("password",)))
    assert made(cluster, "db")["data"]["password"] != "aHVudGVyMg=="


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (Wish("mail", "copy"), "there is no Secret staging/mail to copy"),
        (Wish("db", "copy", ("host", "port")), "the Secret staging/db has no key host and no key port"),
        (Wish("db", "copy", ("host",)), "its keys are: password, user"),
    ],
    ids=["secret", "two-keys", "what-there-is"],
)
def test_a_missing_source_is_named_and_the_others_are_made(cluster: FakeCluster, wish: Wish, message: str) -> None:
    outcome = run(cluster, wish, GENERATE)
    assert outcome.state == "failed"
    assert message in outcome.message
    assert outcome.changed == ("token",)


def test_one_environment_s_trouble_is_not_another_s(cluster: FakeCluster) -> None:
    cluster.put(namespace("env-web-2", "web-2"))
    wanted = {WEB: [Wish("mail", "copy")], Place("web-2", "env-web-2"): [COPY]}
    outcomes = provide(lambda _: cluster, wanted, "staging", "env-", timeout=10, clock=FakeClock())
    assert {name: outcome.state for name, outcome in outcomes.items()} == {"web-1": "failed", "web-2": "ready"}


@pytest.mark.parametrize(
    ("present", "wish", "message"),
    [
        (secret("env-web-1/db", {}), COPY, "the Secret env-web-1/db is not layersite's own"),
        (secret("env-web-1/token", {"value": "eA=="}), GENERATE, "remove it, or take `token` out of the app.yaml"),
    ],
    ids=["copy", "generate"],
)
def test_a_secret_that_somebody_else_made_is_not_touched(
    cluster: FakeCluster, present: dict[str, Any], wish: Wish, message: str
) -> None:
    cluster.put(present)
    before = dict(cluster.objects)
    assert message in run(cluster, wish).message
    assert cluster.objects == before


def test_a_service_account_s_token_is_not_copied(cluster: FakeCluster) -> None:
    cluster.put(secret("staging/robot", {"token": "eA=="}, "kubernetes.io/service-account-token"))
    assert "is a service account's token" in run(cluster, Wish("robot", "copy")).message


def test_a_source_of_another_type_asks_for_a_decision(cluster: FakeCluster) -> None:
    run(cluster, COPY)
    cluster.put(secret("staging/db", SOURCE, "kubernetes.io/basic-auth"))
    message = run(cluster, COPY).message
    assert "env-web-1/db has the type Opaque and its source kubernetes.io/basic-auth" in message
    assert "remove env-web-1/db, and the next run makes it anew" in message


def test_a_foreign_namespace_gets_no_secret(cluster: FakeCluster) -> None:
    cluster.put(namespace("env-web-1", "web-2"))
    assert run(cluster, GENERATE).state == "refused"
    assert run(cluster, GENERATE, place=Place("web-1", "kube-system")).state == "refused"
    assert not [path for path in cluster.objects if "token" in path]


def test_a_namespace_that_does_not_come_is_waited_for_and_then_named() -> None:
    clock = FakeClock()
    outcomes = provide(lambda _: FakeCluster(), {WEB: [GENERATE]}, "staging", "env-", timeout=10, clock=clock)
    assert outcomes == {"web-1": Outcome("failed", "the namespace env-web-1 does not exist yet")}
    assert clock.now() == 10


def test_a_check_writes_nothing_and_does_not_wait(cluster: FakeCluster) -> None:
    before = dict(cluster.objects)
    assert run(cluster, COPY, dry_run=True) == Outcome("ready", changed=("db",))
    assert run(cluster, COPY, place=Place("web-9", "env-web-9"), dry_run=True).state == "absent"
    assert cluster.objects == before


def test_the_baseline_keeps_its_own_secrets() -> None:
    place = Place("baseline", "env-baseline")
    cluster = FakeCluster(namespace("env-baseline", "baseline"), secret("env-baseline/db", SOURCE))
    before = dict(cluster.objects)
    wanted = {place: [COPY]}
    outcomes = provide(lambda _: cluster, wanted, "env-baseline", "env-", timeout=10, clock=FakeClock())
    assert outcomes == {"baseline": Outcome("ready")}
    assert cluster.objects == before


@pytest.mark.parametrize(("status", "state"), [(409, "ready"), (403, "failed")], ids=["lost-race", "forbidden"])
def test_a_refused_write_is_tried_again_only_where_that_helps(
    cluster: FakeCluster, status: int, state: Literal["ready", "failed"]
) -> None:
    cluster.trouble[f"{NAMESPACE}/secrets"] = [ClusterError(status, "no")]
    assert run(cluster, GENERATE).state == state
