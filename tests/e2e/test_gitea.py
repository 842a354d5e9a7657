"""Gitea as a forge, against a real one."""

import base64
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from layersite.forge import Status
from layersite.forge.gitea import GiteaForge
from layersite.forge.webhook import Nudge, SignatureError, webhook_change
from layersite.model.change import Change
from layersite.model.errors import ForgeError
from layersite.model.site import Repository
from tests.testbed import Bed

ODD = ["Feature/JIRA-123_Große-Änderung/xxx", "fix/a.b_c+d", "a#b", "p%20c&d", "日本/#x%2Fy"]
Json = Any  # what the forge answers; a test looks at single fields of it


class Person:
    """Somebody who works at the forge with a token of their own."""

    def __init__(self, url: str, token: str) -> None:
        self.token = token
        self.client = httpx.Client(
            base_url=f"{url}/api/v1", headers={"Authorization": f"token {token}"}, timeout=60, trust_env=False
        )
        self.name = str(self.do("GET", "/user")["login"])

    def do(self, method: str, path: str, **content: Any) -> Json:
        answer = self.client.request(method, path, json=content or None)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


@dataclass(frozen=True)
class Shop:
    """One repository, and what its owner does in it."""

    url: str
    owner: Person
    name: str

    @property
    def slug(self) -> str:
        return f"{self.owner.name}/{self.name}"

    def branch(self, name: str, *files: str) -> None:
        self.commit(self.owner, self.slug, name, files or (f"{uuid4().hex}.txt",))

    def commit(self, who: Person, slug: str, branch: str, files: tuple[str, ...]) -> None:
        content = base64.b64encode(b"text").decode()
        made = [{"operation": "create", "path": file, "content": content} for file in files]
        who.do("POST", f"/repos/{slug}/contents", branch="main", new_branch=branch, message="work", files=made)

    def propose(self, head: str, title: str = "Work", body: str = "", who: Person | None = None) -> int:
        path = f"/repos/{self.slug}/pulls"
        return int((who or self.owner).do("POST", path, head=head, base="main", title=title, body=body)["number"])

    def clone(self, folder: Path) -> "Clone":
        address = urlsplit(self.url)
        url = f"{address.scheme}://{self.owner.name}:{self.owner.token}@{address.netloc}/{self.slug}.git"
        subprocess.run(["git", "clone", "--quiet", url, str(folder)], check=True, capture_output=True)
        return Clone(folder)

    def forge(self, token: str | None = None) -> GiteaForge:
        repositories = {"shop": Repository(url=f"{self.url}/{self.slug}.git")}
        return GiteaForge(repositories, self.url, token or self.owner.token)


@dataclass(frozen=True)
class Clone:
    folder: Path

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=mona", "-c", "user.email=mona@example.com", *arguments]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self) -> str:
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", "work")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def shop(bed: Bed, repository: str) -> Iterator[Shop]:
    owner = Person(bed.gitea_url, bed.gitea_token)
    yield Shop(bed.gitea_url, owner, repository)
    owner.client.close()


@pytest.fixture
def forge(shop: Shop) -> Iterator[GiteaForge]:
    made = shop.forge()
    yield made
    made.close()


@pytest.fixture
def mona(shop: Shop) -> Iterator[Person]:
    """Somebody who may only read."""
    person = Person(shop.url, person_with(shop, "all"))
    yield person
    person.client.close()
    shop.owner.do("DELETE", f"/admin/users/{person.name}?purge=true")


def person_with(shop: Shop, *scopes: str) -> str:
    """Make a user with a token of `scopes`, and return the token."""
    name, password = f"mona-{uuid4().hex[:8]}", uuid4().hex
    about = {"username": name, "password": password, "email": f"{name}@example.com", "must_change_password": False}
    shop.owner.do("POST", "/admin/users", **about)
    return token_of(shop, name, password, *scopes)


def token_of(shop: Shop, name: str, password: str, *scopes: str) -> str:
    with httpx.Client(auth=(name, password), trust_env=False) as client:
        content = {"name": uuid4().hex, "scopes": scopes}
        answer = client.post(f"{shop.url}/api/v1/users/{name}/tokens", json=content)
    return str(answer.raise_for_status().json()["sha1"])


