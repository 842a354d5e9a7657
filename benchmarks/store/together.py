"""What many writers reach together on one repository, beside what people usually write."""

import random
import resource
import statistics
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pygit2

from benchmarks.git import git
from benchmarks.peers import PEERS
from benchmarks.store.files import build, files_of
from layersite.model.errors import StoreError
from layersite.store import FoldingStore, Store, Write
from layersite.store.graft import write_tree
from layersite.store.snapshot import child, directory_of

__all__ = ["BASE", "WAYS", "Together", "measure_writers"]

BASE = 1000


@dataclass(frozen=True)
class Work:
    """What one process does in its `way`: one push for each of `batches`; `times` has start and end of each."""

    way: str
    url: str
    cache: Path
    seed: int
    batches: list[list[str]]


Times = tuple[list[tuple[float, float]], float]
"""When each push began and ended, and the seconds of CPU that all of them took, git and the host included."""
STORES: Mapping[str, type[Store]] = {"compare-and-swap": Store, "fold": FoldingStore, "one committer": Store}
WAYS = [*STORES, *PEERS]


def add_all(work: Work, ready: Barrier, results: "Queue[Times]") -> None:
    chance = random.Random(work.seed)  # noqa: S311 - jitter
    files = {name: files_of(name) for names in work.batches for name in names}
    times = []
    if work.way in STORES:
        store = STORES[work.way](work.url, "main", work.cache, random=chance)
        store.read()
    ready.wait()
    before = cpu_seconds()
    for names in work.batches:
        start = time.monotonic()
        if work.way in STORES:
            with suppress(StoreError):  # what it gave up is counted as lost
                store.commit([Write(name, files[name], None, name) for name in names], f"add {len(names)}")
        else:
            PEERS[work.way].add(work.url, work.cache, names[0], files[names[0]], chance)
        times.append((start, time.monotonic()))
    results.put((times, cpu_seconds() - before))


def cpu_seconds() -> float:
    """Return what this process and its children have used, which other work on the machine does not change."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@dataclass(frozen=True)
class Together:
    way: str
    environments: int
    per_second: float
    p50_s: float
    p95_s: float
    longest_s: float
    cpu_ms_each: int
    lost: int


def measure_together(way: str, remote: Path, works: list[Work]) -> Together:
    context = get_context("spawn")
    ready, results = context.Barrier(len(works)), context.Queue()
    processes = [context.Process(target=add_all, args=(work, ready, results)) for work in works]
    for process in processes:
        process.start()
    measured: list[Times] = [results.get() for _ in processes]
    times = [time for taken, _ in measured for time in taken]
    for process in processes:
        process.join()
    names = [name for work in works for batch in work.batches for name in batch]
    seconds = sorted(end - start for start, end in times)
    span = max(end for _, end in times) - min(start for start, _ in times)
    gone = lost(remote, names)
    return Together(
        way,
        len(names),
        round((len(names) - gone) / span, 1),
        round(statistics.median(seconds), 3),
        round(seconds[int(len(seconds) * 0.95)], 3),
        round(seconds[-1], 3),
        round(sum(used for _, used in measured) / len(names) * 1000),
        gone,
    )


def lost(remote: Path, names: list[str]) -> int:
    """Count the environments that are not on `main` byte for byte."""
    repo = pygit2.Repository(str(remote))
    root = repo.revparse_single("main").peel(pygit2.Commit).tree
    found = {name: child(root, directory_of(name)) for name in names}
    return sum(tree is None or tree.id != write_tree(repo, files_of(name)) for name, tree in found.items())


def measure_writers(folder: Path, writers: int, each: int, chosen: list[str]) -> list[Together]:
    build(folder / "base.git", BASE)
    names = [[f"web-{writer}-{number}" for number in range(each)] for writer in range(writers)]
    alone = [[[name] for name in share] for share in names]
    at_once = [[list(batch) for batch in zip(*names, strict=True)]]
    measured: list[Together] = []
    for way in chosen:
        shares = at_once if way == "one committer" else alone
        remote = folder / f"remote-{len(measured)}.git"
        git("clone", "-q", "--bare", str(folder / "base.git"), str(remote))
        works = [
            Work(way, remote.as_uri(), folder / f"cache-{len(measured)}-{seed}", seed, share)
            for seed, share in enumerate(shares)
        ]
        measured.append(measure_together(way, remote, works))
        print(f"{way}: {measured[-1].per_second} a second, {measured[-1].lost} lost", file=sys.stderr)
    return measured
