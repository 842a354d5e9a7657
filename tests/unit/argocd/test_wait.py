"""Waits that go through broken connections, and that end where nothing can be known."""

from collections.abc import Mapping
from typing import Any

import pytest

from layersite.argocd import ArgoCD, Patience, Result
from layersite.model.errors import ArgoCDError
from tests.unit.argocd.conftest import Answer, Stub

COMMIT, OLD = "a" * 40, "b" * 40
STREAM, LIST = "/api/v1/stream/applications", "/api/v1/applications"
MAY = "/api/v1/account/can-i/applications/get/shop/{}"
AT_ONCE = Patience(settle=0)


@pytest.fixture(autouse=True)
def permission(stub: Stub) -> None:
    for name in ("web-1", "web-2"):
        stub.on(MAY.format(name), Answer({"value": "yes"}))


def change(name: str = "web-1", health: str = "Healthy", revision: str = COMMIT) -> dict[str, Any]:
    status = {"sync": {"status": "Synced", "revision": revision}, "health": {"status": health}}
    return {"result": {"type": "MODIFIED", "application": {"metadata": {"name": name}, "status": status}}}


def wait(client: ArgoCD, *names: str, deadline: float = 20, **options: Any) -> dict[str, Result]:
    wanted: Mapping[str, str] = dict.fromkeys(names or ["web-1"], COMMIT)
    options = {"contains": lambda revision, commit: False, "patience": AT_ONCE, **options}
    return {result.name: result for result in client.await_synced(wanted, deadline=deadline, **options)}


def test_each_is_told_once_it_is_known(stub: Stub, client: ArgoCD) -> None:
    stub.on(STREAM, Answer([change("web-2"), change("web-1", "Progressing")]), Answer([change("web-1")], hang=0.1))
    assert [(name, result.outcome) for name, result in wait(client, "web-1", "web-2").items()] == [
        ("web-2", "healthy"),
        ("web-1", "healthy"),
    ]


@pytest.mark.parametrize(
    "first",
    [
        Answer(status=502),
        Answer(status=429),
        Answer([change(health="Progressing")]),
        Answer([b'{"result": {"type": "MODI']),
        Answer([{"error": {"grpc_code": 14, "message": "shutting down"}}]),
        Answer([], hang=2.5),
    ],
    ids=["502", "429", "ends", "breaks off", "shuts down", "hangs"],
)
def test_a_stream_that_breaks_is_opened_again(first: Answer, stub: Stub, client: ArgoCD) -> None:
    stub.on(STREAM, first, Answer([change()]))
    assert wait(client)["web-1"].outcome == "healthy"


def test_one_hears_of_it_once(stub: Stub, client: ArgoCD) -> None:
    stub.on(STREAM, Answer(status=502), Answer(status=502), Answer([change()]))
    told: list[str] = []
    wait(client, tell=told.append)
    assert len(told) == 2
    assert "answered 502" in told[0]
    assert told[1] == "Argo CD answers again"


def test_time_that_is_up_says_what_was_waited_for(stub: Stub, client: ArgoCD) -> None:
    stub.on(STREAM, Answer([change(revision=OLD)], hang=0.1))
    result = wait(client, deadline=1)["web-1"]
    assert (result.outcome, result.reason) == ("late", f"Argo CD still compares with commit {OLD[:12]}")


def test_time_that_is_up_while_argo_cd_is_away_says_so(stub: Stub, client: ArgoCD) -> None:
    stub.on(STREAM, Answer(status=503))
    result = wait(client, deadline=1)["web-1"]
    assert result.outcome == "unseen"
    assert "answered 503" in result.reason


def test_a_later_commit_that_contains_ours_is_ours(stub: Stub, client: ArgoCD) -> None:
    stub.on(STREAM, Answer([change(revision=OLD)]))
    asked: list[tuple[str, str]] = []

    def contains(revision: str, commit: str) -> bool:
        asked.append((revision, commit))
        return True

    assert wait(client, contains=contains)["web-1"].revision == OLD
    assert asked == [(OLD, COMMIT)]


