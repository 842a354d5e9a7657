"""What the bot speaks to goes away in the middle of a run: nothing is lost, and the next run finishes the job."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.team import Team, wait_for
from tests.e2e.trouble import running, slim
from tests.testbed.configure import answers
from tests.testbed.machine import run
from tests.testbed.space import ADDRESS, Space


@pytest.fixture(scope="module")
def team(team: Team) -> Team:
    """A team whose `web` is up in a moment, and whose `api` has an image and a pod."""
    slim(team, "web")
    return team


@pytest.fixture(scope="module")
def bystander(team: Team) -> str:
    """An environment that is ready, and whose change nobody touches."""
    name = f"web-{team.open('web', 'bystander', 'nobody touches this', image=False)}"
    team.layersite("reconcile")
    return name


@pytest.fixture(autouse=True)
def untouched(team: Team, bystander: str, space: Space) -> Iterator[None]:
    """See that the bystander is there after the test as it was before, and that the bot finds nothing to do then."""
    before = seen(team, bystander)
    yield
    assert seen(team, bystander) == before
    assert "nothing to write" in team.layersite("reconcile")


def seen(team: Team, name: str) -> tuple[str, str, set[str], str]:
    """Return what there is of an environment: its namespace's and Application's identity, its files, its comment."""
    what = ["-o", "jsonpath={.metadata.uid}"]
    namespace = team.bed.kubectl("get", "namespace", f"{team.name}-{name}", *what)
    application = team.bed.kubectl("get", "application", "-nargocd", f"{team.name}-{name}", *what)
    files = {path for path in team.committed() if path.startswith(f"{name}/")}
    return namespace, application, files, team.comment("web", int(name.removeprefix("web-")))


@contextmanager
def without(space: Space, program: str, url: str) -> Iterator[None]:
    """Take a program of the bed away, and wait until `url` answers again."""
    with space.without(program):
        yield
    space.wait(program, lambda: answers(url))


@contextmanager
def refusing(space: Space, port: str) -> Iterator[None]:
    """Have connections to a port of the bed refused; what listens there keeps what it holds in memory."""
    nft = ("ip", "netns", "exec", space.netns, "nft")
    chain = "{ type filter hook input priority 0; }"
    rule = f"tcp dport {port} reject with tcp reset"
    run(*nft, f"add table inet refusing; add chain inet refusing input {chain}; add rule inet refusing input {rule}")
    try:
        yield
    finally:
        run(*nft, "delete table inet refusing")


def is_ready(team: Team, repository: str, number: int, branch: str) -> None:
    """See that a change's people read that all is well."""
    assert f"Environment `{repository}-{number}` is ready" in team.comment(repository, number)
    assert team.status(repository, branch).startswith("success")


def test_argo_cd_goes_away_and_comes_back_while_it_is_waited_for(team: Team, space: Space) -> None:
    number = team.open("web", "short", "short", image=False)
    with running(team, "reconcile") as run:
        with space.frozen("argocd-application-controller"):  # so that it is not healthy before
            run.says("waiting until 1 environments are healthy")
            with without(space, "argocd-server", f"{team.bed.argocd_url}/healthz"):
                run.says("trying on")
        code, said = run.ends()
    assert code == 0, said
    assert f"{team.bed.argocd_url} " in said  # it broke off its answer, or could not be reached
    assert "Argo CD answers again" in said
    is_ready(team, "web", number, "short")


def test_argo_cd_stays_away(team: Team, space: Space) -> None:
    number = team.open("web", "long", "long", image=False)
    settings = team.site / "layersite.yaml"
    text = settings.read_text()
    settings.write_text(text.replace("timeout_minutes: 2", "timeout_minutes: 1"))
    with without(space, "argocd-server", f"{team.bed.argocd_url}/healthz"):
        said = team.layersite("reconcile", code=8)
        assert f"web-{number} is unseen" in said
        assert "cannot be reached" in said
        assert "could not be watched" in team.comment("web", number)
        assert team.status("web", "long").startswith("error")
        assert "cannot be reached" in team.layersite("reconcile", code=10)
    settings.write_text(text)
    assert f"web-{number} is ready" in team.layersite("reconcile")
    is_ready(team, "web", number, "long")


def test_argo_cds_controller_stands_still(team: Team, space: Space) -> None:
    number = team.open("web", "still", "still", image=False)
    with running(team, "reconcile") as run:
        with space.frozen("argocd-application-controller"):
            run.says("waiting until 1 environments are healthy")
            name = f"{team.name}-web-{number}"
            wait_for(
                "the Application",
                lambda: team.bed.kubectl("get", "applications", "-nargocd", name, "--ignore-not-found"),
            )
            assert run.process.poll() is None
        code, said = run.ends()
    assert code == 0, said
    is_ready(team, "web", number, "still")


