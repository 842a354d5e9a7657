"""What forges send about a pull request, as far as they are alike and it is read, and one as a change."""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import AliasChoices, Field

from layersite.forge._http import Received
from layersite.forge._text import declared_environment
from layersite.forge.status import Status
from layersite.model.change import Change
from layersite.model.errors import ForgeError

__all__ = ["Comment", "CommitStatus", "File", "Permission", "Pull", "Reaction", "Sha", "User", "as_change"]

Sha = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]


class User(Received):
    id: int
    login: Annotated[str, Field(validation_alias=AliasChoices("login", "username"))]


class Label(Received):
    name: str


class Pull(Received):
    """A pull request; what it and its two ends are called is the forge's own."""

    noun: ClassVar = "pull request"

    number: Annotated[int, Field(gt=0)]
    state: Literal["open", "closed"]
    title: str
    html_url: str
    updated_at: str
    user: User | None
    body: str | None = None
    labels: list[Label] | None = None
    comments: int | None = None

    @property
    @abstractmethod
    def sha(self) -> str:
        """The head commit, empty if it is lost."""

    @property
    @abstractmethod
    def branch(self) -> str:
        """The branch that is to be merged, by its own name."""

    @property
    @abstractmethod
    def target(self) -> str:
        """The branch that it is to be merged into."""

    @property
    @abstractmethod
    def base_sha(self) -> str:
        """The commit that its changed files are counted from, as far as the forge says."""

    @property
    @abstractmethod
    def is_draft(self) -> bool:
        """Whether its author says that it is not ready."""

    @property
    @abstractmethod
    def is_fork(self) -> bool:
        """Whether it took no more than the right to read."""


class File(Received):
    filename: str
    previous_filename: str = ""
    status: str


class Permission(Received):
    permission: str

    @property
    def may_write(self) -> bool:
        """Whether it lets somebody push."""
        return self.permission in {"write", "admin", "owner"}


class _Written(Received):
    user: Annotated[User | None, Field(validation_alias=AliasChoices("user", "author"))]

    def is_by(self, user: User) -> bool:
        """Whether `user` wrote it."""
        return self.user is not None and self.user.id == user.id


class Reaction(_Written):
    """A thumb."""


class Comment(_Written):
    id: int
    body: str

    @property
    def by(self) -> str:
        """Whose it is, nothing if that account is no more."""
        return self.user.login if self.user else ""


class CommitStatus(Received):
    id: int
    state: Annotated[str, Field(validation_alias=AliasChoices("status", "state"))]
    description: str | None
    target_url: str | None
    context: str

    def says(self, status: Status) -> bool:
        """Whether the forge would show the same if it were given `status` again."""
        mine = (self.state, self.description or "", self.target_url or "")
        return mine == (status.state, status.description, status.url)


def as_change(repository: str, pull: Pull, files: tuple[str, ...] | None = None) -> Change:
    """Return a pull request in the words of every forge. Raises ForgeError."""
    if not pull.sha:
        raise ForgeError(
            f"repository `{repository}`: {pull.noun} {pull.number} has lost its head commit; push its branch again "
            f"or close it"
        )
    return Change(
        repository=repository,
        number=pull.number,
        branch=pull.branch,
        sha=pull.sha,
        target=pull.target,
        title=pull.title,
        author=pull.user.login if pull.user else "",
        labels=tuple(label.name for label in pull.labels or ()),
        draft=pull.is_draft,
        fork=pull.is_fork,
        url=pull.html_url,
        updated_at=pull.updated_at,
        files=files,
        environment=declared_environment(pull.body or ""),
    )
