"""From an opened pull request to a healthy environment and back to nothing, on a real cluster."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.team import Team, wait_for

SLOW = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: main, readinessProbe: {initialDelaySeconds: 10}}]}}}
"""


def test_a_pull_request_becomes_a_running_environment_and_goes_again(team: Team) -> None:
    number = team.open("web", "new-look", "hello from new-look")
    name = f"web-{number}"
    said = team.layersite("reconcile")
    assert f"{name} is ready: every app is healthy" in said
    team.shows(name, "hello from new-look")
    assert f"Environment `{name}` is ready" in team.comment("web", number)
    assert f"http://{name}--web.{team.domain}" in team.comment("web", number)
    assert team.status("web", "new-look") == f"success: {name}: every app is healthy"

    team.commit("web", "new-look", "hello again")
    team.layersite("reconcile")
    team.shows(name, "hello again")

    assert "nothing to write" in team.layersite("reconcile")

    team.close("web", number)
    team.layersite("reconcile")
    assert not team.applications()
    assert not team.namespaces()
    assert not team.committed()
    assert f"Environment `{name}` is gone" in team.comment("web", number)
    assert team.status("web", "new-look").startswith("success")


def test_an_isolated_app_reaches_a_shared_one(team: Team) -> None:
    number = team.open("web", "call-api", "calls the api")
    team.layersite("reconcile")
    team.shows(f"web-{number}", "api of main", path="/cgi-bin/api")
    where = ["-n", f"{team.name}-web-{number}", "-o", "jsonpath={.spec.type} {.spec.externalName}"]
    found = team.bed.kubectl("get", "service", "api", *where)
    assert found == f"ExternalName api.stage-{team.name}.svc.cluster.local"
    team.close("web", number)


@pytest.fixture
def api_app(team: Team) -> Iterator[Path]:
    """The file of the app `api`, which is as it was again in the end."""
    file = team.site / "apps" / "api" / "app.yaml"
    before = file.read_text()
    yield file
    file.write_text(before)


def test_every_exposed_app_answers_at_its_own_address(team: Team, api_app: Path) -> None:
    api_app.write_text(json.dumps(json.loads(api_app.read_text()) | {"expose": {}}))
    web = team.open("web", "both-exposed", "the new web")
    api = team.open("api", "both-exposed", "the new api")
    team.layersite("reconcile")
    team.shows("both-exposed", "the new web", app="web")
    team.shows("both-exposed", "the new api", app="api")
    team.shows("both-exposed", "the new api", app="web", path="/cgi-bin/api")
    for app in ("api", "web"):
        assert f"[{app}](http://both-exposed--{app}.{team.domain})" in team.comment("api", api)
    team.close("web", web)
    team.close("api", api)
    team.layersite("reconcile")


def test_two_repositories_and_one_branch_are_one_environment(team: Team) -> None:
    web = team.open("web", "together", "web together")
    api = team.open("api", "together", "api together")
    team.layersite("reconcile")
    team.shows("together", "web together")
    team.shows("together", "api together", path="/cgi-bin/api")
    assert team.comment("web", web) == team.comment("api", api)
    team.close("web", web)
    team.close("api", api)
    team.layersite("reconcile")
    assert not team.namespaces()


def test_a_change_waits_for_its_image(team: Team) -> None:
    number = team.open("web", "slow-build", "built late", image=False)
    sha = team.api("GET", f"/repos/{team.name}/web/branches/slow-build")["commit"]["id"]
    assert f"waits for `{team.bed.registry}/{team.name}/web:{sha}`" in team.layersite("reconcile")
    assert f"Environment `web-{number}` waits" in team.comment("web", number)
    assert team.status("web", "slow-build").startswith("pending")
    team.build("web", sha, "built late")
    team.layersite("reconcile")
    team.shows(f"web-{number}", "built late")
    team.close("web", number)
    team.layersite("reconcile")


def test_a_service_that_webhooks_wake(team: Team) -> None:
    with team.serving():
        number = team.open("web", "event", "by event")
        name = f"web-{number}"
        wait_for("the answer", lambda: team.get(name) == "by event")
        wait_for("the comment", lambda: "is ready" in (team.comments("web", number) or [""])[0])
        team.commit("web", "event", "by another")
        wait_for("the new answer", lambda: team.get(name) == "by another")
        team.close("web", number)
        wait_for("the end", lambda: not team.namespaces() and not team.committed(), 90)


def test_tearing_down_by_hand_waits_until_nothing_is_left(team: Team) -> None:
    team.prepare("teardown")
    number = team.open("web", "by-hand", "to be torn down")
    name = f"web-{number}"
    team.layersite("reconcile")
    assert f"{name} is gone" in team.nox("teardown", name)
    assert name not in team.namespaces() | team.applications()
    assert f"Environment `{name}` is gone" in team.comment("web", number)
    team.layersite("reconcile")
    assert name not in team.namespaces() | team.applications()
    team.commit("web", "by-hand", "back again")
    team.layersite("reconcile")
    team.shows(name, "back again")
    team.close("web", number)
    team.layersite("reconcile")
    assert not team.namespaces()
    assert not team.committed()


def test_what_a_killed_run_left_unsaid_is_said_by_the_next(team: Team) -> None:
    overlay = team.site / "apps" / "web" / "overlays" / "slow.yaml.j2"
    overlay.parent.mkdir(exist_ok=True)
    overlay.write_text(SLOW)
    number = team.open("web", "killed", "survives")
    running = team.start("reconcile")
    wait_for("the comment", lambda: "is being deployed" in "".join(team.comments("web", number)))
    running.kill()
    running.wait()
    assert team.status("web", "killed").startswith("pending")
    team.layersite("reconcile")
    assert f"Environment `web-{number}` is ready" in team.comment("web", number)
    assert team.status("web", "killed").startswith("success")
    overlay.unlink()
    team.close("web", number)
    team.layersite("reconcile")
    assert not team.namespaces()