def test_the_forge_is_away(team: Team, space: Space) -> None:
    number = team.open("web", "offline", "offline", image=False)
    with without(space, "gitea", f"{team.bed.gitea_url}/api/healthz"):
        said = team.layersite("reconcile", code=5)
        assert f"{team.bed.gitea_url}/api/v1 cannot be reached" in said
    team.layersite("reconcile")
    is_ready(team, "web", number, "offline")


def test_the_forge_goes_away_before_anyone_can_be_told(team: Team, space: Space) -> None:
    number = team.open("api", "untold", "untold")
    with running(team, "reconcile") as run:
        run.says("waiting until 1 environments are healthy")
        namespace = f"--namespace={team.name}-api-{number}"
        wait_for("the pods", lambda: team.bed.kubectl("get", "deployments", namespace, "--ignore-not-found"))
        with without(space, "gitea", f"{team.bed.gitea_url}/api/healthz"):
            code, said = run.ends()
    assert code == 8, said
    assert f"api#{number} was not told, the next run does it" in said
    assert f"{team.bed.gitea_url}/api/v1 cannot be reached" in said
    assert team.comments("api", number) == []
    assert team.status("api", "untold").startswith("pending")
    team.layersite("reconcile")
    is_ready(team, "api", number, "untold")


def test_the_registry_does_not_answer(team: Team, space: Space) -> None:
    number = team.open("api", "no-registry", "no registry")
    with space.frozen("registry"):
        said = team.layersite("reconcile", code=8)
        assert f"{team.bed.registry} took longer than" in said
        assert f"{team.bed.registry} took longer than" in team.comment("api", number)
    team.layersite("reconcile")
    is_ready(team, "api", number, "no-registry")


def test_the_registry_refuses_connections(team: Team, space: Space) -> None:
    number = team.open("api", "refused", "refused")
    with refusing(space, team.bed.registry.rpartition(":")[2]):
        said = team.layersite("reconcile", code=8)
        assert f"{team.bed.registry} cannot be reached" in said
        assert f"{team.bed.registry} cannot be reached" in team.comment("api", number)
        assert team.status("api", "refused").startswith("error")
    team.layersite("reconcile")
    is_ready(team, "api", number, "refused")


def says_why(team: Team, said: str) -> None:
    """See that a run that could not finish names what is not well, and for each of them why."""
    error = re.search("^error: not where they should be: (.+); the reasons stand above$", said, re.MULTILINE)
    assert error, said
    for name in error[1].split(", "):
        why = rf"failed: .*become healthy|unseen: .*{re.escape(team.bed.argocd_url)} |stuck: \S"
        assert re.search(f"^{name} is ({why})", said, re.MULTILINE), said


def test_the_api_server_of_kubernetes_is_away_for_twenty_seconds(team: Team, space: Space) -> None:
    old = team.open("web", "old", "old", image=False)
    team.layersite("reconcile")
    team.close("web", old)
    number = team.open("web", "new", "new", image=False)
    with running(team, "reconcile") as run:
        run.says("pushing 2 environments")
        with without(space, "kube-apiserver", f"https://{ADDRESS}:6443/readyz"):
            time.sleep(20)
        code, said = run.ends()
    assert code in (0, 8), said
    if code == 8:  # Argo CD itself takes its time to follow the API server again, and may be given up
        says_why(team, said)
    wait_for("a run that ends well", lambda: "error: " not in team.layersite("reconcile", code=None), 180)
    is_ready(team, "web", number, "new")
    assert f"Environment `web-{old}` is gone" in team.comment("web", old)
    assert f"web-{old}" not in team.namespaces()


def test_a_bot_that_is_killed_after_its_commit(team: Team) -> None:
    number = team.open("web", "killed", "killed", image=False)
    with running(team, "reconcile") as run:
        wait_for("the commit", lambda: f"web-{number}/environment.yaml" in team.committed())
        run.process.kill()
    team.layersite("reconcile")
    is_ready(team, "web", number, "killed")


def test_a_bot_that_is_killed_while_it_waits(team: Team, space: Space) -> None:
    number = team.open("web", "waiting", "waiting", image=False)
    with space.frozen("argocd-application-controller"), running(team, "reconcile") as run:
        wait_for("a comment", lambda: team.comments("web", number))
        run.process.kill()
    assert "is being deployed" in team.comment("web", number)
    assert team.status("web", "waiting").startswith("pending")
    team.layersite("reconcile")
    is_ready(team, "web", number, "waiting")


def test_a_bot_that_is_killed_while_an_environment_goes(team: Team, space: Space) -> None:
    number = team.open("web", "going", "going", image=False)
    team.layersite("reconcile")
    team.close("web", number)
    with space.frozen("argocd-application-controller"), running(team, "reconcile") as run:
        run.says("waiting until 1 environments are gone")
        wait_for("the comment", lambda: "is going away" in team.comment("web", number))
        run.process.kill()
    team.layersite("reconcile")
    assert f"Environment `web-{number}` is gone" in team.comment("web", number)
    assert team.status("web", "going").startswith("success")
    assert f"web-{number}" not in team.namespaces()
    assert not [path for path in team.committed() if path.startswith(f"web-{number}/")]
