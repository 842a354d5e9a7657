"""GitLab as a forge, against a small server that answers as its documentation does, or wrongly in every way."""

import dataclasses
import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from layersite.forge import Conversation, Forge, Status
from layersite.forge._pulls import PullForge
from layersite.model.change import Change
from layersite.model.command import Asked
from layersite.model.errors import ForgeError
from layersite.model.site import Repository
from tests.unit.forge.fake_forge import BOT, MONA, TOKEN, Answer, Payload, sha
from tests.unit.forge.fake_gitlab import COUNT, HIDDEN, FakeGitLab, changed, merge_request, user
from tests.unit.forge.untrue import HTML, Make, assert_untrue, untrue

PROJECT = "/v4/projects/acme%2Fshop"
LIST = f"{PROJECT}/merge_requests"
CHANGE = Change("shop", 1, "branch-1", sha("branch-1"))
READY = Status("success", "web-1 is ready", "https://web-1.example.com")
COMING = Status("pending", "web-1 is coming", "")


@pytest.fixture
def gitlab() -> Iterator[FakeGitLab]:
    server = FakeGitLab()
    yield server
    server.stop()


@pytest.fixture
def fake(gitlab: FakeGitLab) -> FakeGitLab:
    return gitlab


def test_it_is_a_forge_with_a_conversation(forge: PullForge) -> None:
    both: tuple[Forge, Conversation] = forge, forge
    assert both[0].changes() == []


# What a change says


def test_a_merge_request_becomes_a_change(gitlab: FakeGitLab, forge: PullForge) -> None:
    body = "Because.\r\nEnvironment: friday \r\n"
    gitlab.open(7, branch="Feature/Größe#1%20", title="Add a cart", description=body, labels=["ui", "slow"])
    assert forge.changes() == [
        Change(
            repository="shop",
            number=7,
            branch="Feature/Größe#1%20",
            sha=sha("Feature/Größe#1%20"),
            target="main",
            title="Add a cart",
            author="mona",
            labels=("ui", "slow"),
            draft=False,
            fork=False,
            url=f"{gitlab.url}/acme/shop/-/merge_requests/7",
            updated_at="2026-11-24T04:00:00.000Z",
            files=("README.md",),
            environment="friday",
        )
    ]


@pytest.mark.parametrize(
    ("given", "draft", "fork"),
    [
        pytest.param({}, False, False, id="own branch"),
        pytest.param({"draft": True}, True, False, id="draft"),
        pytest.param({"head_repo": 4}, False, True, id="fork"),
        pytest.param({"head_repo": None}, False, True, id="fork that was deleted"),
        pytest.param({"description": None}, False, False, id="no description"),
    ],
)
def test_drafts_and_forks_are_told(
    gitlab: FakeGitLab, forge: PullForge, given: dict[str, Any], draft: bool, fork: bool
) -> None:
    gitlab.open(1, **given)
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
def test_a_project_may_be_in_groups_of_groups(gitlab: FakeGitLab, make: Make, url: str, below: str) -> None:
    gitlab.open(1, repository="acme/team/cart/shop")
    gitlab.below = below
    forge = make(repositories={"shop": Repository(url=url)}, url=gitlab.url + below)
    assert [str(change) for change in forge.changes()] == ["shop#1"]


@pytest.mark.parametrize("url", ["https://git.example.com/shop.git", "git@git.example.com:shop.git"])
def test_a_git_url_without_a_group_is_refused(make: Make, url: str) -> None:
    with pytest.raises(ForgeError, match="does not end in group/project"):
        make(repositories={"shop": Repository(url=url)})


# Changed files


def test_a_moved_file_counts_at_both_places(gitlab: FakeGitLab, forge: PullForge) -> None:
    gitlab.open(1)
    gitlab.files["acme/shop", 1] = [changed("b/x", old_path="a/x", renamed_file=True), changed("c")]
    assert forge.changes()[0].files == ("a/x", "b/x", "c")


def test_all_pages_of_changed_files_are_read(gitlab: FakeGitLab, forge: PullForge) -> None:
    gitlab.open(1)
    gitlab.files["acme/shop", 1] = [changed(f"{n:03}") for n in range(120)]
    assert len(forge.changes()[0].files or ()) == 120


