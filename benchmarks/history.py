"""Measure how the environments repository grows with its commits, and what a squash leaves of that, with real git.

Run `python -m benchmarks.history [--environments 200] [--commits 1000 2000 4000] [--output results.json]`.
"""

import argparse
import json
import random
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import pygit2

from benchmarks.git import git
from benchmarks.store import machine
from benchmarks.store.files import SHA, build, files_of
from layersite.store import Store, directory_of
from layersite.store.graft import graft, message, write_commit, write_tree
from layersite.store.snapshot import child

MAIN = "refs/heads/main"


@dataclass(frozen=True)
class Size:
    """The repository after `commits`: a whole clone and one without history, in MB, from a host that repacked."""

    commits: int
    whole_mb: float
    shallow_mb: float


def grow(repo: pygit2.Repository, count: int, chance: random.Random) -> None:
    """Add commits as a team makes them: of four, one opens, two push and one closes an environment."""
    tip = repo.references[MAIN].peel(pygit2.Commit)
    living = [name for name in (f"shop-{number}" for number in range(20000)) if child(tip.tree, directory_of(name))]
    last = 20000 + len([*repo.walk(tip.id)])
    for number in range(count):
        what = ("open", "push", "push", "close")[number % 4]
        name = f"shop-{last + number}" if what == "open" else chance.choice(living)
        sha = f"{chance.getrandbits(160):040x}".encode()
        files = None if what == "close" else {p: text.replace(SHA.encode(), sha) for p, text in files_of(name).items()}
        root = graft(repo, tip.tree, {name: write_tree(repo, files) if files else None})
        commit = write_commit(repo, root, tip.id, message(f"{what} {name}", [name]), 1_800_000_000 + number)
        tip = repo[commit].peel(pygit2.Commit)
        if what == "open":
            living.append(name)
        elif what == "close":
            living.remove(name)
    repo.references.create(MAIN, tip.id, force=True)


def size(remote: Path) -> Size:
    git(f"--git-dir={remote}", "-c", "gc.pruneExpire=now", "gc", "-q", "--prune=now")
    costs = Store(remote.as_uri(), "main", remote.parent / "cache").costs()
    return Size(costs.commits, round(costs.whole_bytes / 1e6, 2), round(costs.shallow_bytes / 1e6, 2))


def measure(folder: Path, environments: int, steps: list[int]) -> list[Size]:
    remote, chance, done = folder / "remote.git", random.Random(1), 0  # noqa: S311 - not a secret
    build(remote, environments)
    sizes = [size(remote)]
    for step in steps:
        grow(pygit2.Repository(str(remote)), step - done, chance)
        done = step
        sizes.append(size(remote))
    Store(remote.as_uri(), "main", folder / "cache").squash(None)
    sizes.append(size(remote))
    shutil.rmtree(folder / "cache")
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks history", description=__doc__)
    parser.add_argument("--environments", type=int, default=200, help="that there are at first, of ten files each")
    parser.add_argument("--commits", type=int, nargs="*", default=[1000, 2000, 4000])
    parser.add_argument("--output", type=Path, help="write the results here as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        sizes = measure(Path(name), options.environments, options.commits)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print(f"\n{options.environments} environments; the last row after a squash\n")
    print("| commits | a whole clone, MB | a clone without history, MB |\n|---|---|---|")
    print("\n".join(f"| {each.commits:,} | {each.whole_mb} | {each.shallow_mb} |" for each in sizes))
    if options.output:
        text = json.dumps({"machine": machine(), "sizes": sizes}, default=asdict, indent=2, sort_keys=True)
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
