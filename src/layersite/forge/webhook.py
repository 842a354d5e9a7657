"""What a forge's webhook tells: something changed in a repository, so look now, not at the next poll.

It is a nudge only: what changed is then read from the forge, so a forged, late or repeated one can do no harm.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import NamedTuple

from pydantic import ValidationError

from layersite.forge import _gitlab_hooks
from layersite.forge._http import Received
from layersite.model.command import is_command
from layersite.model.errors import ForgeError

__all__ = ["Nudge", "SignatureError", "webhook_change"]

_ACTIONS = {
    *("opened", "reopened", "closed", "edited"),
    *("synchronized", "label_updated", "label_cleared"),
    *("synchronize", "labeled", "unlabeled", "converted_to_draft", "ready_for_review"),
}
"""What can change an environment; reviews, assignees and so on cannot. Gitea's drafts begin and end with a title."""


class SignatureError(ForgeError):
    """The webhook does not come from who knows the secret."""


class Nudge(NamedTuple):
    """Something changed in `repository` (`owner/name`): the pull request `number`, or its default branch if None."""

    repository: str
    number: int | None


class _Repository(Received):
    full_name: str
    default_branch: str


class _PullRequest(Received):
    action: str
    number: int
    repository: _Repository


class _Issue(Received):
    number: int
    pull_request: dict[str, object] | None = None


class _Written(Received):
    body: str


class _Comment(Received):
    """A comment on an issue, or on a pull request, which alone concerns environments."""

    is_pull: bool = False
    issue: _Issue
    comment: _Written
    repository: _Repository


class _Push(Received):
    ref: str
    repository: _Repository


def webhook_change(headers: Mapping[str, str], body: bytes, secret: str) -> Nudge | None:
    """Return what the webhook says changed, None if nothing that concerns environments.

    Raises:
        SignatureError: it is not signed with `secret`, or there is no secret.
        ForgeError: it is signed, but is not what a forge sends.
    """
    given = {name.lower(): value for name, value in headers.items()}
    if given.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ForgeError("the webhook's content type must be application/json; choose it in the webhook's settings")
    if not secret:
        raise SignatureError("there is no webhook secret here, so no webhook is believed; set one on both sides")
    try:
        if "x-gitlab-event" in given:
            _verify(given.get("x-gitlab-token", ""), secret)
            found = _gitlab_hooks.read(given["x-gitlab-event"], body)
            return found and Nudge(*found)
        hub = given.get("x-hub-signature-256", "").removeprefix("sha256=")
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        _verify(given.get("x-gitea-signature", hub), signature)
        return _read(given.get("x-gitea-event", given.get("x-github-event", "")), body)
    except ValidationError:  # `from None`: the cause would print what was received
        raise ForgeError("the webhook is signed, but is not what a forge sends; see its type there") from None


def _verify(given: str, expected: str) -> None:
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise SignatureError("the webhook's signature is missing or wrong; set the same secret on both sides")


def _read(event: str, body: bytes) -> Nudge | None:
    if event == "pull_request":
        pull = _PullRequest.model_validate_json(body)
        return Nudge(pull.repository.full_name, pull.number) if pull.action in _ACTIONS else None
    if event == "issue_comment":
        said = _Comment.model_validate_json(body)
        is_pull = said.is_pull or said.issue.pull_request is not None
        asks = is_pull and is_command(said.comment.body)
        return Nudge(said.repository.full_name, said.issue.number) if asks else None
    if event == "push":
        push = _Push.model_validate_json(body)
        is_default = push.ref == f"refs/heads/{push.repository.default_branch}"
        return Nudge(push.repository.full_name, None) if is_default else None
    return None
