"""Gitea and Forgejo as a forge, against a small server that can answer wrongly in every way."""

import dataclasses
import json
import socket
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from layersite.forge import Conversation, Forge, Status
from layersite.forge.gitea import GiteaForge
from layersite.model.change import Change
from layersite.model.command import Asked
from layersite.model.errors import ForgeError
from layersite.model.site import Repository
from tests.unit.forge.fake_gitea import MONA, TOKEN, Answer, FakeGitea, changed, pull_request, sha
from tests.unit.forge.untrue import HTML, untrue

SHOP = {"shop": Repository(url="https://git.example.com/acme/shop.git")}
PULLS = "/repos/acme/shop/pulls"
CHANGE = Change("shop", 1, "branch-1", sha("branch-1"))
STATUS = Status("success", "web-1 is ready", "https://web-1.example.com")
Make = Callable[..., GiteaForge]


@pytest.fixture
def gitea() -> Iterator[FakeGitea]:
    server = FakeGitea()
    yield server
    server.stop()


@pytest.fixture
def make(gitea: FakeGitea) -> Iterator[Make]:
    made = []

    def make(**given: Any) -> GiteaForge:
        forge = GiteaForge(**{"repositories": SHOP, "url": gitea.url, "token": TOKEN, "timeout": 5.0, **given})
        made.append(forge)
        return forge

    yield make
    for forge in made:
        forge.close()


@pytest.fixture
def forge(make: Make) -> GiteaForge:
    return make()


def test_it_is_a_forge_with_a_conversation(forge: GiteaForge) -> None:
    both: tuple[Forge, Conversation] = forge, forge
    assert both[0].changes() == []


# What a change says


def test_a_pull_request_becomes_a_change(gitea: FakeGitea, forge: GiteaForge) -> None:
    labels = [{"id": 1, "name": "ui"}, {"id": 2, "name": "slow"}]
    gitea.open(7, branch="new-cart", title="Add a cart", body="Because.\r\nEnvironment: friday \r\n", labels=labels)
    assert forge.changes() == [
        Change(
            repository="shop",
            number=7,
            branch="new-cart",
            sha=sha("new-cart"),
            target="main",
            title="Add a cart",
            author="mona",
            labels=("ui", "slow"),
            draft=False,
            fork=False,
            url=f"{gitea.url}/acme/shop/pulls/7",
            updated_at="2026-11-24T04:00:00Z",
            files=("README.md",),
            environment="friday",
        )
    ]


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("Environment: friday", "friday"),
        ("Text.\n\n  environment:friday\nMore.", "friday"),
        ("Environment:\nfriday", None),
        ("<!-- Name one?\nEnvironment: friday\n-->", None),
        ("The Environment: friday", None),
        (None, None),
    ],
)
def test_a_line_of_the_description_names_the_environment(
    gitea: FakeGitea, forge: GiteaForge, description: str | None, name: str | None
) -> None:
    gitea.open(1, body=description)
    assert forge.changes()[0].environment == name


@pytest.mark.parametrize("branch", ["Feature/JIRA-123_Große-Änderung/xxx", "fix/a.b_c+d", "a#b%20c&d", "日本"])
def test_a_branch_keeps_its_odd_name(gitea: FakeGitea, forge: GiteaForge, branch: str) -> None:
    gitea.open(1, branch=branch)
    assert forge.changes()[0].branch == branch


@pytest.mark.parametrize(
    ("given", "draft"),
    [
        ({"draft": True}, True),
        ({"draft": False, "title": "WIP: the server says it is no longer one"}, False),
        ({"draft": None, "title": "wip: an older server"}, True),
        ({"draft": None, "title": "[WIP] an older server"}, True),
        ({"draft": None, "title": "an older server"}, False),
    ],
    ids=lambda value: str(value),
)
def test_a_draft_is_one_where_the_server_says_so(
    gitea: FakeGitea, forge: GiteaForge, given: dict[str, Any], draft: bool
) -> None:
    gitea.open(1, **given)
    assert forge.changes()[0].draft is draft


