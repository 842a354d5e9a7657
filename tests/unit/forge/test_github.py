"""What is GitHub's own, against a small server that answers as GitHub publishes that it does."""

import json
import time
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from layersite.forge import Status, _github, _pull
from layersite.forge._http import Received
from layersite.forge._pulls import PullForge
from layersite.forge.github import GitHubForge
from layersite.model.change import Change
from layersite.model.command import Asked
from layersite.model.errors import ForgeError
from tests.unit.forge.conftest import SHOP, serving
from tests.unit.forge.fake_forge import MONA, Answer, sha
from tests.unit.forge.fake_github import FakeGitHub, pull_request
from tests.unit.forge.untrue import Make, assert_untrue, untrue

PULLS = "/repos/acme/shop/pulls"
fake = serving(FakeGitHub)
CHANGE = Change("shop", 1, "branch-1", sha("branch-1"))
PUBLISHED = json.loads((Path(__file__).parent / "github_schema.json").read_text("utf-8"))


def listed(*numbers: int, **headers: str) -> Answer:
    return Answer(body=json.dumps([pull_request(number) for number in numbers]).encode(), headers=headers)


NEXT = '<https://api.github.com/repositories/1/pulls?page=2>; rel="next", <https://x/pulls?page=9>; rel="last"'
UNTRUE = {
    **untrue(pull_request, "X-Unread", "the permissions contents: read"),
    "empty list without a total": (listed(), "0 are listed, but the repository counts 6"),
    "short page without a total": (listed(1, 2), "2 are listed, but the repository counts 6"),
    "short page with the total": (listed(1, 2, 3, 4, 5), "5 are listed, but the repository counts 6"),
    "short page with a next one": (listed(1, 2, Link=NEXT), "2 of 4 are listed twice"),
    "all pages the same": (listed(1, 2, 3), "3 are listed, but the repository counts 6"),
    "none with a next one": (listed(Link=NEXT), "holds 0, but says that there are 0 or more"),
    "closed ones": (Answer(body=json.dumps([pull_request(1, state="closed")]).encode()), "closed ones are listed"),
}


@pytest.mark.parametrize(("answer", "message"), UNTRUE.values(), ids=UNTRUE.keys())
def test_what_is_not_the_whole_list_is_an_error(fake: FakeGitHub, make: Make, answer: Answer, message: str) -> None:
    assert_untrue(fake, make, answer, message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b'{"data": {"repository": null}, "errors": [{"type": "NOT_FOUND"}]}',
            "told nothing and gave NOT_FOUND: the token needs",
        ),
        (
            b'{"errors": [{"type": "RATE_LIMITED", "message": "x"}]}',
            "gave RATE_LIMITED: too many requests, a later run",
        ),
        (b'{"data": {"repository": null}}', "told nothing and gave no reason"),
        (b'{"data": {"repository": {"pullRequests": {"totalCount": "1"}}}}', "not as a forge does"),
        (b"null", "not as a forge does"),
    ],
)
def test_a_list_that_cannot_be_counted_is_an_error(
    fake: FakeGitHub, forge: PullForge, body: bytes, message: str
) -> None:
    fake.open(1)
    fake.instead["/graphql"] = Answer(body=body)
    with pytest.raises(ForgeError, match=f"the number of its open pull requests.*{message}"):
        forge.changes()


# What a change says


def test_a_draft_is_one_where_the_server_says_so(fake: FakeGitHub, forge: PullForge) -> None:
    fake.open(1, draft=True)
    fake.open(2, title="WIP: it says that it is none")
    assert [change.draft for change in forge.changes()] == [True, False]


@pytest.mark.parametrize(
    ("repository", "fork"), [(1, False), (2, True), (None, True)], ids=["own", "another's", "deleted"]
)
def test_a_fork_is_whatever_comes_from_elsewhere(
    fake: FakeGitHub, forge: PullForge, repository: int | None, fork: bool
) -> None:
    fake.open(1, head_repo=repository)
    assert forge.changes()[0].fork is fork


def test_who_is_no_more_wrote_it_all_the_same(fake: FakeGitHub, forge: PullForge) -> None:
    fake.open(1, user=None)
    fake.say(1, "/layersite wake", MONA)
    fake.comments[0]["user"] = None
    (change,) = forge.changes()
    assert change.author == ""
    assert forge.asked(change)[0].refusal.startswith("only who may write")