def test_files_that_gitlab_has_not_found_yet_are_asked_for_again(gitlab: FakeGitLab, forge: PullForge) -> None:
    pull = gitlab.open(1, changes_count=None, prepared_at=None)
    gitlab.files["acme/shop", 1] = []
    assert forge.changes()[0].files is None
    gitlab.files["acme/shop", 1] = [changed("README.md")]
    pull.update(changes_count="1", prepared_at="2026-11-24T04:00:05.000Z")
    assert forge.changes()[0].files == ("README.md",)


@pytest.mark.parametrize("count", ["1000+", "2", None])
def test_files_that_are_not_all_told_are_unknown(gitlab: FakeGitLab, forge: PullForge, count: str | None) -> None:
    gitlab.open(1, changes_count=count)
    assert forge.changes()[0].files is None


def test_a_file_that_became_a_link_leaves_the_files_unknown(gitlab: FakeGitLab, forge: PullForge) -> None:
    gitlab.open(1)
    gitlab.files["acme/shop", 1] = [changed("x", deleted_file=True), changed("x", new_file=True)]
    assert forge.changes()[0].files is None


def test_files_are_asked_for_where_they_matter(gitlab: FakeGitLab, make: Make) -> None:
    gitlab.open(1)
    gitlab.instead[f"{LIST}/1/diffs"] = Answer(status=500)
    assert make(files_of=()).changes()[0].files is None


@pytest.mark.parametrize("moved", [{"sha": sha("newer")}, {"target_branch": "release"}])
def test_files_are_kept_until_the_merge_request_moves(
    gitlab: FakeGitLab, forge: PullForge, moved: dict[str, str]
) -> None:
    pull = gitlab.open(1)
    forge.changes()
    gitlab.files["acme/shop", 1] = [changed("new")]
    assert forge.changes()[0].files == ("README.md",)
    pull.update(moved)
    assert forge.changes()[0].files == ("new",)


# Complete, or an error


def test_all_pages_are_read(gitlab: FakeGitLab, forge: PullForge) -> None:
    for number in range(1, 121):
        gitlab.open(number)
    assert [change.number for change in forge.changes()] == list(range(1, 121))


def test_one_that_closes_just_as_another_opens_hides_no_third(gitlab: FakeGitLab, forge: PullForge) -> None:
    gitlab.page_size = 2
    for number in range(1, 7):
        gitlab.open(number)

    def swap(page: int) -> None:
        if page == 1 and gitlab.pulls["acme/shop"][0]["state"] == "opened":
            gitlab.close(1)
            gitlab.open(7)

    gitlab.after_page = swap
    assert [change.number for change in forge.changes()] == [2, 3, 4, 5, 6, 7]


UNTRUE = untrue(merge_request, "X-Total", "the scope api and the role Developer")


@pytest.mark.parametrize(("answer", "message"), UNTRUE.values(), ids=UNTRUE.keys())
def test_what_is_not_the_whole_list_is_an_error(gitlab: FakeGitLab, make: Make, answer: Answer, message: str) -> None:
    assert_untrue(gitlab, make, answer, message, LIST)


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
    gitlab: FakeGitLab, forge: PullForge, answer: Answer
) -> None:
    gitlab.open(1)
    gitlab.instead["/graphql"] = answer
    with pytest.raises(ForgeError, match=r"repository `shop` \(acme/shop\): (how many merge requests|the project)"):
        forge.changes()


def test_a_merge_request_without_a_head_commit_is_named(gitlab: FakeGitLab, forge: PullForge) -> None:
    gitlab.open(12, sha=None)
    with pytest.raises(ForgeError, match="merge request 12 has lost its head commit"):
        forge.changes()


def test_the_token_is_sent_as_gitlab_wants_it_and_never_shown(gitlab: FakeGitLab, make: Make) -> None:
    other = TOKEN[::-1]
    with pytest.raises(ForgeError, match="answered 401") as raised:
        make(token=other).changes()
    assert other not in "".join(traceback.format_exception(raised.value))
    assert set(gitlab.tokens) == {other}


