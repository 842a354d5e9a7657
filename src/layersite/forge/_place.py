"""Where a forge has the repositories of a site, and what its adapter is given to reach it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from layersite.forge._text import slug
from layersite.model.document import near_miss
from layersite.model.errors import ForgeError
from layersite.model.site import Repository
from layersite.process import FORGE_TOKEN

__all__ = ["Place", "Places", "Repositories", "check_access"]

Repositories = Mapping[str, Repository]
"""Those of a site, by name."""


@dataclass(frozen=True)
class Place:
    """A repository as people call it, and where the API has it."""

    name: str
    slug: str
    path: str

    def what(self, text: str) -> str:
        """Return what an error says that was asked for."""
        return f"repository `{self.name}` ({self.slug}): {text}"


class Places(dict[str, Place]):
    """The repositories of a site by name; one that is not there is a ForgeError.

    `path` makes the path of one below the API's address from what `called` makes of its URL, by default `owner/name`.
    """

    def __init__(
        self, repositories: Repositories, path: Callable[[str], str], called: Callable[[str], str] = slug
    ) -> None:
        slugs = {name: called(each.url) for name, each in sorted(repositories.items())}
        super().__init__({name: Place(name, each, path(each)) for name, each in slugs.items()})

    def __missing__(self, name: str) -> Place:
        raise ForgeError(f"there is no repository `{name}` in layersite.yaml{near_miss(name, self)}")


def check_access(url: str, token: str, needs: str) -> None:
    """Raise ForgeError if `url` is no address, or `token`, which `needs` rights, cannot be one."""
    if not re.fullmatch(r"https?://[^\s/@?#]+[^\s@?#]*", url):
        raise ForgeError("the forge's `url` must be an http(s) address such as https://git.example.com, without user")
    if not re.fullmatch(r"[!-~]+", token):
        raise ForgeError(f"{FORGE_TOKEN} is empty or holds no token; make one with {needs}")
