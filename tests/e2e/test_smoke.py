"""The site's own smoke tests run against each environment once it is healthy, and the change says what they found."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.team import Team, make_team
from tests.testbed import Bed

OURS = """

def test_no_service_apologises(host: Host, urls: dict[str, str]) -> None:
    for url in urls.values():
        assert "sorry" not in host.check_output("curl --silent --retry 8 --retry-all-errors %s", url)
"""


@pytest.fixture(scope="module")
def tested(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """A team that has added a smoke test of its own."""
    team = make_team(bed, tmp_path_factory.mktemp("team"))
    with Path(team.site, "tests", "smoke", "test_environment.py").open("a") as file:
        file.write(OURS)
    team.prepare("smoke")
    team.layersite("bootstrap", "--apply")
    yield team
    team.forge.close()


def test_what_smoke_tests_find_is_said_on_the_change_until_a_commit_mends_it(tested: Team) -> None:
    well, ill = tested.open("api", "polite", "hello"), tested.open("web", "rude", "sorry, out of order")
    said = tested.layersite("reconcile", code=8)
    assert f"api-{well} is ready: every app is healthy" in said
    assert f"web-{ill} is failed: every app is healthy, but its smoke tests failed" in said
    assert "2 passed" in tested.comment("api", well)
    comment = tested.comment("web", ill)
    assert "1 failed, 1 passed" in comment
    assert "test_no_service_apologises" in comment
    assert f"http://web-{ill}--web.{tested.domain}" in comment
    assert tested.status("web", "rude").startswith("failure")

    tested.commit("web", "rude", "at your service")
    tested.layersite("reconcile")
    assert "2 passed" in tested.comment("web", ill)
    assert tested.status("web", "rude").startswith("success")

    assert "2 passed" in tested.nox("smoke", f"web-{ill}")
    for repository, number in (("api", well), ("web", ill)):
        tested.close(repository, number)
    tested.layersite("reconcile")
    assert not tested.namespaces()
