"""A forge's adapter before its fake: each there is, or those that a test or module names."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from layersite.forge._pulls import PullForge
from layersite.forge.gitea import GiteaForge
from layersite.forge.github import GitHubForge
from layersite.forge.gitlab import GitLabForge
from layersite.model.site import Repository
from tests.unit.forge.fake_forge import TOKEN, FakeForge
from tests.unit.forge.fake_gitea import FakeGitea
from tests.unit.forge.fake_github import FakeGitHub
from tests.unit.forge.fake_gitlab import FakeGitLab

ADAPTERS: dict[type[FakeForge], type[PullForge]] = {
    FakeGitea: GiteaForge,
    FakeGitHub: GitHubForge,
    FakeGitLab: GitLabForge,
}
SHOP = {"shop": Repository(url="https://git.example.com/acme/shop.git")}


def serving(*kinds: type[FakeForge]) -> object:
    """Return the fixture `fake` of a module: a server of each kind."""

    @pytest.fixture(params=kinds)
    def fake(request: pytest.FixtureRequest) -> Iterator[FakeForge]:
        server: FakeForge = request.param()
        yield server
        server.stop()

    return fake


fake = serving(*ADAPTERS)


@pytest.fixture
def make(fake: FakeForge) -> Iterator[Callable[..., PullForge]]:
    made: list[PullForge] = []

    def make(**given: Any) -> PullForge:
        all_given = {"repositories": SHOP, "url": fake.url, "token": TOKEN, "timeout": 30.0, **given}
        made.append(ADAPTERS[type(fake)](**all_given))
        return made[-1]

    yield make
    for forge in made:
        forge.close()


@pytest.fixture
def forge(make: Callable[..., PullForge]) -> PullForge:
    return make()
