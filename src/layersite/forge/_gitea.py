"""What Gitea and Forgejo send, as far as it is read, and a pull request of theirs as a change."""

from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from layersite.forge._http import Received
from layersite.forge._text import declared_environment
from layersite.forge.status import Status
from layersite.model.change import Change
from layersite.model.errors import ForgeError

__all__ = [
    "Comment",
    "CommitStatus",
    "Counted",
    "File",
    "Permission",
    "Permitted",
    "Pull",
    "Reaction",
    "Ref",
    "User",
    "as_change",
]

Sha = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]


class User(Received):
    id: int
    login: str


class Label(Received):
    name: str


class Head(Received):
    label: str
    ref: str
    sha: Sha | Literal[""]
    repo_id: int


class Base(Received):
    ref: str
    repo_id: int


class Pull(Received):
    number: Annotated[int, Field(gt=0)]
    state: Literal["open", "closed"]
    title: str
    html_url: str
    updated_at: str
    head: Head
    base: Base
    user: User
    body: str | None = None
    labels: list[Label] | None = None
    draft: bool | None = None
    merge_base: str = ""
    comments: int | None = None


class File(Received):
    filename: str
    previous_filename: str = ""
    status: str


class Counted(Received):
    open_pr_counter: int


class Permissions(Received):
    push: bool


class Permitted(Received):
    permissions: Permissions


class Permission(Received):
    permission: str


class Reaction(Received):
    user: User


class Comment(Received):
    id: int
    body: str
    user: User


class CommitStatus(Received):
    id: int
    status: str
    description: str
    target_url: str
    context: str

    def says(self, status: Status) -> bool:
        """Whether the forge would show the same if it were given `status` again."""
        mine = (self.status, self.description, self.target_url)
        return mine == (status.state, status.description, status.url)


class Commit(Received):
    sha: Annotated[str, Field(validation_alias=AliasChoices("sha", "id"))]


class Ref(Received):
    """A branch, whose commit has an `id`, or a tag, whose commit has a `sha`."""

    name: str
    commit: Commit


def as_change(repository: str, pull: Pull, files: tuple[str, ...] | None = None) -> Change:
    """Return a pull request in the words of every forge.

    One from another repository is a fork's, and so is one pushed to `refs/for/…` (AGit, which has no label): that
    takes no more than the right to read. Raises ForgeError.
    """
    head = pull.head
    if not head.sha:
        raise ForgeError(
            f"repository `{repository}`: pull request {pull.number} has lost its head commit; push its branch again "
            f"or close it"
        )
    return Change(
        repository=repository,
        number=pull.number,
        branch=head.label or head.ref,
        sha=head.sha,
        target=pull.base.ref,
        title=pull.title,
        author=pull.user.login,
        labels=tuple(label.name for label in pull.labels or ()),
        draft=pull.title.upper().startswith(("WIP:", "[WIP]")) if pull.draft is None else pull.draft,
        fork=head.repo_id != pull.base.repo_id or not head.label,
        url=pull.html_url,
        updated_at=pull.updated_at,
        files=files,
        environment=declared_environment(pull.body or ""),
    )