def test_files_are_kept_until_the_pull_request_moves(fake: FakeGitHub, forge: PullForge) -> None:
    pull = fake.open(1)
    forge.changes()
    fake.files["acme/shop", 1] = [fake.changed("new")]
    assert forge.changes()[0].files == ("README.md",)
    pull["base"]["ref"] = "release"
    assert forge.changes()[0].files == ("new",)


def test_more_files_than_github_tells_are_not_known(fake: FakeGitHub, forge: PullForge) -> None:
    fake.open(1, changed_files=3001)
    assert forge.changes()[0].files is None


def test_fewer_files_than_are_counted_are_an_error(fake: FakeGitHub, forge: PullForge) -> None:
    fake.open(1, changed_files=2)
    with pytest.raises(ForgeError, match="the files of pull request 1: 1 are listed, but it counts 2"):
        forge.changes()


def test_comments_are_read_to_their_last_page(fake: FakeGitHub, make: Make) -> None:
    fake.open(1)
    fake.rights = {"mona": "admin"}
    for _ in range(100):
        fake.say(1, "nice work", MONA)
    fake.say(1, "<!-- layersite: shop-1 -->\nbuilding")
    fake.say(1, "/layersite wake", MONA)
    forge = make()
    assert forge.comment(CHANGE, "shop-1") == "building"
    assert [each.comment for each in forge.asked(CHANGE)] == [102]


def test_an_annotated_tag_resolves_to_its_commit(fake: FakeGitHub, forge: PullForge) -> None:
    fake.refs["v1"], fake.annotated[sha("tag")] = sha("tag"), sha("commit")
    assert forge.resolve("shop", "v1") == sha("commit")


def test_a_right_to_write_that_a_proxy_claims_is_none(fake: FakeGitHub, forge: PullForge) -> None:
    fake.instead[f"/repos/acme/shop/statuses/{'0' * 40}"] = Answer(201, b"{}")
    with pytest.raises(ForgeError, match="a status of no commit was taken"):
        forge.may_write("shop")


@pytest.mark.parametrize(
    ("url", "api"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://acme.ghe.com/", "https://api.acme.ghe.com"),
        ("https://github.example.com/", "https://github.example.com/api"),
        ("http://notgithub.com:8080", "http://notgithub.com:8080/api"),
    ],
)
def test_the_api_is_where_that_github_has_it(make: Make, url: str, api: str) -> None:
    assert make(url=url)._http.url == api


# Too many requests


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(429, headers={"Retry-After": "3600"}), "answered 429: too many requests: .* left alone for 3600 s"),
        (Answer(403, headers={"Retry-After": "7200"}), "answered 403: too many requests: .* left alone for 7200 s"),
        (Answer(403, b'{"message": "You have exceeded a secondary rate limit."}'), "left alone for 60 s"),
        (
            Answer(403, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"}),
            "the token's budget is spent and is new at 00:00 UTC",
        ),
        (Answer(429, headers={"X-RateLimit-Reset": "never"}), "left alone for 60 s"),
    ],
    ids=["429", "secondary", "secondary without a time", "primary", "without a time"],
)
def test_a_github_that_was_asked_too_often_is_left_alone(
    fake: FakeGitHub, forge: PullForge, answer: Answer, message: str
) -> None:
    fake.instead["*"] = answer
    with pytest.raises(ForgeError, match=message):
        forge.find(CHANGE)
    fake.instead.clear()
    asked = len(fake.tokens)
    with pytest.raises(ForgeError, match="was not asked, for it said before: too many requests"):
        forge.find(CHANGE)
    assert len(fake.tokens) == asked


def test_a_budget_that_is_new_already_is_used(fake: FakeGitHub, forge: PullForge) -> None:
    spent = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) - 10)}
    fake.instead["*"] = Answer(403, headers=spent)
    with pytest.raises(ForgeError, match="budget is spent"):
        forge.find(CHANGE)
    fake.instead.clear()
    fake.open(1)
    assert forge.find(CHANGE) is not None


@pytest.mark.parametrize(
    ("needed", "told"),
    [
        ("issues=write; pull_requests=write", "takes the permission issues=write or pull_requests=write"),
        ("<b>anything</b>", "in this repository$"),
    ],
)
def test_a_refusal_tells_the_permission_that_it_takes(
    fake: FakeGitHub, forge: PullForge, needed: str, told: str
) -> None:
    fake.instead["/repos/acme/shop/issues/1/comments"] = Answer(403, headers={"X-Accepted-GitHub-Permissions": needed})
    with pytest.raises(ForgeError, match=f"answered 403: the token may not do this.*{told}"):
        forge.say(CHANGE, "shop-1", "ready")