def test_a_forge_that_asks_to_be_left_alone_is(gitlab: FakeGitLab, forge: PullForge) -> None:
    gitlab.instead[LIST] = Answer(429, HTML, {"Retry-After": "40", "RateLimit-Remaining": "0"})
    with pytest.raises(ForgeError, match="answered 429: too many requests: it wants to be left alone for 40 s"):
        forge.changes()
    del gitlab.instead[LIST]
    asked = len(gitlab.tokens)
    with pytest.raises(ForgeError, match="was not asked, for it said before: too many requests"):
        forge.changes()
    assert len(gitlab.tokens) == asked


# One change by itself


@pytest.mark.parametrize(
    ("state", "is_open"), [("opened", True), ("locked", True), ("closed", False), ("merged", False)]
)
def test_find_tells_whether_it_is_open(gitlab: FakeGitLab, forge: PullForge, state: str, is_open: bool) -> None:
    gitlab.open(1, state=state, sha=sha("newer"))
    found = forge.find(CHANGE)
    assert (found.sha if found else None) == (sha("newer") if is_open else None)


def test_a_merge_request_is_gone_if_its_project_shows_others(gitlab: FakeGitLab, forge: PullForge) -> None:
    gitlab.open(2)
    assert forge.find(CHANGE) is None


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (LIST, Answer(404)),
        (LIST, Answer(body=HTML)),
        (f"{LIST}/1", Answer(body=b"null")),
        (f"{LIST}/1", Answer(body=b'{"state": "closed"}')),
        (f"{LIST}/1", Answer(body=json.dumps(merge_request(1, state="gone")).encode())),
        (f"{LIST}/1", Answer(403)),
        (f"{LIST}/1", Answer(500)),
    ],
    ids=["project 404", "project HTML", "null", "too little", "a state of its own", "403", "500"],
)
def test_find_concludes_nothing_from_an_unclear_answer(
    gitlab: FakeGitLab, forge: PullForge, path: str, answer: Answer
) -> None:
    gitlab.instead[path] = answer
    with pytest.raises(ForgeError, match=r"repository `shop` \(acme/shop\)"):
        forge.find(CHANGE)


# Refs and rights


@pytest.mark.parametrize("ref", ["main", "v1.2", "Feature/JIRA-123_Große-Änderung/xxx", "a#b%20c&d?e"])
def test_a_branch_or_tag_resolves_to_its_commit(gitlab: FakeGitLab, forge: PullForge, ref: str) -> None:
    gitlab.refs[ref] = sha(ref)
    assert forge.resolve("shop", ref) == sha(ref)


def test_a_full_commit_id_resolves_to_itself(forge: PullForge) -> None:
    assert forge.resolve("shop", "0" * 40) == "0" * 40


@pytest.mark.parametrize("ref", ["nowhere", "0123456", "../../../user", "a/../b", "main/", ""])
def test_a_ref_that_is_not_there_is_an_error(gitlab: FakeGitLab, forge: PullForge, ref: str) -> None:
    gitlab.refs["main"] = sha("main")
    with pytest.raises(ForgeError, match=f"repository `shop` has no branch or tag `{ref}`"):
        forge.resolve("shop", ref)


def test_a_project_that_cannot_be_seen_has_no_commit_either(gitlab: FakeGitLab, forge: PullForge) -> None:
    gitlab.pulls.clear()
    with pytest.raises(ForgeError, match="the token may not see it"):
        forge.resolve("shop", "0" * 40)


@pytest.mark.parametrize(("levels", "may"), [({BOT: 40}, True), ({BOT: 30}, True), ({BOT: 20}, False), ({}, False)])
def test_a_developer_may_set_statuses(gitlab: FakeGitLab, forge: PullForge, levels: dict[int, int], may: bool) -> None:
    gitlab.levels = levels
    assert forge.may_write("shop") is may


# The bot's own note


def test_a_note_is_made_then_replaced(gitlab: FakeGitLab, forge: PullForge) -> None:
    assert forge.comment(CHANGE, "web-1") is None
    forge.say(CHANGE, "web-1", "building")
    forge.say(CHANGE, "web-1", "ready\n\nhere\n")
    assert forge.comment(CHANGE, "web-1") == "ready\n\nhere"
    assert [note["body"] for note in gitlab.comments] == ["<!-- layersite: web-1 -->\nready\n\nhere"]


