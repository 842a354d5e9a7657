"""What is Gitea's and Forgejo's own, against a small server that can answer wrongly in every way."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from layersite.forge import Status
from layersite.forge._pulls import PullForge
from layersite.model.change import Change
from layersite.model.command import Asked
from layersite.model.errors import ForgeError
from tests.unit.forge.conftest import serving
from tests.unit.forge.fake_forge import Answer, sha
from tests.unit.forge.fake_gitea import FakeGitea, pull_request
from tests.unit.forge.untrue import Make, assert_untrue, untrue

PULLS = "/repos/acme/shop/pulls"
fake = serving(FakeGitea)
CHANGE = Change("shop", 1, "branch-1", sha("branch-1"))


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
    fake: FakeGitea, forge: PullForge, given: dict[str, Any], draft: bool
) -> None:
    fake.open(1, **given)
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
    fake: FakeGitea, forge: PullForge, given: dict[str, Any], fork: bool, branch: str
) -> None:
    fake.open(1, **given)
    (change,) = forge.changes()
    assert (change.fork, change.branch) == (fork, branch)


def test_files_are_kept_until_the_pull_request_moves(fake: FakeGitea, forge: PullForge) -> None:
    pull = fake.open(1)
    forge.changes()
    fake.files["acme/shop", 1] = [fake.changed("new")]
    assert forge.changes()[0].files == ("README.md",)
    pull["merge_base"] = sha("newer base")
    assert forge.changes()[0].files == ("new",)
    fake.files["acme/shop", 1] = [fake.changed("newest")]
    pull["head"]["sha"] = sha("newer head")
    assert forge.changes()[0].files == ("newest",)


UNTRUE = untrue(pull_request, "X-Total-Count", "the scopes read:user, write:issue")


@pytest.mark.parametrize(("answer", "message"), UNTRUE.values(), ids=UNTRUE.keys())
def test_what_is_not_the_whole_list_is_an_error(fake: FakeGitea, make: Make, answer: Answer, message: str) -> None:
    assert_untrue(fake, make, answer, message)


def test_a_pull_request_without_a_head_commit_is_named(fake: FakeGitea, forge: PullForge) -> None:
    fake.open(12, head={"sha": ""})
    with pytest.raises(ForgeError, match="pull request 12 has lost its head commit"):
        forge.changes()


def test_files_that_cannot_be_read_are_an_error(fake: FakeGitea, forge: PullForge) -> None:
    fake.open(1)
    fake.instead[f"{PULLS}/1/files"] = Answer(body=b"[]", headers={"X-Total-Count": "1"})
    with pytest.raises(ForgeError, match="the files of pull request 1: the list holds 0"):
        forge.changes()


def test_find_tells_that_a_pull_request_is_closed(fake: FakeGitea, forge: PullForge) -> None:
    fake.open(1, state="closed", head={"sha": ""})
    assert forge.find(CHANGE) is None


def test_comments_that_cannot_be_read_in_full_are_not_written_over(fake: FakeGitea, forge: PullForge) -> None:
    fake.instead["/repos/acme/shop/issues/1/comments"] = Answer(body=b"[]", headers={"X-Total-Count": "1"})
    with pytest.raises(ForgeError, match="the comments on pull request 1: the list holds 0"):
        forge.say(CHANGE, "web-1", "ready")


def test_the_fake_answers_in_the_published_shape(fake: FakeGitea, forge: PullForge) -> None:
    schema = json.loads((Path(__file__).parent / "gitea_schema.json").read_text("utf-8"))
    fake.refs["main"] = sha("main")
    pull = fake.open(1, labels=[fake.label("ui")])
    forge.say(CHANGE, "web-1", "ready")
    forge.set_status(CHANGE, Status("success", "web-1 is ready", "https://web-1.example.com"))
    forge.answer(Asked(CHANGE, 1, "mona", "/layersite wake"), is_done=True)
    fake.rights = {"mona": "write"}
    for name, payload in {
        "PullRequest": pull,
        "ChangedFile": fake.changed("b", was="a"),
        "Repository": fake.repository("acme/shop"),
        "User": pull["user"],
        "Comment": fake.comments[0],
        "CommitStatus": fake.statuses[0],
        "Reaction": fake.reactions[1][0],
        "RepoCollaboratorPermission": fake.permission("mona"),
        "Branch": fake.ref("branches", "main"),
        "Tag": fake.ref("tags", "main"),
    }.items():
        jsonschema_rs.Draft4Validator({**schema, "$ref": f"#/definitions/{name}"}).validate(payload)