def only(changes: list[Change]) -> Change:
    (change,) = changes
    return change


def test_a_pull_request_becomes_a_change(shop: Shop, forge: GiteaForge) -> None:
    shop.branch("new-cart", "web/cart.txt", "docs/größe #1%.md")
    number = shop.propose("new-cart", "WIP: Add a cart", "Because.\r\nEnvironment: friday\r\n")
    label = shop.owner.do("POST", f"/repos/{shop.slug}/labels", name="ui/new", color="#00aabb")
    shop.owner.do("POST", f"/repos/{shop.slug}/issues/{number}/labels", labels=[label["id"]])
    change = only(forge.changes())
    assert (change.repository, change.number, change.branch, change.target) == ("shop", number, "new-cart", "main")
    assert (change.title, change.author, change.labels) == ("WIP: Add a cart", shop.owner.name, ("ui/new",))
    assert (change.draft, change.fork, change.environment) == (True, False, "friday")
    assert change.files == ("docs/größe #1%.md", "web/cart.txt")
    assert change.url == f"{shop.url}/{shop.slug}/pulls/{number}"
    assert change.sha == forge.resolve("shop", "new-cart")


def test_thirty_five_pull_requests_are_listed(shop: Shop, forge: GiteaForge, tmp_path: Path) -> None:
    clone = shop.clone(tmp_path / "clone")
    branches = [f"branch-{number}" for number in range(35)]
    for branch in branches:
        clone.git("checkout", "--quiet", "-b", branch, "main")
        (clone.folder / branch).write_text("text", encoding="utf-8")
        clone.commit()
    clone.git("push", "--quiet", "origin", *branches)
    for branch in branches:
        shop.propose(branch)
    changes = forge.changes()
    assert [(change.branch, change.files) for change in changes] == [(branch, (branch,)) for branch in branches]


def test_a_branch_with_an_odd_name_is_read_found_and_resolved(shop: Shop, forge: GiteaForge) -> None:
    for branch in ODD:
        shop.branch(branch)
        shop.propose(branch)
    changes = forge.changes()
    assert [change.branch for change in changes] == ODD
    assert [forge.resolve("shop", change.branch) for change in changes] == [change.sha for change in changes]
    assert [change.sha for change in map(forge.find, changes) if change] == [change.sha for change in changes]


def test_a_tag_resolves_to_its_commit(shop: Shop, forge: GiteaForge) -> None:
    shop.owner.do("POST", f"/repos/{shop.slug}/tags", tag_name="v1/#2%2f", target="main", message="annotated")
    assert forge.resolve("shop", "v1/#2%2f") == forge.resolve("shop", "main")
    with pytest.raises(ForgeError, match="no branch or tag `v1`"):
        forge.resolve("shop", "v1")


def test_a_fork_is_told_from_a_branch_of_the_same_name(shop: Shop, forge: GiteaForge, mona: Person) -> None:
    shop.branch("work")
    shop.propose("work")
    mona.do("POST", f"/repos/{shop.slug}/forks", name="forked")
    shop.commit(mona, f"{mona.name}/forked", "work-elsewhere", ("theirs.txt",))
    shop.propose(f"{mona.name}:work-elsewhere", who=mona)
    told = [(change.branch, change.fork, change.author) for change in forge.changes()]
    assert told == [("work", False, shop.owner.name), ("work-elsewhere", True, mona.name)]


def test_what_a_reader_pushes_for_review_counts_as_a_forks(shop: Shop, forge: GiteaForge, tmp_path: Path) -> None:
    clone = shop.clone(tmp_path / "clone")
    sha = clone.commit()
    clone.git("push", "--quiet", "origin", "HEAD:refs/for/main/topic")
    change = only(forge.changes())
    assert (change.fork, change.sha, forge.find(change) is None) == (True, sha, False)


def test_more_than_a_page_is_read_to_its_end(shop: Shop, forge: GiteaForge, tmp_path: Path) -> None:
    clone = shop.clone(tmp_path / "clone")
    clone.commit()
    clone.git("push", "--quiet", "origin", *(f"HEAD:refs/for/main/topic-{number}" for number in range(55)))
    shop.branch("large", *(f"{number:03}.txt" for number in range(120)))
    number = shop.propose("large")
    changes = forge.changes()
    assert len(changes) == 56
    assert [len(change.files or ()) for change in changes if change.number == number] == [120]


