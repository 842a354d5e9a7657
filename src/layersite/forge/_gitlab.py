"""What GitLab sends, as far as it is read, in the words of the other forges."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from layersite.forge import _pull
from layersite.forge._http import Received
from layersite.forge._pull import Sha
from layersite.forge.status import Status

__all__ = ["Alone", "CommitStatus", "Counted", "Diff", "Member", "MergeRequest", "Ref"]

_DEVELOPER = 30
_STATES = {"opened": "open", "locked": "open", "merged": "closed"}
"""`locked` is one that is being merged just now, which may still fail."""
_MOVES = {
    "pending": ("pending", "running"),
    "success": ("success", "success"),
    "failure": ("failed", "failed"),
    "error": ("failed", "failed"),
}
"""What a status becomes first, and from `pending`."""


class MergeRequest(_pull.Pull):
    """A merge request; one whose source project is another, or is no more, is a fork's."""

    noun: ClassVar = "merge request"

    number: Annotated[int, Field(gt=0, validation_alias="iid")]
    state: Annotated[Literal["open", "closed"], BeforeValidator(lambda state: _STATES.get(str(state), state))]
    html_url: Annotated[str, Field(validation_alias="web_url")]
    user: Annotated[_pull.User, Field(validation_alias="author")]
    body: Annotated[str | None, Field(validation_alias="description")]
    comments: Annotated[int | None, Field(validation_alias="user_notes_count")]
    source_branch: str
    target_branch: str
    source_project_id: int | None
    target_project_id: int
    head: Annotated[Sha | None, Field(validation_alias="sha")]
    draft: bool
    prepared_at: str | None = None

    @field_validator("labels", mode="before")
    @classmethod
    def _as_others_have_them(cls, labels: object) -> object:
        return [{"name": each} for each in labels] if isinstance(labels, list) else labels

    @property
    def sha(self) -> str:
        return self.head or ""

    @property
    def branch(self) -> str:
        return self.source_branch

    @property
    def target(self) -> str:
        return self.target_branch

    @property
    def base_sha(self) -> str:
        return self.prepared_at or ""  # no commit, but before it GitLab does not know yet what has changed

    @property
    def is_draft(self) -> bool:
        return self.draft

    @property
    def is_fork(self) -> bool:
        return self.source_project_id != self.target_project_id


class Alone(Received):
    """A merge request that was asked for by itself: how many files it changes, `1000+` where some are left out."""

    changes_count: str | None


class Diff(_pull.File):
    filename: Annotated[str, Field(validation_alias="new_path")]
    previous_filename: Annotated[str, Field(validation_alias="old_path")]
    status: str = ""
    new_file: bool
    deleted_file: bool


class Member(Received):
    access_level: int

    @property
    def is_developer(self) -> bool:
        """Whether they may push to branches that are not protected, and set statuses."""
        return self.access_level >= _DEVELOPER


class _Count(Received):
    count: int


class _Project(Received):
    merge_requests: Annotated[_Count, Field(validation_alias="mergeRequests")]


class _Data(Received):
    project: _Project | None


class Counted(Received):
    """The answer to a query for a project's open merge requests; it has no project if the token may see none."""

    data: _Data


class Commit(Received):
    id: Sha


class Ref(Received):
    """A branch or a tag."""

    name: str
    commit: Commit


class CommitStatus(Received):
    id: int
    status: str
    description: str | None
    target_url: str | None

    def says(self, status: Status) -> bool:
        """Whether GitLab would show the same if it were given `status` again."""
        told = (self.description or "", self.target_url or "")
        return self.status in _MOVES[status.state] and told == (status.description, status.url)

    @staticmethod
    def after(before: "CommitStatus | None", status: Status) -> str | None:
        """Return what to move a commit to that shows `before`, None if there is nothing to move.

        GitLab rewords nothing that goes on: of a status that is pending, the next becomes running, and of one that runs
        only its end is news.
        """
        if before is not None and before.says(status):
            return None
        if before is not None and before.status == "running" and status.state == "pending":
            return None
        return _MOVES[status.state][before is not None and before.status == "pending"]
