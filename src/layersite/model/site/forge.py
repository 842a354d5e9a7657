"""The git side of a site: where changes come from, and where the bot commits."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from layersite.model.document import Matching, Model

__all__ = ["EnvironmentsRepository", "Forge", "HttpUrl", "Repository"]

Branch = Annotated[
    str,
    Matching(
        r"^(?![-/.])(?!.*(\.\.|//|/\.|\.lock(/|$)|[/.]$))[A-Za-z0-9._/-]+$",
        "a branch name as git accepts it, of letters, digits and ._/-",
    ),
]
GitUrl = Annotated[
    str,
    Matching(
        r"^(?!-)(?!.*::)(?![a-z+]+://[^/@]*:[^/@]*@)[^\s\x00-\x1f]+$",
        "the URL or path of a git repository, without a password (let git's credential helper supply it)",
        1000,
    ),
]
HttpUrl = Annotated[
    str,
    Matching(
        r"^https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~/-]*)?$",
        "an address such as https://git.example.com, without user, query and fragment",
    ),
]


class EnvironmentsRepository(Model):
    """Where the bot commits: this site's own repository."""

    url: GitUrl
    branch: Branch = "main"
    pushes_per_minute: Annotated[int, Field(ge=1)] | None = None
    """The host's budget, which `serve` keeps to: GitHub advises 6. What arrives meanwhile goes with the next push."""
    fold: bool = False
    """For many jobs at once, such as one per change in CI: each leaves its work in a ref, one commits it for all."""


class Forge(Model):
    """Where changes come from.

    `git`: every branch below `branch_prefix` of each repository is a change. `gitea`: every open pull request of each
    repository, on Gitea or Forgejo at `url`; `github`: the same, on github.com or GitHub Enterprise; `gitlab`: every
    open merge request, on gitlab.com or any GitLab at `url`. The bot's token is read from the variable
    LAYERSITE_FORGE_TOKEN.
    """

    kind: Literal["git", "gitea", "github", "gitlab"] = "git"
    branch_prefix: Annotated[
        str,
        Matching(
            r"^(?![-.])(?!.*(\.\.|/\.|\.lock/))([A-Za-z0-9._-]+/)+$", "letters, digits and ._- that end with a slash"
        ),
    ] = "change/"
    url: HttpUrl | None = None
    drafts: bool = True
    """Whether a draft gets an environment."""
    forks: bool = False
    """Whether a change from a fork gets one: what it contains then runs in the cluster."""

    @model_validator(mode="after")
    def _has_an_address(self) -> "Forge":
        if (self.url is None) != (self.kind == "git"):
            raise ValueError(f"`kind: {self.kind}` {'needs' if self.url is None else 'has no'} `url`")
        return self


class Repository(Model):
    """One repository that changes are made in."""

    url: GitUrl
    branch: Branch = "main"