def test_files_are_those_of_both_ends_of_a_move(shop: Shop, forge: GiteaForge, tmp_path: Path) -> None:
    clone = shop.clone(tmp_path / "clone")
    clone.git("checkout", "--quiet", "-b", "move")
    (clone.folder / "docs").mkdir()
    clone.git("mv", "README.md", "docs/README.md")
    clone.commit()
    clone.git("push", "--quiet", "origin", "move")
    shop.propose("move")
    assert only(forge.changes()).files == ("README.md", "docs/README.md")


def test_a_file_that_became_a_link_leaves_the_files_unknown(shop: Shop, forge: GiteaForge, tmp_path: Path) -> None:
    clone = shop.clone(tmp_path / "clone")
    clone.git("checkout", "--quiet", "-b", "link")
    (clone.folder / "README.md").unlink()
    (clone.folder / "README.md").symlink_to("z")
    (clone.folder / "z").write_text("left out of the forge's list", encoding="utf-8")
    clone.commit()
    clone.git("push", "--quiet", "origin", "link")
    shop.propose("link")
    assert only(forge.changes()).files is None


def test_a_push_moves_the_change_at_once(shop: Shop, forge: GiteaForge, tmp_path: Path) -> None:
    shop.branch("work", "one")
    shop.propose("work")
    before = only(forge.changes())
    clone = shop.clone(tmp_path / "clone")
    clone.git("checkout", "--quiet", "work")
    (clone.folder / "two").write_text("two", encoding="utf-8")
    sha = clone.commit()
    clone.git("push", "--quiet", "origin", "work")
    found, after = forge.find(before), only(forge.changes())
    assert found is not None
    assert (before.files, found.sha, after.sha, after.files) == (("one",), sha, sha, ("one", "two"))


def test_a_closed_merged_or_absent_pull_request_is_not_found(shop: Shop, forge: GiteaForge) -> None:
    for branch in ("closed", "merged"):
        shop.branch(branch)
        shop.propose(branch)
    closed, merged = forge.changes()
    shop.owner.do("PATCH", f"/repos/{shop.slug}/pulls/{closed.number}", state="closed")
    shop.owner.do(
        "POST", f"/repos/{shop.slug}/pulls/{merged.number}/merge", Do="squash", delete_branch_after_merge=True
    )
    assert [forge.find(closed), forge.find(merged), forge.find(Change("shop", 99, "x", closed.sha))] == [None] * 3
    assert forge.changes() == []


def test_pull_requests_that_are_turned_off_are_not_closed(shop: Shop, forge: GiteaForge) -> None:
    shop.branch("work")
    shop.propose("work")
    change = only(forge.changes())
    shop.owner.do("PATCH", f"/repos/{shop.slug}", has_pull_requests=False)
    with pytest.raises(ForgeError, match="answered 404"):
        forge.find(change)
    with pytest.raises(ForgeError, match="answered 404"):
        forge.changes()


def test_a_renamed_repository_is_an_error_that_says_so(shop: Shop, forge: GiteaForge) -> None:
    shop.owner.do("PATCH", f"/repos/{shop.slug}", name=f"{shop.name}-new")
    with pytest.raises(ForgeError, match="answered 301: the repository was renamed"):
        forge.changes()
    shop.owner.do("PATCH", f"/repos/{shop.slug}-new", name=shop.name)


def test_the_bot_has_one_comment_for_each_environment(shop: Shop, forge: GiteaForge, mona: Person) -> None:
    shop.branch("work")
    change = Change("shop", shop.propose("work"), "work", "")
    comments = f"/repos/{shop.slug}/issues/{change.number}/comments"
    mona.do("POST", comments, body="<!-- layersite: web-1 -->\nplanted")
    assert forge.comment(change, "web-1") is None
    text = "| a | é😀 |\n|---|---|\n\n<details>\n\n  code\n</details>"
    for body in ("building", text, text):
        forge.say(change, "web-1", body)
    forge.say(change, "web-2", "other")
    assert (forge.comment(change, "web-1"), forge.comment(change, "web-2")) == (text, "other")
    assert len(shop.owner.do("GET", comments)) == 3


