"""Webhooks of Gitea, Forgejo and GitHub: who may send one, and what it tells."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from layersite.forge.webhook import Nudge, SignatureError, webhook_change
from layersite.model.errors import ForgeError

SECRET = "s3cret"
REPOSITORY = {"id": 1, "full_name": "acme/shop", "default_branch": "main"}


def receive(event: str, payload: object, *, secret: str = SECRET, **headers: str) -> Nudge | None:
    body = json.dumps(payload).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    sent = {"Content-Type": "application/json", "X-Gitea-Event": event, "X-Gitea-Signature": signature}
    return webhook_change({**sent, **{key.replace("_", "-"): value for key, value in headers.items()}}, body, secret)


def pull(action: str, **more: Any) -> dict[str, Any]:
    return {"action": action, "number": 42, "pull_request": {}, "repository": REPOSITORY, **more}


@pytest.mark.parametrize(
    "action", ["opened", "reopened", "synchronized", "closed", "edited", "label_updated", "label_cleared"]
)
def test_a_pull_request_that_changed_is_named(action: str) -> None:
    assert receive("pull_request", pull(action)) == ("acme/shop", 42)


@pytest.mark.parametrize("action", ["assigned", "unassigned", "milestoned", "review_requested"])
def test_what_environments_do_not_depend_on_is_left(action: str) -> None:
    assert receive("pull_request", pull(action)) is None


def test_a_push_to_the_default_branch_names_the_repository() -> None:
    assert receive("push", {"ref": "refs/heads/main", "repository": REPOSITORY}) == ("acme/shop", None)


@pytest.mark.parametrize("ref", ["refs/heads/other", "refs/tags/main", "main", "refs/heads/main/x"])
def test_a_push_elsewhere_is_left_to_its_pull_request(ref: str) -> None:
    assert receive("push", {"ref": ref, "repository": REPOSITORY}) is None


@pytest.mark.parametrize("event", ["issues", "release", "pull_request_comment", ""])
def test_other_events_are_left(event: str) -> None:
    assert receive(event, pull("opened")) is None


def test_the_names_of_headers_are_read_in_any_case() -> None:
    body = json.dumps(pull("opened")).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json; charset=utf-8",
        "x-gitea-event": "pull_request",
        "X-GITEA-SIGNATURE": signature,
    }
    assert webhook_change(headers, body, SECRET) == Nudge("acme/shop", 42)


@pytest.mark.parametrize("signature", ["", "0" * 64, "größe", "sha256="], ids=["none", "wrong", "not hex", "prefix"])
def test_a_wrong_signature_is_refused(signature: str) -> None:
    with pytest.raises(SignatureError, match="signature is missing or wrong; set the same secret"):
        receive("pull_request", pull("opened"), X_Gitea_Signature=signature)


def test_the_secret_of_somebody_else_is_refused() -> None:
    with pytest.raises(SignatureError) as raised:
        receive("pull_request", pull("opened"), secret="another")
    assert "another" not in str(raised.value)


def test_without_a_secret_no_webhook_is_believed() -> None:
    body = json.dumps(pull("opened")).encode()
    signature = hmac.new(b"", body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Gitea-Event": "pull_request", "X-Gitea-Signature": signature}
    with pytest.raises(SignatureError, match="there is no webhook secret here"):
        webhook_change(headers, body, "")


@pytest.mark.parametrize("payload", [None, [], {"action": "opened"}, pull("opened", number="42")])
def test_a_signed_webhook_of_another_shape_is_an_error(payload: object) -> None:
    with pytest.raises(ForgeError, match="is signed, but is not what a forge sends"):
        receive("pull_request", payload)


def test_a_form_is_refused_with_what_to_choose_instead() -> None:
    with pytest.raises(ForgeError, match="content type must be application/json"):
        receive("push", {}, Content_Type="application/x-www-form-urlencoded")


def comment(body: str, *, is_pull: bool = True, **more: Any) -> dict[str, Any]:
    said = {"id": 5, "body": body}
    return {"issue": {"number": 42}, "comment": said, "is_pull": is_pull, "repository": REPOSITORY, **more}


def test_a_comment_that_asks_for_something_names_its_pull_request() -> None:
    assert receive("issue_comment", comment("/layersite wake", action="created")) == ("acme/shop", 42)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(comment("nice work"), id="people among themselves"),
        pytest.param(comment("<!-- layersite: web-42 -->\n/layersite wake"), id="the bot's own"),
        pytest.param(comment("/layersite wake", is_pull=False), id="on an issue"),
    ],
)
def test_other_comments_are_left(payload: object) -> None:
    assert receive("issue_comment", payload) is None


# GitHub's own examples, as they were sent

PUBLISHED = json.loads((Path(__file__).parent / "github_webhooks.json").read_text("utf-8"))["webhooks"]
HELLO = "Codertocat/Hello-World"
PULLS = [payload for name, payload in PUBLISHED if name == "pull_request"]
HEARD = {"opened", "reopened", "closed", "synchronize", "labeled", "unlabeled"}
HEARD |= {"converted_to_draft", "ready_for_review"}


def github(event: str, payload: object, **headers: str) -> Nudge | None:
    body = json.dumps(payload).encode()
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    sent = {"Content-Type": "application/json", "X-GitHub-Event": event, "X-Hub-Signature-256": signature}
    return webhook_change({**sent, **headers}, body, SECRET)


@pytest.mark.parametrize("payload", PULLS, ids=lambda payload: payload["action"])
def test_a_pull_request_on_github_is_named_if_it_may_change_an_environment(payload: Any) -> None:
    assert github("pull_request", payload) == ((HELLO, payload["number"]) if payload["action"] in HEARD else None)


def test_every_example_that_changes_an_environment_is_there() -> None:
    assert {payload["action"] for payload in PULLS} >= HEARD


@pytest.mark.parametrize("ref", ["refs/heads/master", "refs/tags/simple-tag"])
def test_a_push_on_github_counts_on_the_default_branch(ref: str) -> None:
    (payload,) = (payload for name, payload in PUBLISHED if name == "push" and payload["ref"] == ref)
    assert github("push", payload) == ((HELLO, None) if ref == "refs/heads/master" else None)


@pytest.mark.parametrize(("is_pull", "text"), [(True, "/layersite wake"), (False, "/layersite wake"), (True, "Thanks")])
def test_a_comment_on_github_counts_if_it_asks_on_a_pull_request(is_pull: bool, text: str) -> None:
    payload = next(payload for name, payload in PUBLISHED if name == "issue_comment")
    issue = {**payload["issue"], "pull_request": {"html_url": "https://github.com/x"}} if is_pull else payload["issue"]
    payload = {**payload, "issue": issue, "comment": {**payload["comment"], "body": text}}
    asks = is_pull and text.startswith("/layersite")
    assert github("issue_comment", payload) == ((HELLO, payload["issue"]["number"]) if asks else None)


def test_github_is_told_that_its_ping_was_heard() -> None:
    assert github("ping", {"zen": "Keep it logically awesome.", "hook_id": 1}) is None


@pytest.mark.parametrize("signature", ["", "sha256=", f"sha256={'0' * 64}", "sha1=0"])
def test_a_wrong_signature_of_github_is_refused(signature: str) -> None:
    with pytest.raises(SignatureError, match="signature is missing or wrong"):
        github("push", {}, **{"X-Hub-Signature-256": signature})
