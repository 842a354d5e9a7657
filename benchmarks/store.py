"""Measure what it costs to add one environment, and what many writers reach together, beside what people usually do.

Run `python -m benchmarks.store [--sizes 100 1000 10000] [--writers 16] [--each 10] [--output results.json]`.
"""

import argparse
import json
import os
import platform
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pygit2

from benchmarks.git import git
from benchmarks.peers import PEERS
from layersite.model.environment import Environment, Member, Slot, to_yaml
from layersite.model.errors import StoreError
from layersite.store import FoldingStore, Store, Write
from layersite.store.graft import graft, message, write_commit, write_tree
from layersite.store.snapshot import child, directory_of

APPS = [
    f"{name}-service"
    for name in ["cart", "catalog", "checkout", "delivery", "email", "payment", "search", "shipping", "user"]
]
SHA = "8f3a1c5e9b7d2046a8c4e6f0123456789abcdef0"
GOAL = "goal: under 5 ms to add one environment, whatever their number"
BASE = 1000

MANIFEST = """---
apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    app.kubernetes.io/instance: {name}
    app.kubernetes.io/managed-by: layersite
    app.kubernetes.io/name: {app}
    app.kubernetes.io/part-of: {name}
  name: {app}
  namespace: env-{name}
spec:
  replicas: 1
  revisionHistoryLimit: 2
  selector:
    matchLabels:
      app.kubernetes.io/instance: {name}
      app.kubernetes.io/name: {app}
  template:
    metadata:
      annotations:
        layersite.dev/commit: {sha}
      labels:
        app.kubernetes.io/instance: {name}
        app.kubernetes.io/name: {app}
    spec:
      automountServiceAccountToken: false
      containers:
        - env:
{variables}
          image: registry.example.com/shop/{app}:{sha}
          name: {app}
          ports:
            - containerPort: 8080
              name: http
          readinessProbe:
            httpGet:
              path: /healthz
              port: http
            periodSeconds: 2
          resources:
            limits:
              memory: 256Mi
            requests:
              cpu: 50m
              memory: 128Mi
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            runAsNonRoot: true
---
apiVersion: v1
kind: Service
metadata:
  labels:
    app.kubernetes.io/instance: {name}
    app.kubernetes.io/managed-by: layersite
    app.kubernetes.io/name: {app}
  name: {app}
  namespace: env-{name}
spec:
  ports:
    - name: http
      port: 80
      targetPort: http
  selector:
    app.kubernetes.io/instance: {name}
    app.kubernetes.io/name: {app}
"""


def files_of(name: str) -> dict[str, bytes]:
    """Return ten files, about 22 KB, as one environment of nine services has them."""
    variables = "\n".join(
        f"            - name: {other.upper().replace('-', '_')}_ADDR\n              value: {other}.env-{name}.svc:80"
        for other in APPS[:5]
    )
    environment = Environment(
        name=name,
        cluster="in-cluster",
        namespace=f"env-{name}",
        members=(Member(repository="shop", number=42, branch="change/42", sha=SHA, apps=tuple(APPS)),),
        slice={app: Slot(provision="isolated", reason="changed", sha=SHA) for app in APPS},
    )
    manifests = {
        f"manifests/{app}.yaml": MANIFEST.format(app=app, name=name, sha=SHA, variables=variables).encode()
        for app in APPS
    }
    return {"environment.yaml": to_yaml(environment).encode(), **manifests}


def build(path: Path, count: int) -> None:
    """Make a bare repository with `count` environments in one commit."""
    git("init", "-q", "--bare", "-b", "main", str(path))
    stream = bytearray(b"commit refs/heads/main\ncommitter bench <bench@example.com> 1 +0000\ndata 0\n")
    for name in (f"shop-{number}" for number in range(count)):
        for file, content in files_of(name).items():
            stream += f"M 100644 inline {directory_of(name)}/{file}\ndata {len(content)}\n".encode() + content + b"\n"
    git(f"--git-dir={path}", "fast-import", "--quiet", stdin=bytes(stream))


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


def machine() -> dict[str, str]:
    return {
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "git": git("version").split()[2],
        "libgit2": pygit2.LIBGIT2_VERSION,
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
    }


def table(rows: list[AddOne] | list[Together]) -> str:
    """Return `rows` as a Markdown table with a column per field."""
    cells = [[str(value) for value in asdict(row).values()] for row in rows]
    head = [name.replace("_", " ") for name in asdict(rows[0])]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *cells])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 1000, 10000], help="environments that are there")
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--each", type=int, default=10, help="environments per writer")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=WAYS, help="ours, and what people usually write")
    parser.add_argument("--output", type=Path, help="write the results here as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        added = [measure_add_one(Path(name), size) for size in options.sizes]
        together = measure_writers(Path(name), options.writers, options.each, options.ways)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    if added:
        print(f"\nAdding one environment (10 files, about 22 KB), medians; {GOAL}\n\n{table(added)}")
    print(f"\n{options.writers} writers on one bare repository of {BASE} environments\n\n{table(together)}")
    if options.output:
        results = {"machine": machine(), "add_one": added, "together": together}
        text = json.dumps(results, default=asdict, indent=2, sort_keys=True)
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
