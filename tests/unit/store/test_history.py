"""One commit takes the place of the history, and no writer, waiter or reader loses anything by it."""

import subprocess
import time
from pathlib import Path

import pytest

from layersite.model.errors import StoreError
from layersite.store import FoldingStore, Store

from .conftest import MakeStore, Remote
from .test_commit import blobs_of
from .test_many_writers import start
from .writer import adding

NAMES = ["web-1", "web-2", "web-3"]


@pytest.fixture
def line(store: Store, remote: Remote) -> list[str]:
    """Three commits, the oldest first."""
    done = [store.commit(adding(name), f"add {name}").commit for name in NAMES]
    return [commit for commit in done if commit]


def test_the_files_stay_and_the_old_line_is_kept(store: Store, remote: Remote, line: list[str]) -> None:
    before = remote.blobs()
    replaced = store.squash(None)
    assert replaced == (line[-1], remote.git("rev-parse", "main").strip())
    assert remote.blobs() == before
    assert remote.git("rev-list", "--count", "main").strip() == "1"
    assert remote.git("rev-list", "--reverse", f"refs/layersite/archive/{line[-1]}").split() == line
    assert list(store.read().entries) == NAMES
    assert store.squash(None) is None
    remote.git("fsck", "--strict")


def test_one_commit_is_not_replaced_again_from_any_clone(
    make_store: MakeStore, remote: Remote, line: list[str]
) -> None:
    assert make_store("shallow").squash(None) is not None
    tip = remote.git("rev-parse", "main")
    assert make_store("shallow").squash(None) is None
    assert make_store("new").squash(None) is None
    assert remote.git("rev-parse", "main") == tip


def test_another_bot_goes_on_where_it_was(make_store: MakeStore, remote: Remote, line: list[str]) -> None:
    other = make_store("other")
    tree = other.read().entries["web-1"].tree
    make_store("squasher").squash(None)
    done = other.commit(adding("web-1", generation=2, expected=tree), "update")
    assert done.written == ("web-1",)
    assert remote.git("rev-list", "--count", "main").strip() == "2"
    remote.git("fsck", "--strict")


def test_who_waits_for_a_commit_of_the_old_line_sees_it_in_the_new_one(
    make_store: MakeStore, remote: Remote, line: list[str]
) -> None:
    waiting = make_store("waiting")
    waiting.read()
    late = make_store("writer").commit(adding("web-4"), "add web-4").commit
    assert late is not None
    for number in (5, 6):
        make_store("squasher").squash(None)
        make_store("writer").commit(adding(f"web-{number}"), "add")
    tip = remote.git("rev-parse", "main").strip()
    assert waiting.contains(tip, line[-1])
    assert not waiting.contains(line[-1], tip)
    writer = make_store("writer")
    assert writer.contains(tip, late)


def test_a_lost_acknowledgement_before_a_squash_is_no_second_commit(
    make_store: MakeStore, remote: Remote, line: list[str], tmp_path: Path
) -> None:
    landed = make_store("landed").commit(adding("web-9"), "add web-9")
    make_store("squasher").squash(None)
    again = make_store("landed").commit(adding("web-9"), "add web-9")
    assert landed.written == ("web-9",)
    assert (again.written, again.conflicts) == ((), ())
    assert remote.git("rev-list", "--count", "main").strip() == "1"


def test_a_bundle_holds_all_and_earlier_lines_leave_the_host(
    store: Store, remote: Remote, line: list[str], tmp_path: Path
) -> None:
    store.squash(None)
    store.commit(adding("web-4"), "add web-4")
    tip = remote.git("rev-parse", "main").strip()
    store.squash(file := tmp_path / "history.bundle")
    assert remote.git("for-each-ref", "--format=%(refname)", "refs/layersite/").split() == [
        f"refs/layersite/archive/{tip}"
    ]
    subprocess.run(["git", "clone", "-q", "--mirror", str(file), str(tmp_path / "old")], check=True)
    old = Remote.__new__(Remote)
    old.path = tmp_path / "old"
    assert old.git("rev-parse", "main").strip() == tip
    assert set(line) <= set(old.git("rev-list", "--all").split())


def test_a_host_that_forbids_it_is_told_and_nothing_changes(store: Store, remote: Remote, line: list[str]) -> None:
    remote.git("config", "receive.denyNonFastForwards", "true")
    with pytest.raises(StoreError, match="lets nobody replace history"):
        store.squash(None)
    assert remote.git("rev-parse", "main").strip() == line[-1]
    assert remote.git("for-each-ref", "refs/layersite/") == ""


def test_an_empty_repository_has_nothing_to_replace(store: Store) -> None:
    assert store.squash(None) is None


def test_what_it_costs_is_measured(store: Store, remote: Remote, line: list[str]) -> None:
    costs = store.costs()
    assert (costs.commits, costs.last_week, costs.archives) == (3, 3, 0)
    assert costs.whole_bytes > costs.shallow_bytes > 0


def test_writers_at_work_lose_nothing_to_squashes(
    tmp_path: Path, make_store: MakeStore, kind: type[Store], remote: Remote
) -> None:
    make_store("first").commit(adding("keep"), "before")
    names = {writer: [f"web-{writer}-{number}" for number in range(4)] for writer in range(3)}
    processes = [start(kind, "add", remote.url, tmp_path / f"cache-{w}", names[w]) for w in names]
    squasher, squashed = make_store("squasher", sleep=time.sleep), 0
    while any(process.poll() is None for process in processes):
        squashed += squasher.squash(None) is not None
        time.sleep(0.05)
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert squashed
    expected = ["keep", *(name for each in names.values() for name in each)]
    assert remote.blobs() == {path: blob for name in expected for path, blob in blobs_of(name).items()}
    lines = remote.git("log", "--all", "--format=%(trailers:key=Environment,valueonly)").split("\n")
    added = [line for line in lines if "generation" in line]
    assert sorted(added) == sorted(f"{name} generation 1" for name in expected)  # each once: none lost, none again
    remote.git("fsck", "--strict")


def test_a_folded_request_is_known_after_a_squash(tmp_path: Path, remote: Remote, make_store: MakeStore) -> None:
    folding = FoldingStore(remote.url, "main", tmp_path / "folding", sleep=lambda seconds: None)
    folding.commit(adding("web-1"), "add")
    make_store("squasher").commit(adding("web-2"), "add")
    make_store("squasher").squash(None)
    assert folding.commit(adding("web-3"), "add").written == ("web-3",)
    assert sorted({path.split("/")[2] for path in remote.blobs()}) == NAMES
