"""What all forges do alike, against small servers that can answer wrongly in every way."""

import dataclasses
import itertools
import socket
import traceback
from collections.abc import Callable

import pytest

from layersite.forge import Conversation, Forge, Status
from layersite.forge._pulls import PullForge
from layersite.model.change import Change
from layersite.model.errors import ForgeError
from layersite.model.site import Repository
from tests.unit.forge.conftest import SHOP
from tests.unit.forge.fake_forge import MONA, TOKEN, Answer, sha
from tests.unit.forge.fake_gitea import FakeGitea
from tests.unit.forge.fake_github import FakeGitHub
from tests.unit.forge.fake_gitlab import FakeGitLab
from tests.unit.forge.untrue import HTML, Make

CHANGE = Change("shop", 1, "branch-1", sha("branch-1"))
STATUS = Status("success", "web-1 is ready", "https://web-1.example.com")
Fake = FakeGitea | FakeGitLab
not_gitlab = pytest.mark.parametrize("fake", [FakeGitea, FakeGitHub], indirect=True)


def test_it_is_a_forge_with_a_conversation(forge: PullForge) -> None:
    both: tuple[Forge, Conversation] = forge, forge
    assert both[0].changes() == []


# What a change says


def test_a_pull_request_becomes_a_change(fake: Fake, forge: PullForge) -> None:
    body, labels = "Because.\r\nEnvironment: friday \r\n", [fake.label("ui"), fake.label("slow")]
    pull = fake.open(7, branch="new-cart", title="Add a cart", body=body, labels=labels)
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
            url=f"{fake.url}/acme/shop/{fake.PAGE}/7",
            updated_at=pull["updated_at"],
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
    fake: Fake, forge: PullForge, description: str | None, name: str | None
) -> None:
    fake.open(1, body=description)
    assert forge.changes()[0].environment == name


@pytest.mark.parametrize("branch", ["Feature/JIRA-123_Große-Änderung/xxx", "fix/a.b_c+d", "a#b%20c&d", "日本"])
def test_a_branch_keeps_its_odd_name(fake: Fake, forge: PullForge, branch: str) -> None:
    fake.open(1, branch=branch)
    assert forge.changes()[0].branch == branch


def test_changes_come_from_every_repository_in_a_fixed_order(fake: Fake, make: Make) -> None:
    fake.open(2)
    fake.open(9, repository="acme/api")
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
@not_gitlab
def test_the_git_url_says_which_repository_it_is(fake: FakeGitea, make: Make, url: str) -> None:
    fake.open(1)
    assert len(make(repositories={"shop": Repository(url=url)}).changes()) == 1


@pytest.mark.parametrize("url", ["https://git.example.com/shop.git", "git@git.example.com:shop.git", "shop"])
def test_a_git_url_without_an_owner_is_refused(make: Make, url: str) -> None:
    with pytest.raises(ForgeError, match=r"does not end in (owner/name|group/project)"):
        make(repositories={"shop": Repository(url=url)})


# Changed files


def test_a_moved_file_counts_at_both_places(fake: Fake, forge: PullForge) -> None:
    fake.open(1)
    fake.files["acme/shop", 1] = [fake.changed("b/x", "renamed", was="a/x"), fake.changed("c")]
    assert forge.changes()[0].files == ("a/x", "b/x", "c")


def test_all_pages_of_changed_files_are_read(fake: Fake, forge: PullForge) -> None:
    fake.open(1)
    fake.files["acme/shop", 1] = [fake.changed(f"{n:03}") for n in range(120)]
    assert len(forge.changes()[0].files or ()) == 120


def test_a_file_that_became_a_link_leaves_the_files_unknown(fake: Fake, forge: PullForge) -> None:
    fake.open(1)
    fake.files["acme/shop", 1] = [fake.changed("x", "deleted"), fake.changed("x", "added")]
    assert forge.changes()[0].files is None


def test_files_are_asked_for_where_they_matter(fake: Fake, make: Make) -> None:
    fake.open(1)
    fake.instead[fake.FILES] = Answer(status=500)
    assert make(files_of=()).changes()[0].files is None


# Complete, or an error


def test_thirty_five_pull_requests_are_listed_by_thirties(fake: Fake, forge: PullForge) -> None:
    fake.page_size = 30
    for number in range(1, 36):
        fake.open(number)
    assert [change.number for change in forge.changes()] == list(range(1, 36))


