"""When an application has arrived, when it has failed for good, and when it may still get there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from layersite.argocd.judge import Fault, application_faults, is_at, judge, tree_faults
from layersite.argocd.model import Patience
from layersite.argocd.objects import Tree
from layersite.argocd.received import Application

OURS, OLD, NEWER = "a" * 40, "b" * 40, "c" * 40
START = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = Patience(seconds=60, restarts=3, missing=300)


def is_ours(revision: str) -> bool:
    return revision in (OURS, NEWER)


def application(
    sync: str = "Synced", revision: str = OURS, health: str = "Healthy", conditions: tuple[str, ...] = (), **more: Any
) -> Application:
    status = {
        "sync": {"status": sync, "revision": revision},
        "health": {"status": health},
        "conditions": [{"type": kind, "message": "because"} for kind in conditions],
        **({"operationState": more.pop("operation")} if "operation" in more else {}),
    }
    return Application.model_validate({"metadata": {"name": "web-1", **more}, "status": status})


def operation(phase: str, revision: str = OURS, seconds: float | None = None, message: str = "said") -> dict[str, Any]:
    ended = {"finishedAt": (START + timedelta(seconds=seconds)).isoformat()} if seconds is not None else {}
    state = {"phase": phase, "message": message, "startedAt": START.isoformat(), **ended}
    return {**state, "operation": {"sync": {"revision": revision}}}


def state_of(given: Application | None, faults: dict[Fault, float] | None = None) -> str:
    return judge(given, is_ours, faults or {}, PATIENCE).state


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (application(operation=operation("Succeeded", seconds=1)), "healthy"),
        (application(revision=NEWER, operation=operation("Succeeded", NEWER, 1)), "healthy"),
        (application(operation=operation("Succeeded", OLD, 1)), "healthy"),
        (application(), "healthy"),
        (application(operation=operation("Failed", OLD, 1)), "healthy"),
        (None, "open"),
        (application(deletionTimestamp=START.isoformat()), "open"),
        (application(revision=OLD, operation=operation("Succeeded", OLD, 1)), "open"),
        (application(revision=OLD, operation=operation("Failed", OLD, 1)), "open"),
        (application(revision="", sync="Unknown"), "open"),
        (application(operation=operation("Running")), "open"),
        (application(sync="OutOfSync", operation=operation("Succeeded", seconds=1)), "open"),
        (application(health="Progressing", operation=operation("Succeeded", seconds=1)), "open"),
        (application(health="Degraded", operation=operation("Succeeded", seconds=1)), "open"),
        (application(health="Missing"), "open"),
        (application(health="Suspended"), "open"),
        (application(sync="OutOfSync", operation=operation("Failed", seconds=1)), "failed"),
        (application(operation=operation("Error", seconds=1)), "failed"),
    ],
    ids=[
        "healthy at our commit",
        "healthy at a later commit",
        "our commit changed nothing in the cluster",
        "our commit was there before",
        "healthy after an older commit that failed",
        "no application yet",
        "going away",
        "an older commit is healthy",
        "an older commit failed",
        "not compared yet",
        "being applied",
        "not synced though applied",
        "starting",
        "degraded for now",
        "nothing there yet",
        "suspended",
        "refused",
        "a hook failed though all is healthy",
    ],
)
def test_an_application(given: Application | None, state: str) -> None:
    assert state_of(given) == state


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (operation("Running", seconds=61), "failed"),
        (operation("Running", seconds=59), "open"),
        (operation("Running", OLD, 500), "open"),
        (operation("Running", seconds=500, message="forbidden: namespace is being terminated"), "open"),
    ],
    ids=["for long", "for a moment", "an older commit", "because its namespace still ends"],
)
def test_what_is_refused_again_and_again(given: dict[str, Any], state: str) -> None:
    assert state_of(application(sync="OutOfSync", operation=given)) == state


def test_a_failed_commit_is_not_the_last_word_while_a_newer_one_comes() -> None:
    assert state_of(application(sync="OutOfSync", revision=NEWER, operation=operation("Failed", seconds=1))) == "open"


def test_a_failed_commit_is_the_last_word_where_argo_cd_will_not_try_the_newer() -> None:
    given = application(
        sync="OutOfSync", revision=NEWER, operation=operation("Failed", seconds=1), conditions=("SyncError",)
    )
    assert state_of(given) == "failed"


def test_the_reason_of_a_failure_leaves_out_the_next_try() -> None:
    message = "Deployment is invalid. Retrying attempt #2 at 2026-01-01T00:00:00Z."
    given = application(sync="OutOfSync", operation=operation("Failed", seconds=1, message=message))
    assert judge(given, is_ours, {}, PATIENCE).reason == "Argo CD could not apply it: Deployment is invalid."


def test_a_comparison_that_fails_for_long_has_failed() -> None:
    given = application(sync="Unknown", revision="refs/heads/main", conditions=("ComparisonError",))
    (fault,) = application_faults(given)
    assert state_of(given, {fault: 59}) == "open"
    assert state_of(given, {fault: 60}) == "failed"


def pod(reason: str, restarts: int = 0, owner: str = "", uid: str = "p", created: float = 1) -> dict[str, Any]:
    remarks = [{"name": "Status Reason", "value": reason}, {"name": "Restart Count", "value": str(restarts)}]
    return {
        "kind": "Pod",
        "name": f"web-{uid}",
        "uid": uid,
        "info": remarks if restarts else remarks[:1],
        "parentRefs": [{"uid": owner}] if owner else None,
        "createdAt": (START + timedelta(seconds=created)).isoformat(),
    }


def replica_set(revision: int) -> dict[str, Any]:
    info = [{"name": "Revision", "value": f"Rev:{revision}"}]
    return {
        "kind": "ReplicaSet",
        "name": f"web-{revision}",
        "uid": f"r{revision}",
        "parentRefs": [{"uid": "d"}],
        "info": info,
    }


def faults_in(*nodes: dict[str, Any]) -> list[Fault]:
    return tree_faults(Tree.model_validate({"nodes": nodes}), START)


@pytest.mark.parametrize(
    ("reason", "restarts", "age", "state"),
    [
        ("ImagePullBackOff", 0, 59, "open"),
        ("ImagePullBackOff", 0, 60, "failed"),
        ("Init:ErrImagePull", 0, 60, "failed"),
        ("InvalidImageName", 0, 60, "failed"),
        ("CreateContainerConfigError", 0, 299, "open"),
        ("CreateContainerConfigError", 0, 300, "failed"),
        ("CrashLoopBackOff", 2, 900, "open"),
        ("CrashLoopBackOff", 3, 0, "failed"),
        ("Init:Error", 3, 0, "failed"),
        ("Init:ExitCode:7", 3, 0, "failed"),
        ("OOMKilled", 3, 0, "failed"),
    ],
)
def test_a_pod_in_trouble(reason: str, restarts: int, age: float, state: str) -> None:
    (fault,) = faults_in(pod(reason, restarts))
    assert state_of(application(health="Progressing"), {fault: age}) == state


@pytest.mark.parametrize(
    "reason", ["Pending", "ContainerCreating", "Running", "PodInitializing", "Init:0/2", "Completed"]
)
def test_a_pod_that_starts_is_no_trouble_however_often_it_did(reason: str) -> None:
    assert faults_in(pod(reason, 7)) == []


def test_pods_of_the_former_commit_are_no_trouble() -> None:
    nodes = [replica_set(9), replica_set(10), pod("CrashLoopBackOff", 50, "r9", "old"), pod("Running", 0, "r10", "new")]
    assert faults_in(*nodes) == []


def test_a_pod_from_before_must_stay_in_trouble_to_count() -> None:
    (fault,) = faults_in(pod("CrashLoopBackOff", 50, created=-3600))
    assert state_of(application(health="Degraded"), {fault: 59}) == "open"
    assert state_of(application(health="Degraded"), {fault: 60}) == "failed"


@pytest.mark.parametrize(
    ("group", "age", "state"),
    [("batch", 60, "failed"), ("batch", 59, "open"), ("external-secrets.io", 299, "open")],
    ids=["a job", "a job just now", "a secret that is delivered later"],
)
def test_an_object_that_stays_degraded(group: str, age: float, state: str) -> None:
    (fault,) = faults_in({"group": group, "kind": "Thing", "name": "x", "uid": "x", "health": {"status": "Degraded"}})
    assert state_of(application(health="Degraded"), {fault: age}) == state


def test_no_trouble_counts_where_all_is_healthy() -> None:
    (fault,) = faults_in(pod("CrashLoopBackOff", 9))
    assert state_of(application(), {fault: 900}) == "healthy"


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (application(operation=operation("Succeeded", OLD, 1)), True),
        (application(sync="OutOfSync", operation=operation("Running")), True),
        (application(sync="OutOfSync", operation=operation("Running", OLD)), False),
        (application(revision=OLD, operation=operation("Succeeded", OLD, 1)), False),
    ],
    ids=["unchanged by our commit", "our commit is applied", "ours waits for an older one", "ours is not seen yet"],
)
def test_troubles_are_ours_where(given: Application, answer: bool) -> None:
    assert is_at(given, is_ours) is answer
