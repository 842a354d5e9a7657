"""A bare repository that plays the host, and stores that work on it, with git's configuration out of reach."""

import hashlib
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from layersite.store import FoldingStore, Store

MakeStore = Callable[..., Store]


class Remote:
    """A bare repository as a host would keep it; `git` asks it, `blobs` is what its `main` holds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = path.as_uri()
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
        self.git("config", "receive.fsckObjects", "true")

    def git(self, *arguments: str, stdin: str = "") -> str:
        argv = ["git", f"--git-dir={self.path}", *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True, input=stdin, encoding="utf-8").stdout

    def blobs(self) -> dict[str, str]:
        lines = self.git("ls-tree", "-r", "-z", "main").split("\0")[:-1]
        return {line.partition("\t")[2]: line.split()[2] for line in lines}

    def commits(self) -> int:
        return int(self.git("rev-list", "--count", "--all"))

    def hook(self, name: str, script: str) -> None:
        path = self.path / "hooks" / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def put(self, files: dict[str, bytes]) -> None:
        """Commit `files` to `main` as any person could, past the bot."""
        parent = "from refs/heads/main^0\n" if self.git("branch", "--list", "main") else ""
        stream = f"commit refs/heads/main\ncommitter a <a@example.com> 1 +0000\ndata 0\n{parent}"
        for path, content in files.items():
            stream += f"M 100644 inline {path}\ndata {len(content)}\n{content.decode()}\n"
        self.git("fast-import", "--quiet", stdin=stream)


def blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@pytest.fixture(autouse=True)
def _own_git_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "home" / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path / "remote.git")


@pytest.fixture(params=[Store, FoldingStore])
def kind(request: pytest.FixtureRequest) -> type[Store]:
    """The kinds of store, which keep the same promises."""
    kind: type[Store] = request.param
    return kind


@pytest.fixture
def make_store(tmp_path: Path, remote: Remote, kind: type[Store]) -> MakeStore:
    """Return a store on the remote that never really waits; give `cache` to stand for another machine."""

    def make(cache: str = "cache", **changes: Any) -> Store:
        arguments: dict[str, Any] = {"url": remote.url, "branch": "main", "sleep": lambda seconds: None, **changes}
        return kind(cache=tmp_path / cache, random=random.Random(1), **arguments)  # noqa: S311 - not a secret

    return make


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store()
