"""Webhooks of GitLab, as it documents them: who may send one, and what it tells."""

import json
from pathlib import Path
from typing import Any

import pytest

from layersite.forge.webhook import Nudge, SignatureError, webhook_change
from layersite.model.errors import ForgeError

SECRET = "s3cret"
DOCUMENTED = json.loads((Path(__file__).parent / "gitlab_documented.json").read_text("utf-8"))
MERGE, NOTE, PUSH = "Merge Request Hook", "Note Hook", "Push Hook"


def receive(event: str, given: str = SECRET, secret: str = SECRET, **changed: Any) -> Nudge | None:
    """Receive a documented webhook of which parts are changed."""
    payload = DOCUMENTED.get(event, DOCUMENTED[MERGE])
    merged = {key: {**payload[key], **new} if isinstance(new, dict) else new for key, new in changed.items()}
    headers = {"Content-Type": "application/json", "X-Gitlab-Event": event, "X-Gitlab-Token": given}
    return webhook_change(headers, json.dumps({**payload, **merged}).encode(), secret)


@pytest.mark.parametrize("action", ["open", "reopen", "close", "merge", "update"])
def test_a_merge_request_that_changed_is_named(action: str) -> None:
    assert receive(MERGE, object_attributes={"action": action}) == ("gitlab-org/gitlab-test", 1)


@pytest.mark.parametrize("action", ["approved", "unapproved", "approval", "unapproval", None])
def test_what_environments_do_not_depend_on_is_left(action: str | None) -> None:
    assert receive(MERGE, object_attributes={"action": action}) is None


def test_a_project_may_be_in_groups_of_groups() -> None:
    assert receive(MERGE, project={"path_with_namespace": "a/b/c/shop"}) == ("a/b/c/shop", 1)


def test_a_note_that_asks_for_something_names_its_merge_request() -> None:
    assert receive(NOTE, object_attributes={"note": "/layersite wake"}) == ("gitlab-org/gitlab-test", 1)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({}, id="people among themselves"),
        pytest.param(
            {"object_attributes": {"note": "/layersite wake", "noteable_type": "Issue"}, "merge_request": None},
            id="on an issue",
        ),
    ],
)
def test_other_notes_are_left(changed: dict[str, Any]) -> None:
    assert receive(NOTE, **changed) is None


def test_a_push_to_the_default_branch_names_the_project() -> None:
    assert receive(PUSH) == ("gitlab-org/gitlab-test", None)


@pytest.mark.parametrize("ref", ["refs/heads/other", "refs/heads/master/x", "refs/tags/master"])
def test_a_push_elsewhere_is_left_to_its_merge_request(ref: str) -> None:
    assert receive(PUSH, ref=ref) is None


@pytest.mark.parametrize("event", ["Issue Hook", "Pipeline Hook", "Confidential Note Hook", ""])
def test_other_events_are_left(event: str) -> None:
    assert receive(event) is None


@pytest.mark.parametrize("given", ["", "another", "s3cre", "s3cret ", "größe"])
def test_a_wrong_token_is_refused(given: str) -> None:
    with pytest.raises(SignatureError, match="missing or wrong; set the same secret") as raised:
        receive(MERGE, given)
    assert SECRET not in str(raised.value)


def test_without_a_secret_no_webhook_is_believed() -> None:
    with pytest.raises(SignatureError, match="there is no webhook secret here"):
        receive(MERGE, given="", secret="")


@pytest.mark.parametrize("changed", [{"project": None}, {"object_attributes": {"iid": "1"}}])
def test_a_webhook_of_another_shape_is_an_error(changed: dict[str, Any]) -> None:
    with pytest.raises(ForgeError, match="is signed, but is not what a forge sends"):
        receive(MERGE, **changed)