@pytest.mark.parametrize(
    "answers",
    [
        [Answer(status=401)],
        [Answer([{"error": {"grpc_code": 16}}])],
        [Answer(b"<html>", headers={"Content-Type": "text/html"})],
    ],
    ids=["401", "logged out", "html"],
)
def test_a_refusal_ends_the_wait(answers: list[Answer], stub: Stub, client: ArgoCD) -> None:
    stub.on(STREAM, *answers)
    with pytest.raises(ArgoCDError):
        wait(client)


def test_a_stream_that_the_token_may_not_see_is_not_waited_for(stub: Stub, client: ArgoCD) -> None:
    stub.on(MAY.format("web-1"), Answer({"value": "no"}))
    stub.on(STREAM, Answer([], hang=1))
    with pytest.raises(ArgoCDError, match="applications, get, shop"):
        wait(client)


def test_nothing_to_wait_for(client: ArgoCD) -> None:
    assert list(client.await_synced({}, deadline=1, contains=lambda revision, commit: False)) == []
    assert list(client.await_gone([], deadline=1)) == []


NONE = Answer({"items": None})
NOT_FOUND = Answer({"code": 5, "error": "not found"}, 404)


def test_gone_is_what_argo_cd_says_is_gone(stub: Stub, client: ArgoCD) -> None:
    stub.on(LIST, NONE)
    stub.on(f"{LIST}/web-1", NOT_FOUND)
    assert list(client.await_gone(["web-1"], deadline=5)) == [Result("web-1", "gone")]


@pytest.mark.parametrize(
    "answer",
    [Answer({"code": 7}, 403), Answer(b"<html>no such site</html>", 404), Answer({"code": 16}, 401)],
    ids=["not allowed", "a proxy that lost Argo CD", "not logged in"],
)
def test_what_cannot_be_seen_is_not_gone(answer: Answer, stub: Stub, client: ArgoCD) -> None:
    stub.on(LIST, NONE)
    stub.on(f"{LIST}/web-1", answer)
    with pytest.raises(ArgoCDError):
        list(client.await_gone(["web-1"], deadline=5))


def test_what_a_short_list_lacks_is_not_gone(stub: Stub, client: ArgoCD) -> None:
    stub.on(LIST, NONE)
    stub.on(f"{LIST}/web-1", Answer({"metadata": {"name": "web-1"}}))
    (result,) = client.await_gone(["web-1"], deadline=1)
    assert (result.outcome, result.reason) == ("late", "its Application is still there")


def test_waiting_for_the_end_goes_through_restarts(stub: Stub, client: ArgoCD) -> None:
    stub.on(LIST, Answer(status=502), NONE)
    stub.on(f"{LIST}/web-1", NOT_FOUND)
    told: list[str] = []
    (result,) = client.await_gone(["web-1"], deadline=10, tell=told.append)
    assert result.outcome == "gone"
    assert "answered 502" in told[0]


def test_an_operation_that_keeps_one_from_going_is_ended(stub: Stub, client: ArgoCD) -> None:
    metadata = {"name": "web-1", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    hanging = {"metadata": metadata, "status": {"operationState": {"phase": "Running"}}}
    stub.on(LIST, Answer({"items": [hanging]}), NONE)
    stub.on(f"{LIST}/web-1", NOT_FOUND)
    stub.on(f"{LIST}/web-1/operation", Answer({}))
    (result,) = client.await_gone(["web-1"], deadline=5)
    assert result.outcome == "gone"
    assert ("DELETE", f"{LIST}/web-1/operation") in [(request.method, request.path) for request in stub.requests]


def test_a_token_that_may_not_end_it_is_said_once(stub: Stub, client: ArgoCD) -> None:
    metadata = {"name": "web-1", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    hanging = Answer({"items": [{"metadata": metadata, "status": {"operationState": {"phase": "Running"}}}]})
    stub.on(LIST, hanging, hanging, hanging, NONE)
    stub.on(f"{LIST}/web-1", NOT_FOUND)
    stub.on(f"{LIST}/web-1/operation", Answer({"code": 7}, 403))
    told: list[str] = []
    (result,) = client.await_gone(["web-1"], deadline=10, tell=told.append)
    assert result.outcome == "gone"
    assert len(told) == 1
    assert "p, proj:shop:<role>, applications, sync, shop/*, allow" in told[0]
