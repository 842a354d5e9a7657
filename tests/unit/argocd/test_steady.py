"""What runs and what has only started, and what gets an older commit out of the way."""

from datetime import UTC, datetime
from typing import Any

import pytest

from layersite.argocd.case import Case
from layersite.argocd.model import Patience
from layersite.argocd.objects import Node, Pod
from layersite.argocd.received import Application
from layersite.argocd.steady import Sight, sight_of

OURS, OLD = "a" * 40, "b" * 40
START = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
NODE = Node(kind="Pod", name="web", uid="u")


def pod(ready: bool = True, probe: bool = False, restarts: int = 0, phase: str = "Running") -> tuple[Node, Pod]:
    container = {"name": "web", **({"readinessProbe": {"httpGet": {"port": 80}}} if probe else {})}
    status = {"name": "web", "ready": ready, "restartCount": restarts}
    given = {"spec": {"containers": [container]}, "status": {"phase": phase, "containerStatuses": [status]}}
    return NODE, Pod.model_validate(given)


@pytest.mark.parametrize(
    ("pods", "sight"),
    [
        ([], Sight(True)),
        ([pod(probe=True)], Sight(True)),
        ([pod(restarts=2)], Sight(True, frozenset({("u", "web", 2)}))),
        ([pod(), pod(ready=False)], Sight(False)),
        ([pod(ready=False, phase="Succeeded")], Sight(True)),
        ([(NODE, Pod())], Sight(False)),
    ],
    ids=["no pods", "probed", "not probed", "one not ready", "a job that is done", "not started"],
)
def test_pods_show(pods: list[tuple[Node, Pod]], sight: Sight) -> None:
    assert sight_of(pods) == sight


def case(application: dict[str, Any] | None = None) -> Case:
    made = Case("web-1", lambda revision: revision == OURS, begun=0)
    healthy = {"sync": {"status": "Synced", "revision": OURS}, "health": {"status": "Healthy"}}
    made.see(Application.model_validate({"metadata": {"name": "web-1"}, "status": application or healthy}))
    return made


def run(number: int) -> Sight:
    return Sight(True, frozenset({("u", "web", number)}))


@pytest.mark.parametrize(
    ("sights", "state"),
    [
        ([], "open"),
        ([(10, Sight(True))], "healthy"),
        ([(10, Sight(False))], "open"),
        ([(10, run(0))], "open"),
        ([(10, run(0)), (12.9, run(0))], "open"),
        ([(10, run(0)), (13, run(0))], "healthy"),
        ([(10, run(0)), (13, run(1))], "open"),
        ([(10, run(0)), (13, Sight(False))], "open"),
    ],
    ids=["unseen", "proved", "not ready", "seen once", "too short", "stayed up", "restarted", "went down"],
)
def test_a_healthy_application_whose_pods_were_seen(sights: list[tuple[float, Sight]], state: str) -> None:
    made = case()
    for when, sight in sights:
        made.take(sight, when)
    assert made.verdict(Patience(settle=3), 20).state == state


def test_who_cannot_wait_takes_argo_cds_word() -> None:
    assert case().verdict(Patience(settle=0), 20).state == "healthy"


def test_what_lasted_while_argo_cd_was_away_is_not_known_to_have_lasted() -> None:
    conditions = [{"type": "ComparisonError", "message": "repository unreachable"}]
    made = case({"conditions": conditions, "sync": {"status": "Unknown", "revision": OURS}})
    assert made.verdict(Patience(seconds=60), 0).state == "open"
    made.lose_sight()
    assert made.verdict(Patience(seconds=60), 61).state == "open"
    assert made.verdict(Patience(seconds=60), 121).state == "failed"


def stuck(phase: str, revision: str = OLD, between: bool = False, conditions: tuple[str, ...] = ()) -> dict[str, Any]:
    state = {"phase": phase, "startedAt": START, "operation": {"sync": {"revision": revision}}}
    return {
        "sync": {"status": "OutOfSync", "revision": OURS},
        "operationState": {**state, **({"finishedAt": START} if between else {})},
        "conditions": [{"type": kind} for kind in conditions],
    }


@pytest.mark.parametrize(
    ("status", "means"),
    [
        (stuck("Running", between=True), "terminate"),
        (stuck("Failed", conditions=("SyncError",)), "sync"),
        (stuck("Running"), None),
        (stuck("Failed"), None),
        (stuck("Running", OURS, between=True), None),
        (stuck("Failed", OURS, conditions=("SyncError",)), None),
    ],
    ids=["tried again", "given up", "still applied", "about to be followed", "ours is tried again", "ours is given up"],
)
def test_an_older_commit_in_the_way(status: dict[str, Any], means: str | None) -> None:
    assert case(status).wants_freedom(100) == means
