"""A forge that answers wrongly, or not at all: nothing alive is removed, and it is asked again as soon as it can be."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from tests.e2e.team import SERVICES, Team, wait_for
from tests.e2e.trouble import Answer, Proxy, slim

LISTS, ALL, REPOSITORIES = r"/repos/[^/]+/[^/]+/pulls", ".*", r"/repos/[^/]+/(web|api)"
HTML = {"Content-Type": "text/html; charset=utf-8"}
PAGE = b"<!doctype html><title>Sign in</title>"


def nothing(**headers: str) -> Answer:
    return Answer(body=b"[]", headers=headers)


FAULTS = {
    "200 and an empty list": ({LISTS: nothing()}, 5, "no X-Total-Count"),
    "200 and an empty list that says it is whole": (
        {LISTS: nothing(**{"X-Total-Count": "0"})},
        5,
        "but the repository counts",
    ),
    "200 and an empty list, and no counter that says otherwise": (
        {LISTS: nothing(**{"X-Total-Count": "0"}), REPOSITORIES: Answer(body=b'{"open_pr_counter": 0}')},
        8,
        "but asked by itself it is open; kept",
    ),
    "200 and null": ({LISTS: Answer(body=b"null")}, 5, "answered 200, but not as a forge does"),
    "404 for the lists": ({LISTS: Answer(404, b"{}")}, 5, "answered 404"),
    "404 for everything": ({ALL: Answer(404, b"{}")}, 5, "answered 404"),
    "200 and a login page": ({ALL: Answer(200, PAGE, HTML)}, 5, "a login page or a proxy answers"),
    "half a body": (
        {LISTS: Answer(body=json.dumps([{"number": 1}] * 50).encode(), cut=True)},
        5,
        "broke off its answer",
    ),
    "401": ({ALL: Answer(401, b"{}")}, 5, "the token in LAYERSITE_FORGE_TOKEN is wrong"),
    "500": ({ALL: Answer(500, b"{}")}, 5, "answered 500"),
    "502 with a page": ({ALL: Answer(502, PAGE, HTML)}, 5, "answered 502"),
    "a hang of 75 seconds": ({LISTS: Answer(body=b"[]", hang=75)}, 5, "took longer than 15 s"),
}


@pytest.fixture(scope="module")
def proxy(team: Team) -> Iterator[Proxy]:
    """The way to the forge's API; git goes there directly, with the same token."""
    made = Proxy(team.bed.gitea_url)
    settings = team.site / "layersite.yaml"
    settings.write_text(settings.read_text().replace(f'url: "{team.bed.gitea_url}"', f'url: "{made.url}"'))
    basic = base64.b64encode(f"bot:{team.bed.gitea_token}".encode()).decode()
    header = f"http.{team.bed.gitea_url}/.extraHeader"
    sign_in = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": header,
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
    }
    team.environment.update(sign_in)
    slim(team, *SERVICES)
    yield made
    made.close()
    made.client.close()


@pytest.fixture(scope="module")
def alive(team: Team, proxy: Proxy) -> dict[str, int]:
    """Two changes in each repository, whose environments are ready, by the repository and branch of each."""
    made = {
        f"{repository} {branch}": team.open(repository, f"{branch}-{repository}", "alive", image=False)
        for repository in SERVICES
        for branch in ("first", "second")
    }
    team.layersite("reconcile")
    return made


def seen(team: Team) -> tuple[set[str], set[str], set[str]]:
    return team.applications(), team.namespaces(), team.committed()


def survives(team: Team, fault: AbstractContextManager[None], code: int, text: str) -> None:
    """See that a fault of the forge is said and removes nothing, and that the next run is as if it had not been."""
    before = seen(team)
    assert before[0]
    with fault:
        assert text in team.layersite("reconcile", code=code)
    assert "nothing to write" in team.layersite("reconcile")
    assert seen(team) == before


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_removed_by_an_answer_of(name: str, team: Team, proxy: Proxy, alive: dict[str, int]) -> None:
    answers, code, text = FAULTS[name]
    survives(team, proxy.answering(answers), code, text)
    assert all("is ready" in team.comment(key.split()[0], number) for key, number in alive.items())


def test_nothing_is_removed_by_a_refused_connection(team: Team, proxy: Proxy, alive: dict[str, int]) -> None:
    survives(team, proxy.away(), 5, f"{proxy.url}/api/v1 cannot be reached")


@pytest.mark.parametrize(
    "total", [{}, {"X-Total-Count": "1"}, {"X-Total-Count": "2"}], ids=["no", "a wrong", "the right"]
)
def test_nothing_is_removed_by_a_short_page_without_link_and_with_total(
    total: dict[str, str], team: Team, proxy: Proxy, alive: dict[str, int]
) -> None:
    first = team.api("GET", f"/repos/{team.name}/web/pulls?limit=1")
    short = Answer(body=json.dumps(first).encode(), headers=total)
    survives(team, proxy.answering({r"/repos/[^/]+/web/pulls": short}), 5, "open pull requests")


