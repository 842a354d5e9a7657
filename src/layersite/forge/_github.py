"""What GitHub sends, as far as it is read and not alike elsewhere."""

from typing import Annotated, Literal

from pydantic import Field

from layersite.forge import _pull
from layersite.forge._http import Received
from layersite.forge._pull import Sha, User

__all__ = ["Counted", "Pull", "Ref", "Reply", "Tag"]


class _Repository(Received):
    id: int


class _End(Received):
    ref: str
    sha: Sha
    repo: _Repository | None


class Pull(_pull.Pull):
    """A pull request; one whose head's repository is another's, or was deleted, is a fork's."""

    head: _End
    base: _End
    draft: bool = False

    @property
    def sha(self) -> str:
        return self.head.sha

    @property
    def branch(self) -> str:
        return self.head.ref

    @property
    def target(self) -> str:
        return self.base.ref

    @property
    def base_sha(self) -> str:
        return self.base.sha

    @property
    def is_draft(self) -> bool:
        return self.draft

    @property
    def is_fork(self) -> bool:
        return self.head.repo is None or self.head.repo != self.base.repo


class Counted(Received):
    """A pull request by itself, which says how many files it changes."""

    changed_files: int


class _Object(Received):
    sha: Sha
    type: Literal["commit", "tag", "tree", "blob"]


class Tag(Received):
    """An annotated tag, and what it is of: a commit, or another."""

    object: _Object


class Ref(Tag):
    """A ref, by its full name."""

    ref: str


class _Fault(Received):
    type: Annotated[str, Field(pattern=r"^[A-Z_]+$")] = "UNKNOWN"


class _Total(Received):
    total: Annotated[int, Field(validation_alias="totalCount")]


class _Pulls(Received):
    pulls: Annotated[_Total, Field(validation_alias="pullRequests")]


class _Viewer(Received):
    id: Annotated[int, Field(validation_alias="databaseId")]
    login: str

    @property
    def user(self) -> User:
        """The same account as REST calls it."""
        return User(id=self.id, login=self.login)


class _Data(Received):
    viewer: _Viewer | None = None
    repository: _Pulls | None = None


class Reply(Received):
    """What GraphQL answers: what was asked for, or why not."""

    data: _Data | None = None
    errors: list[_Fault] = []
