"""From an opened pull request to a healthy environment and back to nothing, on a real cluster."""

from tests.e2e.team import Team, wait_for


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
