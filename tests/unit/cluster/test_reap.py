"""What reaping concludes from what it finds, without waiting for real."""

import pytest

from layersite.cluster import Outcome, Place, reap
from layersite.cluster.api import ClusterError
from tests.unit.cluster.fake import FakeClock, FakeCluster, namespace

WEB = Place("web-1", "env-web-1")
PATH = "/api/v1/namespaces/env-web-1"


def run(cluster: FakeCluster, *places: Place, force: bool = False, dry_run: bool = False) -> dict[str, Outcome]:
    return reap(lambda _: cluster, places, "env-", timeout=10, force=force, dry_run=dry_run, clock=FakeClock())


def states(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {name: outcome.state for name, outcome in outcomes.items()}


def volume(name: str, environment: str | None, policy: str = "Retain") -> dict[str, object]:
    labels = {"layersite.dev/environment": environment} if environment else {}
    spec = {"claimRef": {"namespace": "env-web-1"}, "persistentVolumeReclaimPolicy": policy}
    return {"kind": "PersistentVolume", "metadata": {"name": name, "labels": labels}, "spec": spec}


def test_the_environment_s_namespace_goes() -> None:
    cluster = FakeCluster(namespace("env-web-1", "web-1"), namespace("env-web-2", "web-2"))
    assert run(cluster, WEB) == {"web-1": Outcome("gone", changed=("Namespace/env-web-1",))}
    assert list(cluster.objects) == ["/api/v1/namespaces/env-web-2"]


def test_what_is_gone_already_is_no_change() -> None:
    assert run(FakeCluster(), WEB) == {"web-1": Outcome("gone")}


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (namespace("env-web-1"), "has no label layersite.dev/environment"),
        (namespace("env-web-1", "web-2"), "has the label layersite.dev/environment: web-2"),
    ],
    ids=["unlabelled", "another-environment"],
)
def test_a_foreign_namespace_stays(found: dict[str, object], reason: str) -> None:
    cluster = FakeCluster(found)
    outcome = run(cluster, WEB)["web-1"]
    assert outcome.state == "refused"
    assert reason in outcome.message
    assert PATH in cluster.objects


def test_a_namespace_outside_the_prefix_stays_even_with_the_label() -> None:
    cluster = FakeCluster(namespace("payments", "web-1"))
    outcome = run(cluster, Place("web-1", "payments"))["web-1"]
    assert outcome.state == "refused"
    assert "does not start with this site's `env-`" in outcome.message
    assert "/api/v1/namespaces/payments" in cluster.objects


def test_a_namespace_that_changes_meanwhile_is_judged_anew() -> None:
    cluster = FakeCluster(namespace("env-web-1", "web-1"))
    first_answer = cluster.objects[PATH]
    cluster.put(namespace("env-web-1", "somebody-else"))
    answers = iter([first_answer])
    real = cluster.get

    class Stale(FakeCluster):
        def get(self, path: str) -> dict[str, object] | None:
            return next(answers, None) or real(path)

    stale = Stale()
    stale.objects = cluster.objects
    assert states(run(stale, WEB)) == {"web-1": "refused"}
    assert PATH in cluster.objects


def test_what_hangs_is_named_and_the_rest_goes() -> None:
    holder = {"name": "hold", "namespace": "env-web-1", "finalizers": ["example.com/hold"]}
    cluster = FakeCluster(namespace("env-web-1", "web-1"), namespace("env-web-2", "web-2"))
    cluster.put({"kind": "ConfigMap", "metadata": holder})
    cluster.held.add(PATH)
    outcomes = run(cluster, WEB, Place("web-2", "env-web-2"))
    assert states(outcomes) == {"web-1": "hanging", "web-2": "gone"}
    assert "ConfigMap/hold waits for example.com/hold" in outcomes["web-1"].message


def test_conditions_speak_where_the_account_may_not_list() -> None:
    found = namespace("env-web-1", "web-1")
    text = "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    found["status"] = {"conditions": [{"type": "NamespaceFinalizersRemaining", "status": "True", "message": text}]}
    cluster = FakeCluster(found)
    cluster.held.add(PATH)
    cluster.trouble = {f"{PATH}/{kind}": [ClusterError(403, "forbidden")] for kind in ("configmaps", "secrets")}
    assert text in run(cluster, WEB)["web-1"].message


@pytest.mark.parametrize("force", [False, True], ids=["patient", "forced"])
def test_finalizers_are_removed_only_by_force(force: bool) -> None:
    going = {"name": "hold", "namespace": "env-web-1", "finalizers": ["example.com/hold"], "deletionTimestamp": "now"}
    cluster = FakeCluster(namespace("env-web-1", "web-1"))
    cluster.put({"kind": "ConfigMap", "metadata": going})
    cluster.held.add(PATH)
    outcome = run(cluster, WEB, force=force)["web-1"]
    assert ("finalizers" in cluster.objects[f"{PATH}/configmaps/hold"]["metadata"]) is not force
    assert ("finalizers of ConfigMap/hold" in outcome.changed) is force


def test_a_labelled_volume_goes_with_its_data_and_any_other_is_named() -> None:
    cluster = FakeCluster(volume("ours", "web-1"), volume("theirs", None), volume("of-the-driver", None, "Delete"))
    outcome = run(cluster, WEB)["web-1"]
    assert outcome == Outcome(
        "gone",
        "kept theirs: retained volumes without the label layersite.dev/environment",
        ("PersistentVolume/ours",),
        ("theirs",),
    )
    assert "/api/v1/persistentvolumes/ours" not in cluster.objects


def test_a_check_removes_nothing() -> None:
    cluster = FakeCluster(namespace("env-web-1", "web-1"), volume("ours", "web-2"))
    before = dict(cluster.objects)
    outcome = run(cluster, WEB, dry_run=True)["web-1"]
    assert (outcome.state, outcome.changed) == ("present", ("env-web-1",))
    assert cluster.objects == before


def test_a_cluster_that_does_not_answer_is_given_up_at_once() -> None:
    cluster = FakeCluster()
    cluster.trouble[PATH] = [ClusterError(0, "the API server cannot be reached")]
    clock = FakeClock()
    outcomes = reap(lambda _: cluster, [WEB], "env-", timeout=10, clock=clock)
    assert outcomes == {"web-1": Outcome("unreachable", "the API server cannot be reached")}
    assert clock.now() == 0


def test_a_cluster_that_stops_answering_for_a_while_is_waited_for() -> None:
    cluster = FakeCluster(namespace("env-web-1", "web-1"))
    cluster.trouble[PATH] = [ClusterError(503, "busy"), ClusterError(0, "restarting")]
    assert states(run(cluster, WEB)) == {"web-1": "gone"}


def test_a_refusal_of_the_cluster_is_passed_on() -> None:
    cluster = FakeCluster()
    cluster.trouble[PATH] = [ClusterError(403, "the account `bot` may not get namespaces")]
    assert run(cluster, WEB) == {"web-1": Outcome("failed", "the account `bot` may not get namespaces")}