def test_copies_of_a_killed_run_are_removed_and_planted_ones_left(gitlab: FakeGitLab, forge: PullForge) -> None:
    for author in (BOT, BOT, MONA):
        gitlab.say(1, "<!-- layersite: web-1 -->\nold", author)
    forge.say(CHANGE, "web-1", "ready")
    assert [(note["author"]["id"], note["body"].split("\n")[1]) for note in gitlab.comments] == [
        (BOT, "ready"),
        (MONA, "old"),
    ]


def test_notes_that_cannot_be_read_in_full_are_not_written_over(gitlab: FakeGitLab, forge: PullForge) -> None:
    gitlab.instead[f"{LIST}/1/notes"] = Answer(body=b"[]", headers={"X-Total": "1"})
    with pytest.raises(ForgeError, match="the comments on merge request 1: the list holds 0"):
        forge.say(CHANGE, "web-1", "ready")


def test_a_reference_from_where_the_token_may_not_look_hides_no_note(gitlab: FakeGitLab, forge: PullForge) -> None:
    gitlab.open(1)
    gitlab.say(1, HIDDEN, MONA, system=True)
    gitlab.say(1, "/layersite wake", MONA)
    assert asked(forge) == [(2, "mona", "")]
    forge.say(CHANGE, "web-1", "ready")
    assert forge.comment(CHANGE, "web-1") == "ready"


def test_what_the_bot_quotes_is_no_quick_action(gitlab: FakeGitLab, forge: PullForge) -> None:
    forge.say(CHANGE, "web-1", "Title:\n/close\n  /label ~x\nsee /merge and\n/usr/bin/true\n")
    assert gitlab.comments[0]["body"].splitlines()[2:] == [
        r"\/close",
        r"  \/label ~x",
        "see /merge and",
        "/usr/bin/true",
    ]
    forge.say(CHANGE, "web-1", "Title:\n/close\n  /label ~x\nsee /merge and\n/usr/bin/true\n")
    assert len(gitlab.writes) == 1


def test_there_is_no_note_on_what_is_no_merge_request(forge: PullForge) -> None:
    with pytest.raises(ForgeError, match="is no merge request"):
        forge.say(dataclasses.replace(CHANGE, number=None), "web-1", "ready")


# Commit statuses


def shown(gitlab: FakeGitLab) -> list[tuple[str, str | None]]:
    return [(each["status"], each["description"]) for each in gitlab.statuses]


def test_a_status_is_put_on_the_commit_of_the_branch(gitlab: FakeGitLab, forge: PullForge) -> None:
    forge.set_status(CHANGE, READY)
    (status,) = gitlab.statuses
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
    gitlab: FakeGitLab, make: Make, said: list[Any], result: list[tuple[str, str]], is_one_run: bool
) -> None:
    forge = make()
    for number, state in enumerate(said, 1):
        (forge if is_one_run else make()).set_status(CHANGE, Status(state, str(number), ""))
    assert shown(gitlab) == result


@pytest.mark.parametrize("status", [READY, COMING, dataclasses.replace(COMING, state="error")])
def test_nothing_is_sent_if_the_newest_status_says_so(gitlab: FakeGitLab, make: Make, status: Status) -> None:
    make().set_status(CHANGE, dataclasses.replace(READY, description="older"))
    make().set_status(CHANGE, status)
    gitlab.writes.clear()
    make().set_status(CHANGE, status)
    assert gitlab.writes == []


def test_the_status_of_a_fork_is_no_ones_branch(gitlab: FakeGitLab, forge: PullForge) -> None:
    gitlab.open(1, branch="main", head_repo=4)
    (change,) = forge.changes()
    forge.set_status(change, READY)
    assert gitlab.statuses[0]["ref"] == "refs/merge-requests/1/head"


# What people ask for


def asked(forge: PullForge) -> list[tuple[int, str, str]]:
    (change,) = forge.changes()
    return [(each.comment, each.by, each.refusal) for each in forge.asked(change)]


