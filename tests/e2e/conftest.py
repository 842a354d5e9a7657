"""Fixtures of the end-to-end tests: each gets namespaces and repositories of its own."""

import secrets
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.e2e.team import Team, make_team
from tests.testbed.bed import Bed
from tests.testbed.fixtures import bed, pytest_addoption, pytest_runtest_makereport, pytest_runtest_setup, space

__all__ = ["bed", "pytest_addoption", "pytest_runtest_makereport", "pytest_runtest_setup", "space"]


@pytest.fixture
def make_namespace(bed: Bed) -> Iterator[Callable[[], str]]:
    """Return a function that makes a namespace, which goes when the test ends."""
    made: list[str] = []

    def make() -> str:
        made.append(f"test-{secrets.token_hex(4)}")
        bed.kubectl("create", "namespace", made[-1])
        return made[-1]

    yield make
    for name in made:
        bed.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def namespace(make_namespace: Callable[[], str]) -> str:
    """Return a namespace of the test's own."""
    return make_namespace()


@pytest.fixture
def gitea(bed: Bed) -> Iterator[httpx.Client]:
    """Return a client of the forge's API that may do everything."""
    headers = {"Authorization": f"token {bed.gitea_token}"}
    with httpx.Client(base_url=f"{bed.gitea_url}/api/v1/", headers=headers, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def repository(bed: Bed, gitea: httpx.Client) -> Iterator[str]:
    """Return the name of a public repository with one commit on main, which goes when the test ends."""
    name = f"test-{secrets.token_hex(4)}"
    gitea.post("user/repos", json={"name": name, "auto_init": True}).raise_for_status()
    yield name
    gitea.delete(f"repos/{bed.gitea_user}/{name}").raise_for_status()


@pytest.fixture(scope="module")
def team(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Yield a team with its site, which Argo CD knows; its smoke tests are put aside, they take their time."""
    made = make_team(bed, tmp_path_factory.mktemp("team"))
    (made.site / "tests" / "smoke").rename(made.site / "smoke-tests")
    made.layersite("bootstrap", "--apply")
    yield made
    made.forge.close()