@pytest.mark.parametrize(
    ("given", "fork", "branch"),
    [
        ({"branch": "x"}, False, "x"),
        ({"branch": "x", "head_repo": 2}, True, "x"),
        ({"branch": "x", "head_repo": -1, "head": {"ref": "refs/pull/1/head"}}, True, "x"),
        ({"head": {"label": "", "ref": "refs/pull/1/head"}}, True, "refs/pull/1/head"),
        ({"branch": "x", "head": {"ref": "refs/pull/1/head"}}, False, "x"),
    ],
    ids=[
        "own branch",
        "fork",
        "fork that was deleted",
        "pushed for review by a reader (AGit)",
        "branch that was deleted",
    ],
)
def test_a_fork_is_whatever_takes_no_right_to_write(
    gitea: FakeGitea, forge: GiteaForge, given: dict[str, Any], fork: bool, branch: str
) -> None:
    gitea.open(1, **given)
    (change,) = forge.changes()
    assert (change.fork, change.branch) == (fork, branch)


def test_changes_come_from_every_repository_in_a_fixed_order(gitea: FakeGitea, make: Make) -> None:
    gitea.open(2)
    gitea.open(9, repository="acme/api")
    repositories = {**SHOP, "api": Repository(url="git@git.example.com:acme/api.git")}
    assert [str(change) for change in make(repositories=repositories).changes()] == ["api#9", "shop#2"]


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.com/acme/shop",
        "https://git.example.com/git/acme/shop.git/",
        "ssh://git@git.example.com:2222/acme/shop.git",
        "git@git.example.com:acme/shop.git",
        "git@git.example.com:/acme/shop.git",
    ],
)
def test_the_git_url_says_which_repository_it_is(gitea: FakeGitea, make: Make, url: str) -> None:
    gitea.open(1)
    assert len(make(repositories={"shop": Repository(url=url)}).changes()) == 1


@pytest.mark.parametrize("url", ["https://git.example.com/shop.git", "git@git.example.com:shop.git", "shop"])
def test_a_git_url_without_an_owner_is_refused(make: Make, url: str) -> None:
    with pytest.raises(ForgeError, match="does not end in owner/name"):
        make(repositories={"shop": Repository(url=url)})


# Changed files


