import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from layersite.model.errors import StoreError
from layersite.store import Committed, Store
from layersite.store.refusal import explain

from .conftest import MakeStore, Remote
from .test_commit import blobs_of
from .writer import adding, removing

KILL_THE_SERVER = "kill -9 $PPID"


@contextmanager
def host_answering(code: int) -> Iterator[str]:
    """Serve HTTP on the loopback with `code` for every request and yield the URL of a repository there."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.send_header("WWW-Authenticate", "Basic")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://bot:s3cret@127.0.0.1:{server.server_port}/envs.git"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (401, "the host does not accept who we are; check git's credential helper, token or SSH key"),
        (403, "this account may not do that; give the bot's account read and write access"),
        (404, "there is no such repository, or this account may not see it; correct `environments.url`"),
        (429, "the host limits how often it may be asked; wait a few minutes"),
        (503, "the connection broke"),
    ],
)
def test_a_host_that_refuses_is_explained_without_credentials(code: int, message: str, make_store: MakeStore) -> None:
    with host_answering(code) as url, pytest.raises(StoreError, match=re.escape(message)) as caught:
        make_store(url=url).read()
    assert "://***@127.0.0.1" in str(caught.value)
    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("http://127.0.0.1:1/envs.git", "the host cannot be reached; check", id="refused port"),
        pytest.param("http://no-such-host.invalid/envs.git", "the host cannot be reached; check", id="unknown host"),
        pytest.param("file:///nowhere/envs.git", "there is no such repository", id="missing folder"),
        pytest.param("ext::sh -c true", "git failed\n  fatal: transport 'ext' not allowed", id="a transport that runs"),
    ],
)
def test_a_repository_that_is_not_there_is_explained(url: str, message: str, make_store: MakeStore) -> None:
    with pytest.raises(StoreError, match=re.escape(message)):
        make_store(url=url).commit(adding("web-42"), "add")


def test_a_hook_that_declines_is_quoted_and_not_tried_again(make_store: MakeStore, remote: Remote) -> None:
    remote.hook("pre-receive", "echo 'frozen until Monday: cannot lock ref'\nexit 1")
    waits: list[float] = []
    with pytest.raises(StoreError, match=r"a rule of the host refused the push; .*\n  frozen until Monday") as caught:
        make_store(sleep=waits.append).commit(adding("web-42"), "add")
    assert str(caught.value).startswith(f"cannot push to `main` of {remote.url}: ")
    assert waits == []


def test_a_locked_branch_is_tried_again(make_store: MakeStore, remote: Remote) -> None:
    lock = remote.path / "refs" / "heads" / "main.lock"
    lock.touch()
    store = make_store(sleep=lambda seconds: lock.unlink())
    assert store.commit(adding("web-42"), "add").written == ("web-42",)


def test_giving_up_says_how_often_it_tried_and_that_nothing_is_lost(make_store: MakeStore, remote: Remote) -> None:
    lock = remote.path / "refs" / "heads" / "main.lock"
    lock.touch()
    waits: list[float] = []
    text = (
        r"3 attempts to push to `main` of .* failed; nothing was lost, and running again goes on.*\n(.*\n)*.*main\.lock"
    )
    with pytest.raises(StoreError, match=text):
        make_store(sleep=waits.append, attempts=3).commit(adding("web-42"), "add")
    assert [wait > 0 for wait in waits] == [True] * 3
    lock.unlink()
    assert make_store().commit(adding("web-42"), "add").written == ("web-42",)


def between_fetch_and_push(*actions: Callable[[], object]) -> Callable[[], int]:
    """Return a clock that does the next of `actions` each time the store asks it, just before it pushes."""
    left = list(actions)

    def now() -> int:
        if left:
            left.pop(0)()
        return 1

    return now


def test_a_writer_of_another_environment_costs_only_another_attempt(make_store: MakeStore, remote: Remote) -> None:
    other = make_store("theirs")
    now = between_fetch_and_push(lambda: other.commit(adding("api-7"), "theirs"))
    committed = make_store(now=now).commit(adding("web-42"), "mine")
    assert committed == Committed(remote.git("rev-parse", "main").strip(), ("web-42",), ())
    assert list(other.read().entries) == ["api-7", "web-42"]
    assert remote.commits() == 2


def test_two_first_commits_both_land(make_store: MakeStore) -> None:
    other = make_store("theirs")
    now = between_fetch_and_push(
        *(lambda name=name: other.commit(adding(name), "theirs") for name in ("api-7", "api-8"))
    )
    make_store(now=now).commit(adding("web-42"), "mine")
    assert list(other.read().entries) == ["api-7", "api-8", "web-42"]


def test_a_removal_meanwhile_is_not_undone(make_store: MakeStore) -> None:
    other = make_store("theirs")
    other.commit(adding("web-42", "api-7"), "add")
    tree = other.read().entries["web-42"].tree
    now = between_fetch_and_push(lambda: other.commit(removing(other, "web-42"), "remove"))
    writes = [*adding("web-42", generation=2, expected=tree), *adding("web-43")]
    committed = make_store(now=now).commit(writes, "mine")
    assert (committed.written, committed.conflicts) == (("web-43",), ("web-42",))
    assert list(other.read().entries) == ["api-7", "web-43"]


def test_a_lost_acknowledgement_counts_as_success(store: Store, remote: Remote) -> None:
    remote.hook("post-receive", KILL_THE_SERVER)
    committed = store.commit(adding("web-42"), "add")
    assert committed == Committed(remote.git("rev-parse", "main").strip(), ("web-42",), ())
    assert remote.commits() == 1


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_a_server_that_dies_before_the_branch_moved_is_asked_again(hook: str, store: Store, remote: Remote) -> None:
    store.commit(adding("keep"), "before")
    remote.hook(hook, f'{{ echo "$1"; cat; }} | grep -q refs/heads/main && mkdir died && {KILL_THE_SERVER}\nexit 0')
    committed = store.commit(adding("web-42"), "add")
    assert (remote.path / "died").exists()
    assert committed == Committed(remote.git("rev-parse", "main").strip(), ("web-42",), ())
    assert remote.blobs() == blobs_of("keep") | blobs_of("web-42")
    assert remote.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]
    assert remote.commits() == 2
    remote.git("fsck", "--strict")


def test_what_was_removed_after_a_lost_acknowledgement_stays_removed(make_store: MakeStore, remote: Remote) -> None:
    remote.hook("post-receive", KILL_THE_SERVER)
    other = make_store("theirs")

    def remove(seconds: float) -> None:
        remote.hook("post-receive", "true")
        other.commit(removing(other, "web-42"), "remove")

    assert make_store(sleep=remove).commit(adding("web-42"), "add").written == ("web-42",)
    assert other.read().entries == {}
    assert remote.commits() == 2


def test_a_refusal_is_success_when_the_same_work_is_there_already(make_store: MakeStore, remote: Remote) -> None:
    other = make_store("theirs")

    def theirs() -> None:
        other.commit(adding("web-42"), "the same")
        remote.hook("pre-receive", "exit 1")

    committed = make_store(now=between_fetch_and_push(theirs)).commit(adding("web-42"), "mine")
    assert committed == Committed(remote.git("rev-parse", "main").strip(), ("web-42",), ())


REJECTED = (
    "To host:envs.git\n ! [remote rejected] 1a2b -> main ({})\nerror: failed to push some refs to 'host:envs.git'"
)


@pytest.mark.parametrize(
    "reason",
    [
        "fetch first",
        "non-fast-forward",
        "stale info",
        "cannot lock ref 'refs/heads/main': is at 1a2b but expected 3c4d",
        "failed to update ref",
        "reference already exists",
        "already exists",
        "incorrect old value provided",
        "atomic transaction failed",
        "atomic push failed",
    ],
)
def test_a_lost_race_is_worth_another_attempt(reason: str) -> None:
    assert explain(REJECTED.format(reason)).kind == "race"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        pytest.param(
            "remote: error: GH013: Repository rule violations found for refs/heads/main.\n"
            + REJECTED.format("push declined due to repository rule violations"),
            "a rule of the host refused the push",
            id="ruleset",
        ),
        pytest.param(
            "remote: error: GH006: Protected branch update failed.\n"
            + REJECTED.format("protected branch hook declined"),
            "a rule of the host refused the push",
            id="protected branch",
        ),
        pytest.param(
            "remote: fatal: write error: No space left on device\n" + REJECTED.format("failed to update ref"),
            "a disk is full",
            id="full disk of the host",
        ),
        pytest.param(
            "remote: error: cannot update ref 'refs/heads/main': couldn't write '/envs.git/./refs/heads/main.lock'\n"
            + REJECTED.format("atomic transaction failed"),
            "a disk is full",
            id="no room for a ref on the host",
        ),
        pytest.param(
            "error: unable to write file ./objects/1a/2b: No space left on device",
            "a disk is full",
            id="full disk here",
        ),
        pytest.param(
            "remote: error: insufficient permission for adding an object to repository database ./objects\n"
            + REJECTED.format("unpacker error"),
            "this account may not do that",
            id="read-only objects",
        ),
        pytest.param(
            "error: remote unpack failed: unable to create temporary object directory\n"
            + REJECTED.format("unpacker error"),
            "this account may not do that",
            id="read-only repository",
        ),
        pytest.param(
            "remote: Permission to acme/envs.git denied to bot.\n"
            "fatal: unable to access 'https://example.com/acme/envs.git/': The requested URL returned error: 403",
            "this account may not do that",
            id="no write access",
        ),
        pytest.param(
            "error: RPC failed; HTTP 429 curl 22 The requested URL returned error: 429\n"
            "send-pack: unexpected disconnect while reading sideband packet\nfatal: early EOF",
            "the host limits how often it may be asked",
            id="too many requests",
        ),
        pytest.param(
            "fatal: could not read Username for 'https://example.com': terminal prompts disabled",
            "the host does not accept who we are",
            id="no credentials",
        ),
        pytest.param(
            "git@example.com: Permission denied (publickey).\nfatal: Could not read from remote repository.",
            "the host does not accept who we are",
            id="no SSH key",
        ),
        pytest.param(
            "ERROR: Repository not found.\nfatal: Could not read from remote repository.",
            "there is no such repository",
            id="unknown repository by SSH",
        ),
        pytest.param(
            "ssh: Could not resolve hostname example.invalid: Name or service not known",
            "the host cannot be reached",
            id="unknown host by SSH",
        ),
        pytest.param(REJECTED.format("shallow update not allowed"), "run again; if it stays so, remove", id="shallow"),
    ],
)
def test_what_must_be_mended_first_is_final(said: str, message: str) -> None:
    refusal = explain(said)
    assert refusal.kind == "fatal"
    assert message in refusal.message


def test_a_broken_connection_leaves_open_whether_it_landed() -> None:
    said = "error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502\nfatal: early EOF"
    assert explain(said).kind == "unsure"


def test_what_the_host_says_is_shown_without_credentials_or_escape_sequences() -> None:
    said = "remote: \x1b[31mfrozen\nremote: see https://token@example.com/x\n" + REJECTED.format("hook declined")
    assert explain(said).message.splitlines()[1:] == ["  [31mfrozen", "  see https://***@example.com/x"]


def test_the_same_refusal_has_the_same_words_whatever_was_pushed() -> None:
    said = [f"remote: {sha * 40}\n{REJECTED.format('unpacker error').replace('1a2b', sha * 40)}" for sha in "ab"]
    assert explain(said[0]).message == explain(said[1]).message
    assert "! [remote rejected] (unpacker error)" in explain(said[0]).message


def test_no_source_ever_forces_a_push() -> None:
    source = Path(__file__).parents[3] / "src" / "layersite"
    assert not [
        path
        for path in source.rglob("*.py")
        if re.search(r"--force(?!-with-lease=|-conflicts)", path.read_text("utf-8"))
    ]
