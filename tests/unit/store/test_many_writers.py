import subprocess
import sys
import time
from pathlib import Path

from layersite.store import Store

from .conftest import Remote
from .test_commit import blobs_of
from .writer import adding

WRITER = Path(__file__).with_name("writer.py")


def start(verb: str, remote: Remote, cache: Path, names: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(WRITER), verb, remote.url, str(cache), cache.name, *names])


def test_nothing_is_lost_and_nothing_removed_comes_back(tmp_path: Path, store: Store, remote: Remote) -> None:
    old = [f"old-{number}" for number in range(5)]
    store.commit(adding("keep", *old), "before")
    names = {writer: [f"web-{writer}-{number}" for number in range(5)] for writer in range(8)}
    caches = {writer: tmp_path / f"cache-{writer // 2}" for writer in names}
    processes = [start("add", remote, caches[writer], names[writer]) for writer in names]
    processes.append(start("remove", remote, tmp_path / "cache-remover", old))
    assert [process.wait(120) for process in processes] == [0] * 9
    expected = ["keep", *(name for each in names.values() for name in each)]
    assert remote.blobs() == {path: blob for name in expected for path, blob in blobs_of(name).items()}
    assert remote.commits() == 1 + 40 + 5
    remote.git("fsck", "--strict")


def test_a_killed_writer_goes_on_where_it_was(tmp_path: Path, remote: Remote) -> None:
    names = [f"web-{number}" for number in range(30)]
    cache = tmp_path / "cache"
    for count in (2, 7, 8, 15, 21):
        process = start("add", remote, cache, names)
        while remote.commits() < count and process.poll() is None:
            time.sleep(0.003)
        process.kill()
        process.wait()
    assert start("add", remote, cache, names).wait(60) == 0
    assert remote.blobs() == {path: blob for name in names for path, blob in blobs_of(name).items()}
    assert remote.commits() == len(names)
    assert list(remote.path.rglob("*.lock")) == []
    remote.git("fsck", "--strict")