# What GitHub publishes


def test_its_own_examples_are_understood(fake: FakeGitHub, forge: PullForge) -> None:
    examples = PUBLISHED["examples"]
    path, number = "/repos/acme/shop", examples["pull"]["number"]
    fake.open(number)
    fake.instead = {
        f"{PULLS}": _body([{**examples["pulls"][0], "state": "open"}]),
        f"{PULLS}/{number}": _body({**examples["pull"], "changed_files": 1}),
        f"{PULLS}/{number}/files": _body(examples["files"]),
        f"{path}/issues/{number}/comments": _body([{**examples["comments"][0], "body": "/layersite wake"}]),
        f"{path}/issues/comments/1/reactions": _body(examples["reactions"]),
        f"{path}/collaborators/octocat/permission": _body(examples["permission"]),
        f"{path}/git/ref/heads/featureA": _body(examples["ref"]),
    }
    (change,) = forge.changes()
    assert change == Change(
        repository="shop",
        number=1347,
        branch="new-topic",
        sha="6dcb09b5b57875f334f61aebed695e2e4193db5e",
        target="master",
        title="Amazing new feature",
        author="octocat",
        labels=("bug",),
        url="https://github.com/octocat/Hello-World/pull/1347",
        updated_at="2011-01-26T19:01:12Z",
        files=("file1.txt",),
    )
    assert forge.asked(change) == [Asked(change, 1, "octocat", "/layersite wake")]
    assert forge.resolve("shop", "featureA") == "aa218f56b14c9653891f9e74264a383fa43fefbd"


def test_a_status_that_github_publishes_is_not_sent_again(fake: FakeGitHub, forge: PullForge) -> None:
    (status,) = PUBLISHED["examples"]["statuses"]
    fake.instead[f"/repos/acme/shop/commits/{CHANGE.sha}/statuses"] = _body([status])
    forge.set_status(CHANGE, Status("success", status["description"], status["target_url"], status["context"]))
    assert fake.writes == []


def test_the_fake_answers_in_the_published_shape(fake: FakeGitHub, forge: PullForge) -> None:
    fake.refs["main"], fake.annotated[sha("tag")] = sha("main"), sha("commit")
    fake.rights = {"mona": "write"}
    pull = fake.open(1, labels=[fake.label("ui")])
    forge.say(CHANGE, "web-1", "ready")
    forge.set_status(CHANGE, Status("success", "web-1 is ready", "https://web-1.example.com"))
    forge.answer(Asked(CHANGE, 1, "mona", "/layersite wake"), is_done=True)
    for name, payload in {
        "pull-request-simple": fake.brief(pull),
        "pull-request": fake.whole("acme/shop", 1),
        "diff-entry": fake.changed("b", was="a"),
        "issue-comment": fake.comment(fake.comments[0]),
        "reaction": fake.reactions[1][0],
        "repository-collaborator-permission": fake.permission("mona"),
        "status": fake.statuses[0],
        "git-ref": fake.ref("heads", "main"),
        "git-tag": fake.tag(sha("tag")),
    }.items():
        schema = {"schemas": PUBLISHED["schemas"], "$ref": f"#/schemas/{name}"}
        jsonschema_rs.Draft202012Validator(schema).validate(payload)


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        (_github.Pull, "pull-request-simple"),
        (_github.Pull, "pull-request"),
        (_github.Counted, "pull-request"),
        (_github.Ref, "git-ref"),
        (_github.Tag, "git-tag"),
        (_pull.File, "diff-entry"),
        (_pull.CommitStatus, "status"),
        (_pull.Reaction, "reaction"),
        (_pull.Permission, "repository-collaborator-permission"),
        (_pull.User, "nullable-simple-user"),
    ],
)
def test_what_is_needed_is_promised(shape: type[Received], name: str) -> None:
    needed = {key for key, field in shape.model_fields.items() if field.is_required()}
    assert needed <= {*PUBLISHED["schemas"][name]["promised"]}


def _body(payload: Any) -> Answer:
    return Answer(body=json.dumps(payload).encode())


def test_a_workflows_own_token_will_do(fake: FakeGitHub) -> None:
    fake.open(1)
    fake.instead["/user"] = Answer(403)
    forge = GitHubForge(SHOP, fake.url, "t0p-secret-token")
    forge.say(CHANGE, "shop-1", "building")
    forge.say(CHANGE, "shop-1", "ready")
    forge.close()
    assert [each["body"] for each in fake.comments] == ["<!-- layersite: shop-1 -->\nready"]