def test_no_pull_requests_are_none_if_the_repository_counts_none(fake: Fake, forge: PullForge) -> None:
    assert forge.changes() == []


def test_a_pull_request_that_closes_while_pages_are_read_hides_no_other(fake: Fake, forge: PullForge) -> None:
    _open_six_by_twos(fake)
    fake.after_page = lambda page: fake.close(1) if page == 1 else None
    assert [change.number for change in forge.changes()] == [2, 3, 4, 5, 6]


def test_one_that_closes_just_as_another_opens_hides_no_third(fake: Fake, forge: PullForge) -> None:
    _open_six_by_twos(fake)

    def swap(page: int) -> None:
        if page == 1 and len(fake.pulls["acme/shop"]) == 6:
            fake.close(1)
            fake.open(7)

    fake.after_page = swap
    assert [change.number for change in forge.changes()] == [2, 3, 4, 5, 6, 7]


def test_a_list_that_never_rests_is_an_error(fake: Fake, forge: PullForge) -> None:
    _open_six_by_twos(fake)
    numbers = itertools.count(7)

    def swap(page: int) -> None:
        fake.pulls["acme/shop"].pop(0)
        fake.open(next(numbers))

    fake.after_page = swap
    with pytest.raises(ForgeError, match="kept changing"):
        forge.changes()


def _open_six_by_twos(fake: Fake) -> None:
    fake.page_size = 2
    for number in range(1, 7):
        fake.open(number)


def test_one_repository_that_cannot_be_read_leaves_no_part_of_the_others(fake: Fake, make: Make) -> None:
    fake.open(1)
    repositories = {**SHOP, "gone": Repository(url="https://git.example.com/acme/gone.git")}
    with pytest.raises(ForgeError, match=r"repository `gone` \(acme/gone\).*404"):
        make(repositories=repositories).changes()


def test_a_forge_that_is_not_there_is_an_error(make: Make) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ForgeError, match=f"http://127.0.0.1:{port}/api(/v1)? cannot be reached"):
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


def test_the_token_does_not_follow_a_redirect_to_another_host(fake: Fake, forge: PullForge) -> None:
    elsewhere = FakeGitea()
    fake.instead[fake.LIST] = Answer(307, headers={"Location": f"{elsewhere.url}{fake.LIST}"})
    with pytest.raises(ForgeError, match="answered 307"):
        forge.changes()
    elsewhere.stop()
    assert elsewhere.tokens == []


def test_a_counter_that_counts_too_few_hides_nothing(fake: Fake, forge: PullForge) -> None:
    fake.open(1)
    fake.counted = -1
    assert len(forge.changes()) == 1


# One change by itself


def test_find_tells_the_present_head(fake: Fake, forge: PullForge) -> None:
    fake.open(1, branch="newer")
    found = forge.find(CHANGE)
    assert found is not None
    assert found.sha == sha("newer")


def test_a_pull_request_is_gone_if_its_repository_shows_others(fake: Fake, forge: PullForge) -> None:
    fake.open(2)
    assert forge.find(CHANGE) is None


def test_a_change_without_a_number_is_no_open_pull_request(forge: PullForge) -> None:
    assert forge.find(dataclasses.replace(CHANGE, number=None)) is None


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("", Answer(404)),
        ("", Answer(body=HTML)),
        ("/1", Answer(body=b"null")),
        ("/1", Answer(body=HTML)),
        ("/1", Answer(body=b'{"state": "closed"}')),
        ("/1", Answer(status=403)),
        ("/1", Answer(status=500)),
    ],
    ids=["repository 404", "repository HTML", "null", "HTML", "too little", "403", "500"],
)
def test_find_concludes_nothing_from_an_unclear_answer(fake: Fake, forge: PullForge, path: str, answer: Answer) -> None:
    fake.instead[f"{fake.LIST}{path}"] = answer
    with pytest.raises(ForgeError, match=r"repository `shop` \(acme/shop\)"):
        forge.find(CHANGE)


@pytest.mark.parametrize("use", ["find", "resolve", "comment"])
def test_an_unknown_repository_is_told_with_what_is_like_it(forge: PullForge, use: str) -> None:
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
def test_a_branch_or_tag_resolves_to_its_commit(fake: Fake, forge: PullForge, ref: str) -> None:
    fake.refs[ref] = sha(ref)
    assert forge.resolve("shop", ref) == sha(ref)