def test_a_closed_change_still_goes_when_the_forge_answers_again(
    team: Team, proxy: Proxy, alive: dict[str, int]
) -> None:
    number = team.open("web", "short-lived", "short-lived", image=False)
    team.layersite("reconcile")
    team.close("web", number)
    with proxy.answering({rf"/repos/[^/]+/web/pulls/{number}": Answer(502, PAGE, HTML)}):
        assert "answered 502" in team.layersite("reconcile", code=5)
    assert f"web-{number}" in team.namespaces()
    team.layersite("reconcile")
    assert f"web-{number}" not in team.namespaces() | team.applications()


@pytest.mark.parametrize("wakes", ["an event", "the clock"])
def test_a_service_asks_again_at(wakes: str, team: Team, proxy: Proxy, alive: dict[str, int]) -> None:
    log = team.site.parent / "serve.log"
    with team.serving(every=600 if wakes == "an event" else 5):
        with proxy.answering({LISTS: Answer(500, b"{}")}):
            first = team.open("web", f"failing-{wakes.split()[1]}", "failing", image=False)
            wait_for("a run that fails", lambda: "this run failed, the next one makes up for it" in log.read_text())
        if wakes == "an event":
            second = team.open("web", "another-event", "another event", image=False)
            wait_for("the second", lambda: f"web-{second}: ready" in log.read_text(), 30)
        wait_for("the first", lambda: f"web-{first}: ready" in log.read_text(), 30)
    assert f"Environment `web-{first}` is ready" in team.comment("web", first)


LONG = "Feature/JIRA-123_Große-Änderung/" + "x" * 40 + "/Ü日本"


def test_every_branch_name_gives_an_environment_of_its_own(team: Team, proxy: Proxy, alive: dict[str, int]) -> None:
    odd = [LONG, f"{LONG}-2", "fix/a.b_c+d", "fix/a-b-c-d"]
    for branch in odd:
        for repository in SERVICES:
            team.open(repository, branch, "odd", image=False)
    single = team.open("web", "UPPER_lower.and+more", "odd", image=False)
    before = team.applications()
    team.layersite("reconcile")
    made = team.applications() - before
    assert len(made) == len(odd) + 1
    assert f"web-{single}" in made
    assert made <= team.namespaces()
    for branch in odd:
        assert team.status("web", branch).startswith("success")


def test_a_draft_as_the_site_wants_it_and_a_fork_never_unless_it_does(
    team: Team, proxy: Proxy, alive: dict[str, int]
) -> None:
    settings = team.site / "layersite.yaml"
    text = settings.read_text()
    before = team.applications()
    fork = fork_change(team, "web", "from-outside")
    team.commit("web", "a-draft", "draft", start="main", image=False)
    draft = team.propose("web", "a-draft", "WIP: not yet")
    settings.write_text(text.replace("drafts: true", "drafts: false"))
    said = team.layersite("reconcile")
    assert f"web#{fork} comes from a fork, and `forge.forks` in layersite.yaml is off" in said
    assert f"web#{draft} is a draft, and `forge.drafts` in layersite.yaml is off" in said
    assert team.applications() == before
    assert "is a draft" in team.status("web", "a-draft")
    settings.write_text(text)
    team.layersite("reconcile")
    assert team.applications() - before == {f"web-{draft}"}


def fork_change(team: Team, repository: str, branch: str) -> int:
    """Open a pull request from a fork; return its number."""
    owner = team.bed.gitea_user
    fork = f"{team.name}-{repository}"
    team.api("POST", f"/repos/{team.name}/{repository}/forks", name=fork)
    content = base64.b64encode(b"from outside").decode()
    path = f"/repos/{owner}/{fork}/contents/outside.txt"
    team.api("POST", path, content=content, message="outside", branch="main", new_branch=branch)
    return team.propose(repository, f"{owner}:{branch}", "from outside")


def test_thirty_five_changes_on_pages_of_thirty(team: Team, proxy: Proxy, alive: dict[str, int]) -> None:
    open_ones = len(team.api("GET", f"/repos/{team.name}/web/pulls?state=open&limit=50"))
    proxy.page = 30
    with ThreadPoolExecutor(3) as pool:
        more = range(35 - open_ones)
        numbers = list(pool.map(lambda i: team.open("web", f"many-{i}", "many", image=False), more))
    before = team.applications()
    said = team.layersite("reconcile")
    assert {f"web-{number}" for number in numbers} == team.applications() - before
    assert before <= team.applications()
    assert said.count("is ready") >= len(numbers)
    assert "nothing to write" in team.layersite("reconcile")