def test_a_moved_file_counts_at_both_places(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.open(1)
    gitea.files["acme/shop", 1] = [changed("b/x", status="renamed", previous_filename="a/x"), changed("c")]
    assert forge.changes()[0].files == ("a/x", "b/x", "c")


def test_all_pages_of_changed_files_are_read(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.open(1)
    gitea.files["acme/shop", 1] = [changed(f"{n:03}") for n in range(120)]
    assert len(forge.changes()[0].files or ()) == 120


def test_a_file_that_became_a_link_leaves_the_files_unknown(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.open(1)
    gitea.files["acme/shop", 1] = [changed("x", status="deleted"), changed("x", status="added")]
    assert forge.changes()[0].files is None


def test_files_are_asked_for_where_they_matter(gitea: FakeGitea, make: Make) -> None:
    gitea.open(1)
    gitea.instead[f"{PULLS}/1/files"] = Answer(status=500)
    assert make(files_of=()).changes()[0].files is None


def test_files_are_kept_until_the_pull_request_moves(gitea: FakeGitea, forge: GiteaForge) -> None:
    pull = gitea.open(1)
    forge.changes()
    gitea.files["acme/shop", 1] = [changed("new")]
    assert forge.changes()[0].files == ("README.md",)
    pull["merge_base"] = sha("newer base")
    assert forge.changes()[0].files == ("new",)
    gitea.files["acme/shop", 1] = [changed("newest")]
    pull["head"]["sha"] = sha("newer head")
    assert forge.changes()[0].files == ("newest",)


# Complete, or an error


def test_thirty_five_pull_requests_are_listed_by_thirties(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.page_size = 30
    for number in range(1, 36):
        gitea.open(number)
    assert [change.number for change in forge.changes()] == list(range(1, 36))


def test_no_pull_requests_are_none_if_the_repository_counts_none(gitea: FakeGitea, forge: GiteaForge) -> None:
    assert forge.changes() == []


def test_a_pull_request_that_closes_while_pages_are_read_hides_no_other(gitea: FakeGitea, forge: GiteaForge) -> None:
    _open_six_by_twos(gitea)
    gitea.after_page = lambda page: gitea.close(1) if page == 1 else None
    assert [change.number for change in forge.changes()] == [2, 3, 4, 5, 6]


def test_one_that_closes_just_as_another_opens_hides_no_third(gitea: FakeGitea, forge: GiteaForge) -> None:
    _open_six_by_twos(gitea)

    def swap(page: int) -> None:
        if page == 1 and gitea.pulls["acme/shop"][0]["state"] == "open":
            gitea.close(1)
            gitea.open(7)

    gitea.after_page = swap
    assert [change.number for change in forge.changes()] == [2, 3, 4, 5, 6, 7]


def test_a_list_that_never_rests_is_an_error(gitea: FakeGitea, forge: GiteaForge) -> None:
    _open_six_by_twos(gitea)

    def swap(page: int) -> None:
        pulls = gitea.pulls["acme/shop"]
        pulls.pop(0)
        gitea.open(pulls[-1]["number"] + 1)

    gitea.after_page = swap
    with pytest.raises(ForgeError, match="kept changing"):
        forge.changes()


def _open_six_by_twos(gitea: FakeGitea) -> None:
    gitea.page_size = 2
    for number in range(1, 7):
        gitea.open(number)


UNTRUE = untrue(pull_request, "X-Total-Count", "the scopes read:user, write:issue")


@pytest.mark.parametrize(("answer", "message"), UNTRUE.values(), ids=UNTRUE.keys())
def test_what_is_not_the_whole_list_is_an_error(gitea: FakeGitea, make: Make, answer: Answer, message: str) -> None:
    for number in range(1, 7):
        gitea.open(number)
    gitea.instead[PULLS] = answer
    with pytest.raises(ForgeError, match=rf"repository `shop` \(acme/shop\).*({message})") as raised:
        make(timeout=0.3 if "0.3 s" in message else 5.0).changes()
    told = "".join(traceback.format_exception(raised.value))
    assert TOKEN not in told
    assert "SECRET-BODY" not in told


def test_one_repository_that_cannot_be_read_leaves_no_part_of_the_others(gitea: FakeGitea, make: Make) -> None:
    gitea.open(1)
    repositories = {**SHOP, "gone": Repository(url="https://git.example.com/acme/gone.git")}
    with pytest.raises(ForgeError, match=r"repository `gone` \(acme/gone\).*404"):
        make(repositories=repositories).changes()


def test_a_forge_that_is_not_there_is_an_error(make: Make) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ForgeError, match=f"http://127.0.0.1:{port}/api/v1 cannot be reached"):
        make(url=f"http://127.0.0.1:{port}").changes()


@pytest.mark.parametrize("url", ["http://[::1", "https://git..example.com"])
def test_what_is_no_address_after_all_is_an_error(make: Make, url: str) -> None:
    with pytest.raises(ForgeError, match=r"is no address; correct `url` in layersite.yaml"):
        make(url=url).changes()


def test_a_wrong_token_is_an_error_that_does_not_show_it(make: Make) -> None:
    other = TOKEN[::-1]
    with pytest.raises(ForgeError, match="answered 401") as raised:
        make(token=other).changes()
    assert other not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("token", ["", "two words", "with-newline\n", "größe"])
def test_what_can_be_no_token_is_refused_and_not_shown(make: Make, token: str) -> None:
    with pytest.raises(ForgeError, match="LAYERSITE_FORGE_TOKEN is empty or holds no token") as raised:
        make(token=token)
    assert not token or token not in str(raised.value)


@pytest.mark.parametrize("url", ["git.example.com", "https://mona:pass@git.example.com", "ssh://git.example.com", ""])
def test_what_can_be_no_address_is_refused(make: Make, url: str) -> None:
    with pytest.raises(ForgeError, match="must be an http") as raised:
        make(url=url)
    assert "pass" not in str(raised.value)


def test_the_token_does_not_follow_a_redirect_to_another_host(gitea: FakeGitea, forge: GiteaForge) -> None:
    elsewhere = FakeGitea()
    gitea.instead[PULLS] = Answer(307, headers={"Location": f"{elsewhere.url}/api/v1{PULLS}"})
    with pytest.raises(ForgeError, match="answered 307"):
        forge.changes()
    elsewhere.stop()
    assert elsewhere.tokens == []


def test_a_counter_that_counts_too_few_hides_nothing(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.open(1)
    gitea.counted = -1
    assert len(forge.changes()) == 1


def test_a_pull_request_without_a_head_commit_is_named(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.open(12, head={"sha": ""})
    with pytest.raises(ForgeError, match="pull request 12 has lost its head commit"):
        forge.changes()


def test_files_that_cannot_be_read_are_an_error(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.open(1)
    gitea.instead[f"{PULLS}/1/files"] = Answer(body=b"[]", headers={"X-Total-Count": "1"})
    with pytest.raises(ForgeError, match="the files of pull request 1: the list holds 0"):
        forge.changes()


# One change by itself


def test_find_tells_the_present_head(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.open(1)["head"]["sha"] = sha("newer")
    found = forge.find(CHANGE)
    assert found is not None
    assert found.sha == sha("newer")


def test_find_tells_that_a_pull_request_is_closed(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.open(1, state="closed", head={"sha": ""})
    assert forge.find(CHANGE) is None


def test_a_pull_request_is_gone_if_its_repository_shows_others(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.open(2)
    assert forge.find(CHANGE) is None


def test_a_change_without_a_number_is_no_open_pull_request(forge: GiteaForge) -> None:
    assert forge.find(dataclasses.replace(CHANGE, number=None)) is None


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (PULLS, Answer(404)),
        (PULLS, Answer(body=HTML)),
        (f"{PULLS}/1", Answer(body=b"null")),
        (f"{PULLS}/1", Answer(body=HTML)),
        (f"{PULLS}/1", Answer(body=b'{"state": "closed"}')),
        (f"{PULLS}/1", Answer(status=403)),
        (f"{PULLS}/1", Answer(status=500)),
    ],
    ids=["repository 404", "repository HTML", "null", "HTML", "too little", "403", "500"],
)
def test_find_concludes_nothing_from_an_unclear_answer(
    gitea: FakeGitea, forge: GiteaForge, path: str, answer: Answer
) -> None:
    gitea.instead[path] = answer
    with pytest.raises(ForgeError, match=r"repository `shop` \(acme/shop\)"):
        forge.find(CHANGE)


@pytest.mark.parametrize("use", ["find", "resolve", "comment"])
def test_an_unknown_repository_is_told_with_what_is_like_it(forge: GiteaForge, use: str) -> None:
    change = Change("shopp", 1, "x", sha("x"))
    calls: dict[str, Callable[[], object]] = {
        "find": lambda: forge.find(change),
        "resolve": lambda: forge.resolve("shopp", "main"),
        "comment": lambda: forge.comment(change, "web-1"),
    }
    with pytest.raises(ForgeError, match=r"no repository `shopp` in layersite.yaml, did you mean `shop`"):
        calls[use]()


# Refs


@pytest.mark.parametrize("ref", ["main", "v1.2", "Feature/JIRA-123_Große-Änderung/xxx", "a#b%20c&d?e"])
def test_a_branch_or_tag_resolves_to_its_commit(gitea: FakeGitea, forge: GiteaForge, ref: str) -> None:
    gitea.refs[ref] = sha(ref)
    assert forge.resolve("shop", ref) == sha(ref)


def test_a_full_commit_id_resolves_to_itself(forge: GiteaForge) -> None:
    assert forge.resolve("shop", "0" * 40) == "0" * 40


@pytest.mark.parametrize(
    "ref", ["nowhere", "0123456", "../../../user", "a/../b", "./main", "/main", "main/", "a//b", ""]
)
def test_a_ref_that_is_not_there_is_an_error(gitea: FakeGitea, forge: GiteaForge, ref: str) -> None:
    gitea.refs["main"] = sha("main")
    with pytest.raises(ForgeError, match=f"repository `shop` has no branch or tag `{ref}`"):
        forge.resolve("shop", ref)


def test_a_repository_that_cannot_be_seen_has_no_commit_either(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.instead["/repos/acme/shop"] = Answer(404)
    with pytest.raises(ForgeError, match="answered 404"):
        forge.resolve("shop", "0" * 40)


@pytest.mark.parametrize("is_writable", [True, False])
def test_the_repository_says_whether_the_account_may_write(
    gitea: FakeGitea, forge: GiteaForge, is_writable: bool
) -> None:
    gitea.is_writable = is_writable
    assert forge.may_write("shop") is is_writable


# The bot's own comment


def test_a_comment_is_made_then_replaced(gitea: FakeGitea, forge: GiteaForge) -> None:
    assert forge.comment(CHANGE, "web-1") is None
    forge.say(CHANGE, "web-1", "building")
    forge.say(CHANGE, "web-1", "ready\n\nhere\n")
    assert forge.comment(CHANGE, "web-1") == "ready\n\nhere"
    assert [comment["body"] for comment in gitea.comments] == ["<!-- layersite: web-1 -->\nready\n\nhere"]


@pytest.mark.parametrize("stored", ["<!-- layersite: web-1 -->\nready", "<!-- layersite: web-1 -->\r\nready\r\n"])
def test_nothing_is_sent_if_the_comment_already_reads_so(gitea: FakeGitea, forge: GiteaForge, stored: str) -> None:
    gitea.say(1, stored)
    forge.say(CHANGE, "web-1", "ready\n")
    assert gitea.writes == []


def test_each_environment_has_a_comment_of_its_own(forge: GiteaForge) -> None:
    forge.say(CHANGE, "web-1", "first")
    forge.say(CHANGE, "web-12", "second")
    forge.say(dataclasses.replace(CHANGE, number=2), "web-1", "third")
    assert (forge.comment(CHANGE, "web-1"), forge.comment(CHANGE, "web-12")) == ("first", "second")


def test_copies_that_a_killed_run_left_are_removed(gitea: FakeGitea, forge: GiteaForge) -> None:
    for body in ("one", "two", "three"):
        gitea.say(1, f"<!-- layersite: web-1 -->\n{body}")
    gitea.say(1, "<!-- layersite: web-2 -->\nother")
    forge.say(CHANGE, "web-1", "ready")
    assert [comment["body"] for comment in gitea.comments] == [
        "<!-- layersite: web-1 -->\nready",
        "<!-- layersite: web-2 -->\nother",
    ]


def test_nobody_else_can_plant_a_comment(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.say(1, "<!-- layersite: web-1 -->\nplanted", MONA)
    assert forge.comment(CHANGE, "web-1") is None
    forge.say(CHANGE, "web-1", "ready")
    assert [comment["body"] for comment in gitea.comments] == [
        "<!-- layersite: web-1 -->\nplanted",
        "<!-- layersite: web-1 -->\nready",
    ]


def test_a_mark_that_the_bot_quotes_is_no_mark(forge: GiteaForge) -> None:
    forge.say(CHANGE, "web-1", "Title:\n<!-- layersite: web-2 -->\nquoted")
    assert forge.comment(CHANGE, "web-2") is None


def test_comments_that_cannot_be_read_in_full_are_not_written_over(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.instead["/repos/acme/shop/issues/1/comments"] = Answer(body=b"[]", headers={"X-Total-Count": "1"})
    with pytest.raises(ForgeError, match="the comments on pull request 1: the list holds 0"):
        forge.say(CHANGE, "web-1", "ready")


def test_a_token_that_may_not_comment_says_what_it_needs(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.say(1, "<!-- layersite: web-1 -->\nold")
    gitea.instead["/repos/acme/shop/issues/comments/1"] = Answer(403)
    with pytest.raises(ForgeError, match=r"a comment on pull request 1: .* answered 403.*write:issue"):
        forge.say(CHANGE, "web-1", "new")


def test_there_is_no_comment_on_what_is_no_pull_request(forge: GiteaForge) -> None:
    with pytest.raises(ForgeError, match="is no pull request"):
        forge.say(dataclasses.replace(CHANGE, number=None), "web-1", "ready")


# Commit statuses


def test_a_status_is_put_on_the_commit(gitea: FakeGitea, forge: GiteaForge) -> None:
    forge.set_status(CHANGE, STATUS)
    (status,) = gitea.statuses
    told = (status["status"], status["description"], status["target_url"], status["context"])
    assert told == ("success", "web-1 is ready", "https://web-1.example.com", "layersite")


@pytest.mark.parametrize(
    ("before", "sent"),
    [
        ([STATUS], 0),
        ([dataclasses.replace(STATUS, state="pending"), STATUS], 0),
        ([STATUS, dataclasses.replace(STATUS, context="ci", state="failure")], 0),
        ([STATUS, dataclasses.replace(STATUS, state="pending")], 1),
        ([dataclasses.replace(STATUS, description="web-1 is coming")], 1),
        ([dataclasses.replace(STATUS, url="https://old.example.com")], 1),
        ([dataclasses.replace(STATUS, context="ci")], 1),
    ],
    ids=["same", "newest is the same", "others' do not count", "older is the same", "text", "address", "context"],
)
def test_a_status_is_sent_unless_the_newest_says_the_same(
    gitea: FakeGitea, make: Make, before: list[Status], sent: int
) -> None:
    for status in before:
        make().set_status(CHANGE, status)
    gitea.writes.clear()
    make().set_status(CHANGE, STATUS)
    assert len(gitea.writes) == sent


# What people ask for


def asked(gitea: FakeGitea, forge: GiteaForge) -> list[tuple[int, str, str]]:
    (change,) = forge.changes()
    return [(each.comment, each.by, each.refusal) for each in forge.asked(change)]


def test_a_comment_that_asks_for_something_is_heard_until_it_is_answered(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.open(1)
    gitea.rights = {"mona": "write"}
    gitea.say(1, "nice work", MONA)
    gitea.say(1, "/layersite wake", MONA)
    assert asked(gitea, forge) == asked(gitea, forge) == [(2, "mona", "")]
    forge.answer(forge.asked(CHANGE)[0], is_done=True)
    gitea.say(1, "/layersite teardown now", MONA)
    assert asked(gitea, forge) == [(3, "mona", "")]
    forge.answer(forge.asked(CHANGE)[0], is_done=False)
    assert [(key, given["content"]) for key, all_ in gitea.reactions.items() for given in all_] == [
        (2, "+1"),
        (3, "-1"),
    ]


def test_another_run_knows_what_was_answered(gitea: FakeGitea, make: Make) -> None:
    gitea.open(1)
    gitea.rights = {"mona": "owner"}
    gitea.say(1, "/layersite wake", MONA)
    first = make()
    first.answer(first.asked(CHANGE)[0], is_done=True)
    assert make().asked(CHANGE) == []


@pytest.mark.parametrize(
    ("rights", "refusal"),
    [
        pytest.param({"mona": "read"}, "only who may write", id="who may only read"),
        pytest.param({}, "not known here any more", id="who was deleted"),
        pytest.param(None, "make its account an administrator", id="the bot may not know"),
    ],
)
def test_who_may_not_write_may_not_ask(
    gitea: FakeGitea, forge: GiteaForge, rights: dict[str, str] | None, refusal: str
) -> None:
    gitea.open(1)
    gitea.rights = rights
    gitea.say(1, "/layersite teardown", MONA)
    ((number, by, why),) = asked(gitea, forge)
    assert (number, by, refusal in why) == (1, "mona", True)


def test_comments_are_read_again_only_when_there_are_new_ones(gitea: FakeGitea, forge: GiteaForge) -> None:
    gitea.open(1)
    assert asked(gitea, forge) == []
    gitea.instead[f"{PULLS.replace('pulls', 'issues')}/1/comments"] = Answer(500)
    assert asked(gitea, forge) == []
    gitea.say(1, "/layersite wake", MONA)
    with pytest.raises(ForgeError, match="answered 500"):
        asked(gitea, forge)


# The fake itself


def test_the_fake_answers_in_the_published_shape(gitea: FakeGitea, forge: GiteaForge) -> None:
    schema = json.loads((Path(__file__).parent / "gitea_schema.json").read_text("utf-8"))
    gitea.refs["main"] = sha("main")
    pull = gitea.open(1, labels=[{"id": 1, "name": "ui"}])
    forge.say(CHANGE, "web-1", "ready")
    forge.set_status(CHANGE, STATUS)
    forge.answer(Asked(CHANGE, 1, "mona", "/layersite wake"), is_done=True)
    gitea.rights = {"mona": "write"}
    for name, payload in {
        "PullRequest": pull,
        "ChangedFile": changed("b", previous_filename="a"),
        "Repository": gitea.repository("acme/shop"),
        "User": pull["user"],
        "Comment": gitea.comments[0],
        "CommitStatus": gitea.statuses[0],
        "Reaction": gitea.reactions[1][0],
        "RepoCollaboratorPermission": gitea.permission("mona"),
        "Branch": gitea.ref("branches", "main"),
        "Tag": gitea.ref("tags", "main"),
    }.items():
        jsonschema_rs.Draft4Validator({**schema, "$ref": f"#/definitions/{name}"}).validate(payload)


def test_a_comment_that_somebody_deleted_is_made_anew_by_the_next_try(gitea: FakeGitea, forge: GiteaForge) -> None:
    forge.say(CHANGE, "web-1", "building")
    assert forge.comment(CHANGE, "web-1") == "building"
    gitea.comments.clear()
    with pytest.raises(ForgeError):
        forge.say(CHANGE, "web-1", "ready")
    forge.say(CHANGE, "web-1", "ready")
    assert [each["body"].splitlines()[1] for each in gitea.comments] == ["ready"]