def test_a_comment_that_reads_so_already_is_left_alone(shop: Shop, forge: GiteaForge) -> None:
    shop.branch("work")
    change = Change("shop", shop.propose("work"), "work", "")
    comments = f"/repos/{shop.slug}/issues/{change.number}/comments"
    forge.say(change, "web-1", "ready \r\n\r\nhere\n\n")
    before = shop.owner.do("GET", comments)
    forge.say(change, "web-1", "ready \r\n\r\nhere\n\n")
    assert shop.owner.do("GET", comments) == before


def test_copies_that_a_killed_run_left_are_removed(shop: Shop, forge: GiteaForge) -> None:
    shop.branch("work")
    change = Change("shop", shop.propose("work"), "work", "")
    comments = f"/repos/{shop.slug}/issues/{change.number}/comments"
    for body in ("one", "two", "three"):
        shop.owner.do("POST", comments, body=f"<!-- layersite: web-1 -->\n{body}")
    forge.say(change, "web-1", "ready")
    assert [comment["body"] for comment in shop.owner.do("GET", comments)] == ["<!-- layersite: web-1 -->\nready"]


def test_the_newest_status_of_a_context_counts(shop: Shop, forge: GiteaForge) -> None:
    shop.branch("work")
    shop.propose("work")
    change = only(forge.changes())
    ready = Status("success", "web-1 is ready", "https://web-1.example.com/")
    for status in (ready, ready, Status("pending", "web-1 is coming", ""), ready, ready):
        forge.set_status(change, status)
    forge.set_status(change, Status("failure", "", "", context="other"))
    found = shop.owner.do("GET", f"/repos/{shop.slug}/statuses/{change.sha}")
    found.sort(key=lambda each: each["id"])
    told = [(each["status"], each["description"], each["target_url"], each["context"]) for each in found]
    assert told == [
        ("success", "web-1 is ready", "https://web-1.example.com/", "layersite"),
        ("pending", "web-1 is coming", "", "layersite"),
        ("success", "web-1 is ready", "https://web-1.example.com/", "layersite"),
        ("failure", "", "", "other"),
    ]


def test_the_scopes_that_the_messages_name_are_enough_and_needed(shop: Shop) -> None:
    name, password = f"bot-{uuid4().hex[:8]}", uuid4().hex
    about = {"username": name, "password": password, "email": f"{name}@example.com", "must_change_password": False}
    shop.owner.do("POST", "/admin/users", **about)
    shop.owner.do("PUT", f"/repos/{shop.slug}/collaborators/{name}", permission="write")
    shop.branch("work")
    shop.propose("work")
    scopes = ["read:user", "write:issue", "write:repository"]
    enough = shop.forge(token_of(shop, name, password, *scopes))
    change = only(enough.changes())
    enough.say(change, "web-1", "building")
    enough.say(change, "web-1", "ready")
    enough.set_status(change, Status("success", "ready", ""))
    enough.close()
    status = Status("pending", "again", "")
    for missing in scopes:
        less = shop.forge(token_of(shop, name, password, *(scope for scope in scopes if scope != missing)))
        with pytest.raises(ForgeError, match=f"answered 403: .*{missing}"):
            less.set_status(change, status) if missing == "write:repository" else less.say(change, "web-1", "again")
        less.close()


def test_a_token_of_a_reader_says_that_it_must_be_able_to_write(shop: Shop, mona: Person) -> None:
    shop.branch("work")
    shop.propose("work")
    reader = shop.forge(mona.token)
    change = only(reader.changes())
    with pytest.raises(ForgeError, match="its user must be able to write here"):
        reader.set_status(change, Status("success", "ready", ""))
    reader.close()


