"""Measure what whole runs cost in time and memory with many environments in the repository, each as its own process.

Run `python -m benchmarks scale [--sizes 100 10000] [--output results.json]`.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.git import git
from benchmarks.store import machine
from benchmarks.store.files import APPS
from layersite import __version__
from layersite.model.environment import Environment, to_yaml
from layersite.model.yaml import dump
from layersite.place import Place
from layersite.plan import World, make_plan
from layersite.render import Renderer
from layersite.render.layout import git_tree_id
from layersite.store import directory_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MEASURE = """
import json, resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""
"""Linux counts the memory of whoever starts a process as that process's own, so a small one does it."""
LAYERSITE = (sys.executable, "-c", "from layersite.cli import main; main()")
BASE = """---
apiVersion: apps/v1
kind: Deployment
metadata: {name: APP}
spec:
  selector: {matchLabels: {app: APP}}
  template:
    metadata: {labels: {app: APP}}
    spec: {containers: [{name: main, image: APP, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: APP}
spec: {selector: {app: APP}, ports: [{port: 80, targetPort: http}]}
"""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def make_site(folder: Path, count: int) -> Path:
    """Make a site of nine apps, of which a change isolates one and shares three, and `count` open changes."""
    site = folder / "site"
    settings = {
        "organization": "bench",
        "environments": {"url": "../environments.git"},
        "repositories": {"shop": {"url": "../shop.git"}},
        "cluster": {"baseline": {"namespace": "staging"}},
        "exposure": {"domain": "preview.example.com"},
        "images": {"by_digest": False},
        "safety": {"removals": count, "percent": 100},
    }
    write(site / "layersite.yaml", dump(settings))
    for app in APPS:
        more = {"repository": "shop", "needs": [{"app": other} for other in APPS[1:4]], "expose": {}}
        write(site / f"apps/{app}/app.yaml", dump({"base": {"directory": "base"}, **(more if app == APPS[0] else {})}))
        write(site / f"apps/{app}/base/all.yaml", BASE.replace("APP", app))
    git("init", "-q", "--bare", "-b", "main", str(folder / "environments.git"))
    git("init", "-q", "--bare", "-b", "main", str(folder / "shop.git"))
    head = b"committer bench <bench@example.com> 1 +0000\ndata 4\nwork\n"
    branches = [b"main", *(b"change/%d" % number for number in range(1, count + 1))]
    stream = b"".join(b"commit refs/heads/%s\n%s" % (branch, head) for branch in branches)
    git(f"--git-dir={folder / 'shop.git'}", "fast-import", "--quiet", stdin=stream)
    git(f"--git-dir={folder / 'shop.git'}", "pack-refs", "--all")
    return site


def fill(site: Path) -> None:
    """Commit what `reconcile` would make of all open changes: planned by it, rendered once, and told apart by name."""
    place = Place(site)
    settings, catalog = place.load()
    changes = place.forge(settings, catalog)[0].changes()
    results = [a.result for a in make_plan(World(settings, catalog, __version__, {}), changes, NOW).actions]
    made = [result for result in results if isinstance(result, Environment) and result.render]
    renderer = Renderer(settings, catalog, folder := site / "bases")
    files = {path: text for path, text in renderer.render(made[0]).items() if path.startswith("manifests/")}
    stream = bytearray(b"commit refs/heads/main\ncommitter bench <bench@example.com> 1 +0000\ndata 0\n")
    for each in made:
        old, new = (f"{environment.name}".encode() for environment in (made[0], each))
        own = {path: text.replace(old, new) for path, text in files.items()}
        assert each.render
        manifests = git_tree_id({path.partition("/")[2]: text for path, text in own.items()})
        lock = each.render.model_copy(update={"manifests": manifests})
        own["environment.yaml"] = to_yaml(each.model_copy(update={"render": lock})).encode()
        for path, text in own.items():
            stream += f"M 100644 inline {directory_of(each.name)}/{path}\ndata {len(text)}\n".encode() + text + b"\n"
    git(f"--git-dir={site.parent / 'environments.git'}", "fast-import", "--quiet", stdin=bytes(stream))
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Run:
    environments: int
    what: str
    seconds: float
    cpu_s: float
    peak_mb: int


def run(site: Path, count: int, what: str, *arguments: str) -> Run:
    """Run the command and return what it cost, that of the git commands it ran included."""
    argv = [sys.executable, "-c", MEASURE, *LAYERSITE, "--site", str(site), *arguments]
    start = time.perf_counter()
    said = subprocess.run(argv, check=True, capture_output=True).stdout
    seconds = time.perf_counter() - start
    code, cpu, peak = json.loads(said)
    assert code == 0, f"{what}: exit code {code}"
    return Run(count, what, round(seconds, 2), round(cpu, 2), round(peak / 1024))


def measure(folder: Path, count: int) -> list[Run]:
    site = make_site(folder, count)
    shop = f"--git-dir={folder / 'shop.git'}"
    fill(site)
    measured = [
        run(site, count, "status, on a new machine", "status"),
        run(site, count, "status", "status"),
        run(site, count, "reconcile --dry-run", "reconcile", "--dry-run"),
        run(site, count, "drift", "drift"),
    ]
    git(shop, "branch", "change/1000001", "main")
    measured.append(run(site, count, "reconcile, one added", "reconcile"))
    git(shop, "branch", "-D", "change/1")
    measured.append(run(site, count, "reconcile, one removed", "reconcile"))
    tip = [f"--git-dir={folder / 'environments.git'}", "ls-tree", "-r", "--name-only", "main"]
    paths = git(*tip).splitlines()
    assert sum(path.endswith("/environment.yaml") for path in paths) == count
    assert sum(path.endswith("/tombstone.yaml") for path in paths) == 1
    return measured


def table(rows: list[Run]) -> str:
    head = ["environments", "what", "seconds", "CPU, s", "peak, MB"]
    cells = [[f"{value:,}" if isinstance(value, int) else str(value) for value in asdict(row).values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *cells])


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks scale", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 10000], help="environments that are there")
    parser.add_argument("--output", type=Path, help="write the results here as JSON")
    options = parser.parse_args()
    rows: list[Run] = []
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as name:
            rows += measure(Path(name), size)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print(f"\nWhole runs of the command, one after the other\n\n{table(rows)}")
    if options.output:
        text = json.dumps({"machine": machine(), "runs": rows}, default=asdict, indent=2, sort_keys=True)
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
