import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from layersite.model.errors import StoreError
from layersite.store import Store, Write

from .conftest import MakeStore, Remote
from .writer import adding, files_of


def clone_in(folder: Path) -> Path:
    (clone,) = folder.glob("*.git")
    return clone


def empty(clone: Path) -> None:
    shutil.rmtree(clone)
    clone.mkdir()


def lose_objects(clone: Path) -> None:
    for path in [*clone.glob("objects/??/*"), *clone.glob("objects/pack/*")]:
        path.unlink()


def spoil_objects(clone: Path) -> None:
    for path in [*clone.glob("objects/??/*"), *clone.glob("objects/pack/*")]:
        path.chmod(0o600)
        path.write_bytes(b"spoiled")


def point_nowhere(clone: Path) -> None:
    (clone / "refs" / "heads" / "tip").write_text("1" * 40, encoding="utf-8")


@pytest.mark.parametrize("damage", [empty, lose_objects, spoil_objects, point_nowhere])
def test_a_broken_clone_costs_nothing_but_time(
    damage: Callable[[Path], None], tmp_path: Path, make_store: MakeStore, remote: Remote
) -> None:
    make_store().commit(adding("web-42"), "add")
    damage(clone_in(tmp_path / "cache"))
    assert make_store().commit(adding("api-7"), "add").written == ("api-7",)
    assert list(make_store().read().entries) == ["api-7", "web-42"]
    assert remote.commits() == 2


def test_a_broken_clone_inside_a_checkout_never_touches_the_checkout(tmp_path: Path, make_store: MakeStore) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    make_store().commit(adding("web-42"), "add")
    old = clone_in(tmp_path / "cache")
    empty(old)
    assert list(make_store().read().entries) == ["web-42"]
    assert clone_in(tmp_path / "cache") != old
    assert subprocess.check_output(["git", "-C", str(tmp_path), "for-each-ref"]) == b""


def test_lock_files_of_a_killed_git_do_not_block(tmp_path: Path, make_store: MakeStore, remote: Remote) -> None:
    make_store().commit(adding("web-42"), "add")
    clone = clone_in(tmp_path / "cache")
    for name in ("packed-refs.lock", "shallow.lock", "config.lock", "HEAD.lock", "refs/heads/tip.lock"):
        (clone / name).touch()
    remote.put({"layersite.yaml": b"x"})
    assert make_store().commit(adding("api-7"), "add").written == ("api-7",)
    assert clone_in(tmp_path / "cache") == clone


@pytest.mark.parametrize("kind", [Store])
def test_many_loose_objects_are_packed_by_the_next_read(tmp_path: Path, make_store: MakeStore) -> None:
    files = files_of("web-42") | {f"manifests/{number}.yaml": b"%d" % number for number in range(5000)}
    make_store().commit([Write("web-42", files, None, "many files")], "add")
    clone = clone_in(tmp_path / "cache")
    assert len(list(clone.glob("objects/??/*"))) > 5000
    assert list(make_store().read().entries) == ["web-42"]
    assert list(clone.glob("objects/??/*")) == []
    assert len(list(clone.glob("objects/pack/*.pack"))) == 1
    assert make_store().files("web-42") == files
    assert make_store().commit(adding("api-7"), "add").written == ("api-7",)


def test_one_cache_folder_serves_several_repositories(tmp_path: Path, make_store: MakeStore, remote: Remote) -> None:
    other = Remote(tmp_path / "other.git")
    make_store().commit(adding("web-42"), "add")
    make_store(url=other.url).commit(adding("api-7"), "add")
    assert list(make_store().read().entries) == ["web-42"]
    assert list(make_store(url=other.url).read().entries) == ["api-7"]


def test_a_cache_folder_that_cannot_be_made_is_named(tmp_path: Path, make_store: MakeStore) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file/cache` cannot be used \(Not a directory\); make it writable"):
        make_store("file/cache").read()