def test_a_note_that_asks_for_something_is_heard_until_it_is_answered(gitlab: FakeGitLab, make: Make) -> None:
    gitlab.open(1)
    gitlab.say(1, "nice work", MONA)
    gitlab.say(1, "/layersite wake", MONA)
    forge = make()
    assert asked(forge) == asked(forge) == [(2, "mona", "")]
    forge.answer(forge.asked(CHANGE)[0], is_done=True)
    gitlab.say(1, "/layersite teardown now", MONA)
    assert asked(forge) == [(3, "mona", "")]
    forge.answer(forge.asked(CHANGE)[0], is_done=False)
    assert asked(make()) == []
    given = [(key, award["name"]) for key, awards in gitlab.reactions.items() for award in awards]
    assert given == [(2, "thumbsup"), (3, "thumbsdown")]


@pytest.mark.parametrize("levels", [{MONA: 20}, {MONA: 10}, {}], ids=["reporter", "guest", "no member"])
def test_who_is_no_developer_may_not_ask(gitlab: FakeGitLab, forge: PullForge, levels: dict[int, int]) -> None:
    gitlab.open(1)
    gitlab.levels = levels
    gitlab.say(1, "/layersite teardown", MONA)
    ((number, by, why),) = asked(forge)
    assert (number, by, why) == (1, "mona", "only who may write to the repository may ask for something")


def test_notes_are_read_again_only_when_there_are_new_ones(gitlab: FakeGitLab, forge: PullForge) -> None:
    gitlab.open(1)
    assert asked(forge) == []
    gitlab.instead[f"{LIST}/1/notes"] = Answer(500)
    assert asked(forge) == []
    gitlab.say(1, "/layersite wake", MONA)
    with pytest.raises(ForgeError, match="answered 500"):
        asked(forge)


# The fake itself


def _strays(given: Any, documented: Any, place: str) -> list[str]:
    """Return where `given` has a key, or a type, that what is documented has not; null is of every type."""
    if isinstance(given, dict) and isinstance(documented, dict):
        unknown = [f"{place}.{key}" for key in given if key not in documented]
        known = given.keys() & documented.keys()
        return unknown + [stray for key in known for stray in _strays(given[key], documented[key], f"{place}.{key}")]
    is_alike = None in (given, documented) or type(given) is type(documented)
    return [] if is_alike else [place]


def test_the_fake_answers_as_is_documented(gitlab: FakeGitLab, forge: PullForge) -> None:
    documented: Payload = json.loads((Path(__file__).parent / "gitlab_documented.json").read_text("utf-8"))
    gitlab.refs["main"] = sha("main")
    pull = gitlab.open(1, labels=["ui"])
    forge.say(CHANGE, "web-1", "ready")
    forge.set_status(CHANGE, READY)
    forge.answer(Asked(CHANGE, 1, "mona", "/layersite wake"), is_done=True)
    for name, payload in {
        "Member": gitlab.member(MONA),
        "MergeRequest": {**pull, "changes_count": "1"},
        "Diff": changed("b", old_path="a"),
        "Note": gitlab.comments[0],
        "Award": gitlab.reactions[1][0],
        "CommitStatus": gitlab.statuses[0],
        "Branch": gitlab.ref("branches", "main"),
        "Tag": gitlab.ref("tags", "main"),
    }.items():
        assert _strays(payload, documented[name], name) == []
    assert _strays(user(), documented["MergeRequest"]["author"], "User") == []
    assert gitlab.count({"query": COUNT, "variables": {"path": "acme/shop"}})["data"]["project"] is not None


def test_what_is_documented_is_understood(gitlab: FakeGitLab, forge: PullForge) -> None:
    documented = json.loads((Path(__file__).parent / "gitlab_documented.json").read_text("utf-8"))
    gitlab.pulls["acme/shop"].append(documented["MergeRequest"])
    gitlab.files["acme/shop", 133] = [documented["Diff"]]
    gitlab.comments.append({**documented["Note"], "noteable_iid": 133})
    (change,) = forge.changes()
    assert (change.number, change.branch, change.files) == (133, "manual-job-rules", ("README",))
    assert forge.find(change) is not None
    assert forge.comment(change, "web-1") is None
    gitlab.statuses.append({**documented["CommitStatus"], "sha": change.sha, "ref": change.branch, "name": "layersite"})
    forge.set_status(change, COMING)
    assert shown(gitlab) == [("running", COMING.description)]
