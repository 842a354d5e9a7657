"""What goes wrong in one environment is named on its change, within the deadline, and holds back no other."""

from collections.abc import Iterator

import pytest

from tests.e2e.team import Team
from tests.testbed import Bed, push_image

FAULTS = """{%- if change and change.branch == "bad-image" %}
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers: [{name: side, image: "TEAM/no-such-image:1"}]
{%- elif change and change.branch == "refused" %}
apiVersion: apps/v1
kind: Deployment
metadata: {name: extra}
spec:
  selector: {matchLabels: {app: one}}
  template:
    metadata: {labels: {app: another}}
    spec: {containers: [{name: main, image: "REGISTRY/pause:latest"}]}
{%- endif %}
"""


@pytest.fixture(scope="module")
def faulty(team: Team, bed: Bed) -> Team:
    overlay = team.site / "apps" / "web" / "overlays" / "faults.yaml.j2"
    overlay.parent.mkdir()
    overlay.write_text(FAULTS.replace("REGISTRY", bed.registry).replace("TEAM", f"{bed.registry}/{team.name}"))
    return team


@pytest.fixture
def failed(faulty: Team, request: pytest.FixtureRequest) -> Iterator[tuple[Team, int, str]]:
    """A change whose branch brings a fault, beside one that is well, after the bot gave up on the first."""
    branch = request.param
    well = faulty.open("api", f"well-{branch}", "all is well")
    if branch == "crashes":
        faulty.commit("web", branch, "x", start="main", image=False)
        sha = faulty.api("GET", f"/repos/{faulty.name}/web/branches/{branch}")["commit"]["id"]
        faulty.build_crashing("web", sha)
        number = faulty.propose("web", branch, "crashes")
    else:
        number = faulty.open("web", branch, "broken")
    said = faulty.layersite("reconcile", code=8)
    assert f"api-{well} is ready" in said
    assert f"web-{number} is failed" in said
    assert f"Environment `api-{well}` is ready" in faulty.comment("api", well)
    yield faulty, number, branch
    faulty.close("web", number)
    faulty.close("api", well)
    faulty.layersite("reconcile")
    assert not faulty.namespaces()


def heals(team: Team, number: int, branch: str) -> None:
    """See that the next commit brings the environment up, and that its people read so."""
    team.commit("web", branch, "mended")
    team.layersite("reconcile")
    team.shows(f"web-{number}", "mended")
    assert f"Environment `web-{number}` is ready" in team.comment("web", number)
    assert team.status("web", branch).startswith("success")


@pytest.mark.parametrize("failed", ["bad-image"], indirect=True)
def test_an_image_that_cannot_be_pulled_and_a_fix_heals_it(failed: tuple[Team, int, str]) -> None:
    team, number, branch = failed
    comment = team.comment("web", number)
    assert "**Pod** `web-" in comment
    assert "ImagePull" in comment
    assert "no-such-image" in comment
    assert team.status("web", branch).startswith("failure")
    push_image(team.bed, f"{team.name}/no-such-image", "1", {"www/index.html": b""}, ["/bin/sleep", "infinity"])
    heals(team, number, branch)


@pytest.mark.parametrize("failed", ["crashes"], indirect=True)
def test_a_pod_that_crashes_shows_its_last_words_and_a_fix_heals_it(failed: tuple[Team, int, str]) -> None:
    team, number, branch = failed
    assert "the database said no" in team.comment("web", number)
    assert "ended with exit code 3" in team.comment("web", number)
    heals(team, number, branch)


@pytest.mark.parametrize("failed", ["refused"], indirect=True)
def test_a_manifest_that_the_api_server_refuses_and_a_fix_heals_it(failed: tuple[Team, int, str]) -> None:
    team, number, branch = failed
    comment = team.comment("web", number)
    assert "**Deployment** `extra`" in comment
    assert "selector" in comment
    overlay = team.site / "apps" / "web" / "overlays" / "faults.yaml.j2"
    overlay.write_text(overlay.read_text().replace("{app: another}", "{app: one}"))
    heals(team, number, branch)
    namespace = f"--namespace={team.name}-web-{number}"
    assert team.bed.kubectl("get", "deployment", "extra", namespace, "-o", "jsonpath={.status.readyReplicas}") == "1"