def test_a_full_commit_id_resolves_to_itself(forge: PullForge) -> None:
    assert forge.resolve("shop", "0" * 40) == "0" * 40


@pytest.mark.parametrize(
    "ref", ["nowhere", "0123456", "../../../user", "a/../b", "./main", "/main", "main/", "a//b", ""]
)
def test_a_ref_that_is_not_there_is_an_error(fake: Fake, forge: PullForge, ref: str) -> None:
    fake.refs["main"] = sha("main")
    with pytest.raises(ForgeError, match=f"repository `shop` has no branch or tag `{ref}`"):
        forge.resolve("shop", ref)


def test_a_repository_that_cannot_be_seen_has_no_commit_either(fake: Fake, forge: PullForge) -> None:
    fake.instead = {"/repos/acme/shop": Answer(404), "/graphql": Answer(404)}
    with pytest.raises(ForgeError, match="answered 404"):
        forge.resolve("shop", "0" * 40)


@not_gitlab
@pytest.mark.parametrize("is_writable", [True, False])
def test_the_repository_says_whether_the_account_may_write(
    fake: FakeGitea, forge: PullForge, is_writable: bool
) -> None:
    fake.is_writable = is_writable
    assert forge.may_write("shop") is is_writable


# The bot's own comment


def test_a_comment_is_made_then_replaced(fake: Fake, forge: PullForge) -> None:
    assert forge.comment(CHANGE, "web-1") is None
    forge.say(CHANGE, "web-1", "building")
    forge.say(CHANGE, "web-1", "ready\n\nhere\n")
    assert forge.comment(CHANGE, "web-1") == "ready\n\nhere"
    assert [comment["body"] for comment in fake.comments] == ["<!-- layersite: web-1 -->\nready\n\nhere"]


@pytest.mark.parametrize("stored", ["<!-- layersite: web-1 -->\nready", "<!-- layersite: web-1 -->\r\nready\r\n"])
def test_nothing_is_sent_if_the_comment_already_reads_so(fake: Fake, forge: PullForge, stored: str) -> None:
    fake.say(1, stored)
    forge.say(CHANGE, "web-1", "ready\n")
    assert fake.writes == []


def test_each_environment_has_a_comment_of_its_own(forge: PullForge) -> None:
    forge.say(CHANGE, "web-1", "first")
    forge.say(CHANGE, "web-12", "second")
    forge.say(dataclasses.replace(CHANGE, number=2), "web-1", "third")
    assert (forge.comment(CHANGE, "web-1"), forge.comment(CHANGE, "web-12")) == ("first", "second")


def test_copies_that_a_killed_run_left_are_removed(fake: Fake, forge: PullForge) -> None:
    for body in ("one", "two", "three"):
        fake.say(1, f"<!-- layersite: web-1 -->\n{body}")
    fake.say(1, "<!-- layersite: web-2 -->\nother")
    forge.say(CHANGE, "web-1", "ready")
    assert [comment["body"] for comment in fake.comments] == [
        "<!-- layersite: web-1 -->\nready",
        "<!-- layersite: web-2 -->\nother",
    ]


def test_nobody_else_can_plant_a_comment(fake: Fake, forge: PullForge) -> None:
    fake.say(1, "<!-- layersite: web-1 -->\nplanted", MONA)
    assert forge.comment(CHANGE, "web-1") is None
    forge.say(CHANGE, "web-1", "ready")
    assert [comment["body"] for comment in fake.comments] == [
        "<!-- layersite: web-1 -->\nplanted",
        "<!-- layersite: web-1 -->\nready",
    ]


def test_a_mark_that_the_bot_quotes_is_no_mark(forge: PullForge) -> None:
    forge.say(CHANGE, "web-1", "Title:\n<!-- layersite: web-2 -->\nquoted")
    assert forge.comment(CHANGE, "web-2") is None


def test_a_token_that_may_not_comment_says_what_it_needs(fake: Fake, forge: PullForge) -> None:
    fake.say(1, "<!-- layersite: web-1 -->\nold")
    fake.instead[fake.COMMENT] = Answer(403)
    with pytest.raises(
        ForgeError, match=r"a comment on (pull|merge) request 1: .* answered 403.*it needs the (scope|permission)s? "
    ):
        forge.say(CHANGE, "web-1", "new")


