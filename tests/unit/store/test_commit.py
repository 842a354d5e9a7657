import subprocess
from pathlib import Path

from layersite.model.names import shard
from layersite.store import Committed, Store, Write

from .conftest import MakeStore, Remote, blob_id
from .writer import adding, files_of, removing


def blobs_of(name: str, generation: int = 1) -> dict[str, str]:
    folder = f"environments/{shard(name)}/{name}"
    return {f"{folder}/{path}": blob_id(content) for path, content in files_of(name, generation).items()}


def test_the_first_commit_of_an_empty_repository(store: Store, remote: Remote) -> None:
    committed = store.commit(adding("web-42"), "add web-42")
    assert committed == Committed(remote.git("rev-parse", "main").strip(), ("web-42",), ())
    assert remote.blobs() == blobs_of("web-42")


def test_the_commit_says_who_when_and_which_environments(make_store: MakeStore, remote: Remote) -> None:
    make_store(now=lambda: 1700000000).commit(adding("web-42", "api-7"), "add two")
    assert remote.git("log", "-1", "--format=%an <%ae> %at %ct%n%B", "main").rstrip("\n") == (
        "layersite <layersite@users.noreply.local> 1700000000 1700000000\n"
        "add two\n\nEnvironment: web-42 generation 1\nEnvironment: api-7 generation 1"
    )


def test_the_same_writes_give_the_same_commit_on_any_machine(tmp_path: Path, make_store: MakeStore) -> None:
    hosts = [Remote(tmp_path / name) for name in ("one.git", "two.git")]
    commits = {
        make_store(cache=host.path.stem, url=host.url, now=lambda: 1).commit(adding("web-42"), "add").commit
        for host in hosts
    }
    assert len(commits) == 1


def test_all_other_files_stay_as_they_are(store: Store, remote: Remote) -> None:
    remote.put({"layersite.yaml": b"a", "environments/README.md": b"b", "environments/a9/web-43/x.yaml": b"c"})
    before = remote.blobs()
    store.commit(adding("web-42"), "add web-42")
    assert remote.blobs() == {**before, **blobs_of("web-42")}


def test_nothing_to_change_makes_no_commit(store: Store, remote: Remote) -> None:
    store.commit(adding("web-42"), "add web-42")
    assert store.commit(adding("web-42"), "again") == Committed(None, (), ())
    assert store.commit([], "nothing") == Committed(None, (), ())
    assert store.commit([Write("api-7", None, None, "gone")], "remove") == Committed(None, (), ())
    assert remote.commits() == 1


def test_an_update_replaces_the_directory(store: Store, remote: Remote) -> None:
    store.commit([Write("web-42", {"old.yaml": b"x", **files_of("web-42")}, None, "x")], "add")
    tree = store.read().entries["web-42"].tree
    assert store.commit(adding("web-42", generation=2, expected=tree), "update").written == ("web-42",)
    assert remote.blobs() == blobs_of("web-42", generation=2)


def test_a_removal_takes_the_empty_folders_with_it(store: Store, remote: Remote) -> None:
    remote.put({"layersite.yaml": b"x"})
    store.commit(adding("web-42", "api-7"), "add")
    assert store.commit(removing(store, "web-42"), "remove").written == ("web-42",)
    assert remote.blobs().keys() == {"layersite.yaml", *blobs_of("api-7")}
    store.commit(removing(store, "api-7"), "remove the last")
    assert remote.git("ls-tree", "--name-only", "main").split() == ["layersite.yaml"]


def test_a_removal_of_all_there_is_leaves_an_empty_tree(store: Store, remote: Remote) -> None:
    store.commit(adding("web-42"), "add")
    store.commit(removing(store, "web-42"), "remove")
    assert remote.blobs() == {}
    assert store.read().entries == {}


def test_a_directory_changed_since_the_plan_is_left_alone(make_store: MakeStore, remote: Remote) -> None:
    make_store("theirs").commit(adding("web-42", generation=7), "theirs")
    committed = make_store().commit(adding("web-42", "api-7"), "mine")
    assert (committed.written, committed.conflicts) == (("api-7",), ("web-42",))
    assert remote.blobs() == {**blobs_of("web-42", generation=7), **blobs_of("api-7")}


def test_what_is_pushed_between_reading_and_committing_is_kept(make_store: MakeStore, remote: Remote) -> None:
    remote.put({"layersite.yaml": b"x"})
    mine = make_store()
    mine.read()
    make_store("theirs").commit(adding("web-42", generation=7), "theirs")
    committed = mine.commit(adding("web-42", "api-7"), "mine")
    assert (committed.written, committed.conflicts) == (("api-7",), ("web-42",))
    assert remote.blobs().keys() == {"layersite.yaml", *blobs_of("web-42", generation=7), *blobs_of("api-7")}


def test_only_conflicts_make_no_commit(make_store: MakeStore, remote: Remote) -> None:
    make_store("theirs").commit(adding("web-42", generation=7), "theirs")
    assert make_store().commit(adding("web-42"), "mine") == Committed(None, (), ("web-42",))
    assert remote.commits() == 1


def test_a_rewritten_branch_is_followed(store: Store, remote: Remote) -> None:
    store.commit(adding("web-42"), "add")
    remote.git("update-ref", "-d", "refs/heads/main")
    remote.put({"layersite.yaml": b"new"})
    store.commit(adding("api-7"), "add")
    assert remote.blobs().keys() == {"layersite.yaml", *blobs_of("api-7")}


def test_a_branch_that_is_gone_is_begun_anew(make_store: MakeStore, remote: Remote) -> None:
    make_store().commit(adding("web-42"), "add")
    remote.git("update-ref", "-d", "refs/heads/main")
    store = make_store()
    assert store.read().entries == {}
    assert store.commit(adding("web-42"), "again").written == ("web-42",)
    assert remote.blobs() == blobs_of("web-42")
    assert remote.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]


def test_the_first_fetch_leaves_the_history_behind(tmp_path: Path, store: Store, remote: Remote) -> None:
    for content in (b"1", b"2", b"3"):
        remote.put({"layersite.yaml": content})
    store.read()
    (clone,) = (tmp_path / "cache").glob("*.git")
    count = subprocess.check_output(["git", f"--git-dir={clone}", "rev-list", "--count", "--all"])
    assert int(count) == 1


def test_a_repository_may_hold_thousands_of_loose_objects(store: Store, tmp_path: Path, remote: Remote) -> None:
    files = {f"manifests/app-{number}.yaml": b"%d" % number for number in range(5000)}
    store.commit([Write("web-42", {**files_of("web-42"), **files}, None, "x")], "add")
    store.read()
    (clone,) = (tmp_path / "cache").glob("*.git")
    assert len(list((clone / "objects").glob("??/*"))) < 100
    assert store.commit(adding("api-7"), "add").written == ("api-7",)
    assert len(remote.blobs()) == 5004
