"""A push that Argo CD is told of."""

import hashlib
import hmac
import json
from collections.abc import Callable

import pytest

from layersite.argocd import ArgoCD
from layersite.argocd.nudge import web_url
from tests.unit.argocd.conftest import SECRET, TOKEN, Answer, Stub

PUSH = ("https://git.example/team/site.git", "main", "a" * 40, "b" * 40, ["environments/00/web-1/manifests/web.yaml"])
SERVER, SETS = "/api/webhook", "/sets/api/webhook"


@pytest.mark.parametrize(
    ("repository", "page"),
    [
        ("https://git.example/team/site.git", "https://git.example/team/site"),
        ("https://bot@git.example:8443/team/site/", "https://git.example/team/site"),
        ("http://10.0.0.1:3000/team/site.git", "https://10.0.0.1/team/site"),
        ("ssh://git@git.example:2222/team/sub/site.git", "https://git.example/team/sub/site"),
        ("git@git.example:team/site.git", "https://git.example/team/site"),
        ("git.example:team/site", "https://git.example/team/site"),
    ],
)
def test_the_page_of_a_repository(repository: str, page: str) -> None:
    assert web_url(repository) == page


@pytest.mark.parametrize("repository", ["file:///srv/site.git", "/srv/site.git", "git://git.example/site"])
def test_a_repository_that_argo_cd_cannot_be_told_of(repository: str, client: ArgoCD) -> None:
    (problem,) = client.nudge(repository, *PUSH[1:])
    assert "has no http, https or ssh URL" in problem


def test_both_are_told_in_githubs_words_with_a_signature(stub: Stub, client: ArgoCD) -> None:
    stub.on(SERVER, Answer())
    stub.on(SETS, Answer())
    assert client.nudge(*PUSH) == ()
    assert {request.path for request in stub.requests} == {SERVER, SETS}
    for request in stub.requests:
        signature = hmac.new(SECRET.encode(), request.body, hashlib.sha256).hexdigest()
        assert request.headers["x-hub-signature-256"] == f"sha256={signature}"
        assert request.headers["x-github-event"] == "push"
        event = json.loads(request.body)
        assert (event["ref"], event["before"], event["after"]) == ("refs/heads/main", "a" * 40, "b" * 40)
        assert event["commits"][0]["modified"] == PUSH[4]


def test_the_token_is_not_sent_there(stub: Stub, client: ArgoCD) -> None:
    client.nudge(*PUSH)
    assert all(TOKEN not in str(request.headers) for request in stub.requests)


def test_one_that_refuses_does_not_keep_the_other_from_knowing(stub: Stub, client: ArgoCD) -> None:
    stub.on(SERVER, Answer(b"HMAC verification failed", 400))
    stub.on(SETS, Answer())
    (problem,) = client.nudge(*PUSH)
    assert (
        f"{stub.url}/api/webhook answered 400: it does not accept the event; is its `webhook.github.secret`" in problem
    )
    assert SECRET not in problem


def test_one_that_restarts_is_told_again(stub: Stub, client: ArgoCD) -> None:
    stub.on(SERVER, Answer(status=503), Answer())
    stub.on(SETS, Answer())
    assert client.nudge(*PUSH) == ()


def test_one_that_is_not_there_is_a_problem_and_no_error(make_client: Callable[..., ArgoCD]) -> None:
    (problem,) = make_client("http://127.0.0.1:1").nudge(*PUSH)
    assert "http://127.0.0.1:1/api/webhook cannot be reached" in problem


def test_the_address_may_be_the_webhooks_own(stub: Stub, make_client: Callable[..., ArgoCD]) -> None:
    stub.on(SERVER, Answer())
    stub.on(SETS, Answer())
    assert make_client(stub.url, applicationset_url=f"{stub.url}/sets/api/webhook").nudge(*PUSH) == ()
