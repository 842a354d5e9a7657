"""What Gitea and Forgejo send, as far as it is read."""

from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from layersite.forge import _pull
from layersite.forge._http import Received
from layersite.forge._pull import Sha

__all__ = ["Counted", "Permitted", "Pull", "Ref"]


class Head(Received):
    label: str
    ref: str
    sha: Sha | Literal[""]
    repo_id: int


class Base(Received):
    ref: str
    repo_id: int


class Pull(_pull.Pull):
    """A pull request.

    One from another repository is a fork's, and so is one pushed to `refs/for/…` (AGit, which has no label): that
    takes no more than the right to read.
    """

    head: Head
    base: Base
    draft: bool | None = None
    merge_base: str = ""

    @property
    def sha(self) -> str:
        return self.head.sha

    @property
    def branch(self) -> str:
        return self.head.label or self.head.ref

    @property
    def target(self) -> str:
        return self.base.ref

    @property
    def base_sha(self) -> str:
        return self.merge_base

    @property
    def is_draft(self) -> bool:
        return self.title.upper().startswith(("WIP:", "[WIP]")) if self.draft is None else self.draft

    @property
    def is_fork(self) -> bool:
        return self.head.repo_id != self.base.repo_id or not self.head.label


class Counted(Received):
    open_pr_counter: int


class Permissions(Received):
    push: bool


class Permitted(Received):
    permissions: Permissions


class Commit(Received):
    sha: Annotated[str, Field(validation_alias=AliasChoices("sha", "id"))]


class Ref(Received):
    """A branch, whose commit has an `id`, or a tag, whose commit has a `sha`."""

    name: str
    commit: Commit
