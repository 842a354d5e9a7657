"""What it costs to add one environment to a repository of any size, beside a work tree."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pygit2

from benchmarks.git import git
from benchmarks.store.files import build, files_of
from layersite.store import Store
from layersite.store.graft import graft, message, write_commit, write_tree
from layersite.store.snapshot import child, directory_of

__all__ = ["GOAL", "AddOne", "measure_add_one"]

GOAL = "goal: under 5 ms to add one environment, whatever their number"


def median_ms(action: Callable[[str, Mapping[str, bytes]], object], times: int) -> float:
    """Return the median time of `action`, which is given a new environment's name and files each time."""
    taken = []
    for name in (f"new-{number}" for number in range(times)):
        files = files_of(name)
        start = time.perf_counter()
        action(name, files)
        taken.append(time.perf_counter() - start)
    return round(statistics.median(taken) * 1000, 2)


def add_by_graft(repo: pygit2.Repository, name: str, files: Mapping[str, bytes]) -> None:
    tip = repo.references["refs/heads/main"].target
    assert isinstance(tip, pygit2.Oid)
    root = repo[tip].peel(pygit2.Commit).tree
    tree = write_tree(repo, files)
    assert child(root, directory_of(name)) is None
    write_commit(repo, graft(repo, root, {name: tree}), tip, message("add", [name]), 1)


def add_by_work_tree(folder: Path, name: str, files: Mapping[str, bytes]) -> None:
    for file, content in files.items():
        path = folder / directory_of(name) / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    git("-C", str(folder), "add", "-A")
    git("-C", str(folder), "commit", "-q", "-m", f"add {name}")


@dataclass(frozen=True)
class AddOne:
    environments: int
    graft_ms: float
    work_tree_ms: float
    ratio: float
    read_first_ms: float
    read_again_ms: float


def measure_add_one(folder: Path, count: int) -> AddOne:
    bare, work_tree = folder / f"{count}.git", folder / f"{count}"
    build(bare, count)
    git("clone", "-q", "--depth=1", bare.as_uri(), str(work_tree))
    repo = pygit2.Repository(str(bare))
    ours = median_ms(lambda name, files: add_by_graft(repo, name, files), 101)
    theirs = median_ms(lambda name, files: add_by_work_tree(work_tree, name, files), 7)
    store = Store(bare.as_uri(), "main", folder / "cache")
    Store(bare.as_uri(), "main", folder / "cache").read()  # fetches, so that the next reads only parse
    first, again = (median_ms(lambda name, files: store.read(), 1) for _ in range(2))
    return AddOne(count, ours, theirs, round(theirs / ours, 1), first, again)
