"""GitLab as a forge, against a small server that answers as its documentation does, or wrongly in every way."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from layersite.forge import Status
from layersite.forge._pulls import PullForge
from layersite.model.change import Change
from layersite.model.command import Asked
from layersite.model.errors import ForgeError
from layersite.model.site import Repository
from tests.unit.forge.conftest import serving
from tests.unit.forge.fake_forge import BOT, MONA, Answer, Payload, sha
from tests.unit.forge.fake_gitlab import COUNT, HIDDEN, FakeGitLab, merge_request, user
from tests.unit.forge.untrue import HTML, Make, assert_untrue, untrue

fake = serving(FakeGitLab)
CHANGE = Change("shop", 1, "branch-1", sha("branch-1"))
READY = Status("success", "web-1 is ready", "https://web-1.example.com")
COMING = Status("pending", "web-1 is coming", "")


# What a change says


@pytest.mark.parametrize(
    ("given", "draft", "fork"),
    [
        pytest.param({}, False, False, id="own branch"),
        pytest.param({"draft": True}, True, False, id="draft"),
        pytest.param({"head_repo": 4}, False, True, id="fork"),
        pytest.param({"head_repo": None}, False, True, id="fork that was deleted"),
        pytest.param({"body": None}, False, False, id="no description"),
    ],
)
def test_drafts_and_forks_are_told(
    fake: FakeGitLab, forge: PullForge, given: dict[str, Any], draft: bool, fork: bool
) -> None:
    fake.open(1, **given)
    (change,) = forge.changes()
    assert (change.draft, change.fork) == (draft, fork)


@pytest.mark.parametrize(
    ("url", "below"),
    [
        ("https://git.example.com/acme/team/cart/shop.git", ""),
        ("ssh://git@git.example.com:2222/acme/team/cart/shop.git", ""),
        ("git@git.example.com:acme/team/cart/shop.git", ""),
        ("https://git.example.com/gitlab/acme/team/cart/shop/", "/gitlab"),
        ("git@git.example.com:acme/team/cart/shop.git", "/gitlab"),
    ],
)
def test_a_project_may_be_in_groups_of_groups(fake: FakeGitLab, make: Make, url: str, below: str) -> None:
    fake.open(1, repository="acme/team/cart/shop")
    fake.below = below
    forge = make(repositories={"shop": Repository(url=url)}, url=fake.url + below)
    assert [str(change) for change in forge.changes()] == ["shop#1"]


# Changed files


def test_files_that_gitlab_has_not_found_yet_are_asked_for_again(fake: FakeGitLab, forge: PullForge) -> None:
    pull = fake.open(1, changes_count=None, prepared_at=None)
    fake.files["acme/shop", 1] = []
    assert forge.changes()[0].files is None
    fake.files["acme/shop", 1] = [fake.changed("README.md")]
    pull.update(changes_count="1", prepared_at="2026-11-24T04:00:05.000Z")
    assert forge.changes()[0].files == ("README.md",)


@pytest.mark.parametrize("count", ["1000+", "2", None])
def test_files_that_are_not_all_told_are_unknown(fake: FakeGitLab, forge: PullForge, count: str | None) -> None:
    fake.open(1, changes_count=count)
    assert forge.changes()[0].files is None


@pytest.mark.parametrize("moved", [{"sha": sha("newer")}, {"target_branch": "release"}])
def test_files_are_kept_until_the_merge_request_moves(
    fake: FakeGitLab, forge: PullForge, moved: dict[str, str]
) -> None:
    pull = fake.open(1)
    forge.changes()
    fake.files["acme/shop", 1] = [fake.changed("new")]
    assert forge.changes()[0].files == ("README.md",)
    pull.update(moved)
    assert forge.changes()[0].files == ("new",)


# Complete, or an error


UNTRUE = untrue(merge_request, "X-Total", "the scope api and the role Developer")


@pytest.mark.parametrize(("answer", "message"), UNTRUE.values(), ids=UNTRUE.keys())
def test_what_is_not_the_whole_list_is_an_error(fake: FakeGitLab, make: Make, answer: Answer, message: str) -> None:
    assert_untrue(fake, make, answer, message)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(body=b'{"errors": [{"message": "SECRET-BODY"}]}'), id="errors"),
        pytest.param(Answer(body=b'{"data": null}'), id="no data"),
        pytest.param(Answer(body=b'{"data": {"project": null}}'), id="no project"),
        pytest.param(Answer(body=HTML), id="a login page"),
        pytest.param(Answer(403), id="403"),
    ],
)
def test_a_list_that_cannot_be_compared_with_a_count_is_an_error(
    fake: FakeGitLab, forge: PullForge, answer: Answer
) -> None:
    fake.open(1)
    fake.instead["/graphql"] = answer
    with pytest.raises(ForgeError, match=r"repository `shop` \(acme/shop\): (how many merge requests|the project)"):
        forge.changes()


def test_a_merge_request_without_a_head_commit_is_named(fake: FakeGitLab, forge: PullForge) -> None:
    fake.open(12, sha=None)
    with pytest.raises(ForgeError, match="merge request 12 has lost its head commit"):
        forge.changes()


def test_a_forge_that_asks_to_be_left_alone_is(fake: FakeGitLab, forge: PullForge) -> None:
    fake.instead[fake.LIST] = Answer(429, HTML, {"Retry-After": "40", "RateLimit-Remaining": "0"})
    with pytest.raises(ForgeError, match="answered 429: too many requests: it wants to be left alone for 40 s"):
        forge.changes()
    del fake.instead[fake.LIST]
    asked = len(fake.tokens)
    with pytest.raises(ForgeError, match="was not asked, for it said before: too many requests"):
        forge.changes()
    assert len(fake.tokens) == asked


# One change by itself


@pytest.mark.parametrize(
    ("state", "is_open"), [("opened", True), ("locked", True), ("closed", False), ("merged", False)]
)
def test_find_tells_whether_it_is_open(fake: FakeGitLab, forge: PullForge, state: str, is_open: bool) -> None:
    fake.open(1, state=state, sha=sha("newer"))
    found = forge.find(CHANGE)
    assert (found.sha if found else None) == (sha("newer") if is_open else None)


def test_find_concludes_nothing_from_a_state_that_it_does_not_know(fake: FakeGitLab, forge: PullForge) -> None:
    fake.open(1, state="gone")
    with pytest.raises(ForgeError, match=r"repository `shop` \(acme/shop\).*not as a forge does"):
        forge.find(CHANGE)


def test_a_project_that_cannot_be_seen_has_no_commit_either(fake: FakeGitLab, forge: PullForge) -> None:
    fake.pulls.clear()
    with pytest.raises(ForgeError, match="the token may not see it"):
        forge.resolve("shop", "0" * 40)


@pytest.mark.parametrize(("levels", "may"), [({BOT: 40}, True), ({BOT: 30}, True), ({BOT: 20}, False), ({}, False)])
def test_a_developer_may_set_statuses(fake: FakeGitLab, forge: PullForge, levels: dict[int, int], may: bool) -> None:
    fake.levels = levels
    assert forge.may_write("shop") is may


# The bot's own note


def test_notes_that_cannot_be_read_in_full_are_not_written_over(fake: FakeGitLab, forge: PullForge) -> None:
    fake.instead[fake.COMMENTS] = Answer(body=b"[]", headers={"X-Total": "1"})
    with pytest.raises(ForgeError, match="the comments on merge request 1: the list holds 0"):
        forge.say(CHANGE, "web-1", "ready")


def test_a_reference_from_where_the_token_may_not_look_hides_no_note(fake: FakeGitLab, forge: PullForge) -> None:
    fake.open(1)
    fake.say(1, HIDDEN, MONA, system=True)
    fake.say(1, "/layersite wake", MONA)
    assert asked(forge) == [(2, "mona", "")]
    forge.say(CHANGE, "web-1", "ready")
    assert forge.comment(CHANGE, "web-1") == "ready"


def test_what_the_bot_quotes_is_no_quick_action(fake: FakeGitLab, forge: PullForge) -> None:
    forge.say(CHANGE, "web-1", "Title:\n/close\n  /label ~x\nsee /merge and\n/usr/bin/true\n")
    assert fake.comments[0]["body"].splitlines()[2:] == [
        r"\/close",
        r"  \/label ~x",
        "see /merge and",
        "/usr/bin/true",
    ]
    forge.say(CHANGE, "web-1", "Title:\n/close\n  /label ~x\nsee /merge and\n/usr/bin/true\n")
    assert len(fake.writes) == 1


# Commit statuses


def shown(fake: FakeGitLab) -> list[tuple[str, str | None]]:
    return [(each["status"], each["description"]) for each in fake.statuses]


def test_a_status_is_put_on_the_commit_of_the_branch(fake: FakeGitLab, forge: PullForge) -> None:
    forge.set_status(CHANGE, READY)
    (status,) = fake.statuses
    told = [status[key] for key in ("status", "description", "target_url", "name", "ref", "sha")]
    assert told == ["success", READY.description, READY.url, "layersite", "branch-1", CHANGE.sha]


@pytest.mark.parametrize(
    ("said", "result"),
    [
        (["pending"], [("pending", "1")]),
        (["pending", "pending"], [("running", "2")]),
        (["pending", "pending", "pending"], [("running", "2")]),
        (["pending", "pending", "pending", "success"], [("success", "4")]),
        (["pending", "failure"], [("failed", "2")]),
        (["error", "pending"], [("failed", "1"), ("pending", "2")]),
        (["success", "success"], [("success", "1"), ("success", "2")]),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
@pytest.mark.parametrize("is_one_run", [True, False], ids=["one run", "a run for each"])
def test_a_status_moves_as_gitlab_lets_it(
    fake: FakeGitLab, make: Make, said: list[Any], result: list[tuple[str, str]], is_one_run: bool
) -> None:
    forge = make()
    for number, state in enumerate(said, 1):
        (forge if is_one_run else make()).set_status(CHANGE, Status(state, str(number), ""))
    assert shown(fake) == result


@pytest.mark.parametrize("status", [READY, COMING, dataclasses.replace(COMING, state="error")])
def test_nothing_is_sent_if_the_newest_status_says_so(fake: FakeGitLab, make: Make, status: Status) -> None:
    make().set_status(CHANGE, dataclasses.replace(READY, description="older"))
    make().set_status(CHANGE, status)
    fake.writes.clear()
    make().set_status(CHANGE, status)
    assert fake.writes == []


def test_the_status_of_a_fork_is_no_ones_branch(fake: FakeGitLab, forge: PullForge) -> None:
    fake.open(1, branch="main", head_repo=4)
    (change,) = forge.changes()
    forge.set_status(change, READY)
    assert fake.statuses[0]["ref"] == "refs/merge-requests/1/head"


# What people ask for


def asked(forge: PullForge) -> list[tuple[int, str, str]]:
    (change,) = forge.changes()
    return [(each.comment, each.by, each.refusal) for each in forge.asked(change)]


@pytest.mark.parametrize("levels", [{MONA: 20}, {MONA: 10}, {}], ids=["reporter", "guest", "no member"])
def test_who_is_no_developer_may_not_ask(fake: FakeGitLab, forge: PullForge, levels: dict[int, int]) -> None:
    fake.open(1)
    fake.levels = levels
    fake.say(1, "/layersite teardown", MONA)
    ((number, by, why),) = asked(forge)
    assert (number, by, why) == (1, "mona", "only who may write to the repository may ask for something")


# The fake itself


def _strays(given: Any, documented: Any, place: str) -> list[str]:
    """Return where `given` has a key, or a type, that what is documented has not; null is of every type."""
    if isinstance(given, dict) and isinstance(documented, dict):
        unknown = [f"{place}.{key}" for key in given if key not in documented]
        known = given.keys() & documented.keys()
        return unknown + [stray for key in known for stray in _strays(given[key], documented[key], f"{place}.{key}")]
    is_alike = None in (given, documented) or type(given) is type(documented)
    return [] if is_alike else [place]


def test_the_fake_answers_as_is_documented(fake: FakeGitLab, forge: PullForge) -> None:
    documented: Payload = json.loads((Path(__file__).parent / "gitlab_documented.json").read_text("utf-8"))
    fake.refs["main"] = sha("main")
    pull = fake.open(1, labels=["ui"])
    forge.say(CHANGE, "web-1", "ready")
    forge.set_status(CHANGE, READY)
    forge.answer(Asked(CHANGE, 1, "mona", "/layersite wake"), is_done=True)
    for name, payload in {
        "Member": fake.member(MONA),
        "MergeRequest": {**pull, "changes_count": "1"},
        "Diff": fake.changed("b", was="a"),
        "Note": fake.comments[0],
        "Award": fake.reactions[1][0],
        "CommitStatus": fake.statuses[0],
        "Branch": fake.ref("branches", "main"),
        "Tag": fake.ref("tags", "main"),
    }.items():
        assert _strays(payload, documented[name], name) == []
    assert _strays(user(), documented["MergeRequest"]["author"], "User") == []
    assert fake.count({"query": COUNT, "variables": {"path": "acme/shop"}})["data"]["project"] is not None


def test_what_is_documented_is_understood(fake: FakeGitLab, forge: PullForge) -> None:
    documented = json.loads((Path(__file__).parent / "gitlab_documented.json").read_text("utf-8"))
    fake.pulls["acme/shop"].append(documented["MergeRequest"])
    fake.files["acme/shop", 133] = [documented["Diff"]]
    fake.comments.append({**documented["Note"], "noteable_iid": 133})
    (change,) = forge.changes()
    assert (change.number, change.branch, change.files) == (133, "manual-job-rules", ("README",))
    assert forge.find(change) is not None
    assert forge.comment(change, "web-1") is None
    fake.statuses.append({**documented["CommitStatus"], "sha": change.sha, "ref": change.branch, "name": "layersite"})
    forge.set_status(change, COMING)
    assert shown(fake) == [("running", COMING.description)]