def test_a_comment_is_heard_from_who_may_write_and_answered_once(shop: Shop, forge: GiteaForge, mona: Person) -> None:
    shop.branch("work")
    number = shop.propose("work")
    path = f"/repos/{shop.slug}/issues/{number}/comments"

    def asked(forge: GiteaForge) -> list[tuple[str, str, bool]]:
        return [(each.by, each.text, bool(each.refusal)) for each in forge.asked(only(forge.changes()))]

    assert asked(forge) == []
    mona.do("POST", path, body="/layersite teardown")
    assert asked(forge) == [(mona.name, "/layersite teardown", True)]
    shop.owner.do("POST", path, body="/layersite wake 2h")
    assert asked(forge)[1:] == [(shop.owner.name, "/layersite wake 2h", False)]
    for each in forge.asked(only(forge.changes())):
        forge.answer(each, is_done=not each.refusal)
    again = shop.forge()
    assert (asked(forge), asked(again)) == ([], [])
    shop.owner.do("PUT", f"/repos/{shop.slug}/collaborators/{mona.name}", permission="write")
    mona.do("POST", path, body="/layersite sleep")
    assert asked(again) == [(mona.name, "/layersite sleep", False)]
    again.close()


def test_an_account_that_may_only_write_is_not_told_who_else_may(shop: Shop, mona: Person) -> None:
    shop.branch("work")
    number = shop.propose("work")
    shop.owner.do("PUT", f"/repos/{shop.slug}/collaborators/{mona.name}", permission="write")
    shop.owner.do("POST", f"/repos/{shop.slug}/issues/{number}/comments", body="/layersite sleep")
    bot = shop.forge(mona.token)
    (asked,) = bot.asked(only(bot.changes()))
    assert "make its account an administrator" in asked.refusal
    shop.owner.do("PUT", f"/repos/{shop.slug}/collaborators/{mona.name}", permission="admin")
    shop.owner.do("POST", f"/repos/{shop.slug}/issues/{number}/comments", body="/layersite wake")
    assert {each.refusal for each in bot.asked(only(bot.changes()))} == {""}
    bot.close()


@pytest.fixture
def mailbox() -> Iterator[tuple[str, "Queue[tuple[dict[str, str], bytes]]"]]:
    """Return the address of a listener, and what was posted there."""
    posted: Queue[tuple[dict[str, str], bytes]] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.put((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", posted
    server.shutdown()
    thread.join()
    server.server_close()


def test_webhooks_name_what_changed(
    shop: Shop, mailbox: tuple[str, "Queue[tuple[dict[str, str], bytes]]"], tmp_path: Path
) -> None:
    url, posted = mailbox
    config = {"url": url, "content_type": "json", "secret": "s3cret"}
    events = ["push", "pull_request", "pull_request_sync", "pull_request_label", "pull_request_comment"]
    shop.owner.do("POST", f"/repos/{shop.slug}/hooks", type="gitea", active=True, config=config, events=events)

    def told(count: int) -> list[Nudge]:
        found: list[Nudge] = []
        while len(found) < count:
            nudge = webhook_change(*posted.get(timeout=30), "s3cret")
            found += [nudge] if nudge else []
        return found

    shop.branch("work")
    number = shop.propose("work")
    one = Nudge(shop.slug, number)
    assert told(1) == [one]
    clone = shop.clone(tmp_path / "clone")
    clone.git("checkout", "--quiet", "work")
    clone.commit()
    clone.git("push", "--quiet", "origin", "work")
    assert told(1) == [one]
    label = shop.owner.do("POST", f"/repos/{shop.slug}/labels", name="ui", color="#00aabb")
    shop.owner.do("POST", f"/repos/{shop.slug}/issues/{number}/labels", labels=[label["id"]])
    shop.owner.do("PATCH", f"/repos/{shop.slug}/pulls/{number}", title="WIP: Work")
    shop.owner.do("PATCH", f"/repos/{shop.slug}/pulls/{number}", state="closed")
    shop.owner.do("PATCH", f"/repos/{shop.slug}/pulls/{number}", state="open")
    assert told(4) == [one] * 4
    clone.git("checkout", "--quiet", "main")
    clone.commit()
    clone.git("push", "--quiet", "origin", "main")
    assert told(1) == [Nudge(shop.slug, None)]
    for body in ("nice work", "/layersite wake"):
        shop.owner.do("POST", f"/repos/{shop.slug}/issues/{number}/comments", body=body)
    assert told(1) == [one]
    shop.owner.do("PATCH", f"/repos/{shop.slug}/pulls/{number}", state="closed")
    with pytest.raises(SignatureError):
        webhook_change(*posted.get(timeout=30), "another")
