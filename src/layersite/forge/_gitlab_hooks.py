"""What a webhook of GitLab tells: the project that something changed in, and which of its merge requests."""

from typing import Annotated

from pydantic import Field

from layersite.forge._http import Received
from layersite.model.command import is_command

__all__ = ["read"]

_ACTIONS = {"open", "reopen", "close", "merge", "update"}
"""What can change an environment; approvals cannot."""


class _Project(Received):
    path_with_namespace: str
    default_branch: str | None


class _Hook(Received):
    project: _Project


class _Changed(Received):
    iid: int
    action: str | None = None


class _MergeRequest(_Hook):
    changed: Annotated[_Changed, Field(validation_alias="object_attributes")]


class _Note(Received):
    note: str


class _Numbered(Received):
    iid: int


class _Noted(_Hook):
    """A note on a merge request, or on something else, which concerns no environment."""

    said: Annotated[_Note, Field(validation_alias="object_attributes")]
    merge_request: _Numbered | None = None


class _Push(_Hook):
    ref: str


def read(event: str, body: bytes) -> tuple[str, int | None] | None:
    """Return the project and the merge request, or its default branch if None. Raises ValidationError."""
    if event == "Merge Request Hook":
        pull = _MergeRequest.model_validate_json(body)
        return (pull.project.path_with_namespace, pull.changed.iid) if pull.changed.action in _ACTIONS else None
    if event == "Note Hook":
        noted = _Noted.model_validate_json(body)
        if noted.merge_request is None or not is_command(noted.said.note):
            return None
        return noted.project.path_with_namespace, noted.merge_request.iid
    if event == "Push Hook":
        push = _Push.model_validate_json(body)
        is_default = push.ref == f"refs/heads/{push.project.default_branch}"
        return (push.project.path_with_namespace, None) if is_default else None
    return None
