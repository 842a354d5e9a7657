"""A change: a pull request or merge request, the same whatever forge it comes from."""

from dataclasses import dataclass

__all__ = ["Change"]


@dataclass(frozen=True)
class Change:
    """One open change of one repository. Every text in it is untrusted.

    `number` is None where the forge has none (plain git); `branch` is then what tells changes apart. `files` are the
    paths that differ from the target branch, None if nobody asked. `environment` is the name that the description
    declares with a line `Environment: <name>`.
    """

    repository: str
    number: int | None
    branch: str
    sha: str
    target: str = "main"
    title: str = ""
    author: str = ""
    labels: tuple[str, ...] = ()
    draft: bool = False
    fork: bool = False
    url: str = ""
    updated_at: str = ""
    files: tuple[str, ...] | None = None
    environment: str | None = None

    @property
    def key(self) -> tuple[str, int | str]:
        """What stays the same over the life of the change."""
        return self.repository, self.branch if self.number is None else self.number

    def __str__(self) -> str:
        return f"{self.repository}#{self.branch if self.number is None else self.number}"