def test_there_is_no_comment_on_what_is_no_pull_request(forge: PullForge) -> None:
    with pytest.raises(ForgeError, match=r"is no (pull|merge) request"):
        forge.say(dataclasses.replace(CHANGE, number=None), "web-1", "ready")


# Commit statuses


@not_gitlab
def test_a_status_is_put_on_the_commit(fake: FakeGitea, forge: PullForge) -> None:
    forge.set_status(CHANGE, STATUS)
    (status,) = fake.statuses
    told = (status.get("status") or status["state"], status["description"], status["target_url"], status["context"])
    assert told == ("success", "web-1 is ready", "https://web-1.example.com", "layersite")


@not_gitlab
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
    fake: FakeGitea, make: Make, before: list[Status], sent: int
) -> None:
    for status in before:
        make().set_status(CHANGE, status)
    fake.writes.clear()
    make().set_status(CHANGE, STATUS)
    assert len(fake.writes) == sent


@not_gitlab
def test_a_status_without_an_address_is_sent_once(fake: FakeGitea, make: Make) -> None:
    for _ in range(2):
        make().set_status(CHANGE, dataclasses.replace(STATUS, url=""))
    assert len(fake.writes) == 1


# What people ask for


def asked(forge: PullForge) -> list[tuple[int, str, str]]:
    (change,) = forge.changes()
    return [(each.comment, each.by, each.refusal) for each in forge.asked(change)]


def test_a_comment_that_asks_for_something_is_heard_until_it_is_answered(fake: Fake, forge: PullForge) -> None:
    fake.open(1)
    fake.say(1, "nice work", MONA)
    fake.say(1, "/layersite wake", MONA)
    assert asked(forge) == asked(forge) == [(2, "mona", "")]
    forge.answer(forge.asked(CHANGE)[0], is_done=True)
    fake.say(1, "/layersite teardown now", MONA)
    assert asked(forge) == [(3, "mona", "")]
    forge.answer(forge.asked(CHANGE)[0], is_done=False)
    held, up, down = fake.THUMBS
    given = [(key, thumb[held]) for key, thumbs in fake.reactions.items() for thumb in thumbs]
    assert given == [(2, up), (3, down)]


def test_another_run_knows_what_was_answered(fake: Fake, make: Make) -> None:
    fake.open(1)
    fake.say(1, "/layersite wake", MONA)
    first = make()
    first.answer(first.asked(CHANGE)[0], is_done=True)
    assert make().asked(CHANGE) == []


@not_gitlab
@pytest.mark.parametrize(
    ("rights", "refusal"),
    [
        pytest.param({"mona": "owner"}, "", id="who owns it"),
        pytest.param({"mona": "read"}, "only who may write", id="who may only read"),
        pytest.param({}, "not known here any more", id="who was deleted"),
        pytest.param(None, "make its account an administrator", id="the bot may not know"),
    ],
)
def test_only_who_may_write_may_ask(
    fake: FakeGitea, forge: PullForge, rights: dict[str, str] | None, refusal: str
) -> None:
    fake.open(1)
    fake.rights = rights
    fake.say(1, "/layersite teardown", MONA)
    ((number, by, why),) = asked(forge)
    assert (number, by, refusal in why, bool(why)) == (1, "mona", True, bool(refusal))


def test_comments_are_read_again_only_when_there_are_new_ones(fake: Fake, forge: PullForge) -> None:
    fake.open(1)
    assert asked(forge) == []
    fake.instead[fake.COMMENTS] = Answer(500)
    assert asked(forge) == []
    fake.say(1, "/layersite wake", MONA)
    with pytest.raises(ForgeError, match="answered 500"):
        asked(forge)


def test_a_comment_that_somebody_deleted_is_made_anew_by_the_next_try(fake: Fake, forge: PullForge) -> None:
    forge.say(CHANGE, "web-1", "building")
    assert forge.comment(CHANGE, "web-1") == "building"
    fake.comments.clear()
    with pytest.raises(ForgeError):
        forge.say(CHANGE, "web-1", "ready")
    forge.say(CHANGE, "web-1", "ready")
    assert [each["body"].splitlines()[1] for each in fake.comments] == ["ready"]
