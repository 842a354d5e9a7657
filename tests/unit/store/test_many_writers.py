import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from layersite.store import Store

from .conftest import Remote
from .http_host import served
from .test_commit import blobs_of
from .writer import adding

ROOT = Path(__file__).parents[3]


def start(kind: type[Store], verb: str, url: str, cache: Path, names: list[str]) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "tests.unit.store.writer", kind.__name__, verb, url, str(cache), cache.name, *names]
    return subprocess.Popen(argv, cwd=ROOT)


def test_nothing_is_lost_and_nothing_removed_comes_back(
    tmp_path: Path, kind: type[Store], store: Store, remote: Remote
) -> None:
    old = [f"old-{number}" for number in range(5)]
    store.commit(adding("keep", *old), "before")
    names = {writer: [f"web-{writer}-{number}" for number in range(5)] for writer in range(8)}
    caches = {writer: tmp_path / f"cache-{writer // 2}" for writer in names}
    processes = [start(kind, "add", remote.url, caches[writer], names[writer]) for writer in names]
    processes.append(start(kind, "remove", remote.url, tmp_path / "cache-remover", old))
    assert [process.wait(500) for process in processes] == [0] * 9
    expected = ["keep", *(name for each in names.values() for name in each)]
    assert remote.blobs() == {path: blob for name in expected for path, blob in blobs_of(name).items()}
    assert remote.commits() == 1 + 40 + 5
    remote.git("fsck", "--strict")


def test_a_killed_writer_goes_on_where_it_was(tmp_path: Path, kind: type[Store], remote: Remote) -> None:
    names = [f"web-{number}" for number in range(30)]
    cache = tmp_path / "cache"
    for count in (2, 7, 8, 15, 21):
        process = start(kind, "add", remote.url, cache, names)
        while remote.commits() < count and process.poll() is None:
            time.sleep(0.003)
        process.kill()
        process.wait()
    assert start(kind, "add", remote.url, cache, names).wait(60) == 0
    assert remote.blobs() == {path: blob for name in names for path, blob in blobs_of(name).items()}
    assert remote.commits() == len(names)
    assert list(remote.path.rglob("*.lock")) == []
    remote.git("fsck", "--strict")


@pytest.mark.stress
@pytest.mark.parametrize("transport", ["file", "http"])
@pytest.mark.parametrize(
    ("writers", "each", "seed"),
    [(16, 10, 1), (16, 10, 2), (16, 10, 3), (64, 3, 4)],
    ids=["16 writers, seed 1", "16 writers, seed 2", "16 writers, seed 3", "64 writers"],
)
def test_many_writers_and_a_reaper(
    writers: int, each: int, seed: int, transport: str, tmp_path: Path, kind: type[Store], remote: Remote, store: Store
) -> None:
    """Every environment is there by blob hash, none of fifty that are reaped meanwhile comes back, none else goes."""
    old, kept = ([f"{what}-{number}" for number in range(50)] for what in ("old", "kept"))
    store.commit(adding(*old, *kept), "before")
    remote.git("config", "http.receivepack", "true")
    names = {writer: [f"web-{writer}-{number}" for number in range(each)] for writer in range(writers)}
    with ExitStack() as stack:
        url = remote.url if transport == "file" else f"{stack.enter_context(served(tmp_path))}/{remote.path.name}"
        processes = [start(kind, "add", url, tmp_path / f"cache-{seed}-{w}", found) for w, found in names.items()]
        processes.append(start(kind, "remove", url, tmp_path / "cache-reaper", old))
        for process in processes:
            stack.callback(process.kill)
        assert [process.wait(3000) for process in processes] == [0] * (writers + 1)
    expected = [*kept, *(name for found in names.values() for name in found)]
    assert remote.blobs() == {path: blob for name in expected for path, blob in blobs_of(name).items()}
    assert remote.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]
    remote.git("fsck", "--strict")
