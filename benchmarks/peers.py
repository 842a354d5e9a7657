"""What people write to push to a shared branch: clone, commit, push, and on a rejection `pull --rebase` and again."""

import random
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.git import git_fails
from layersite.store import directory_of

__all__ = ["PEERS", "Peer"]


@dataclass(frozen=True)
class Peer:
    """One of the usual tries: with a fresh clone for each environment or a kept one, with or without jitter."""

    fresh: bool = False
    attempts: int = 50
    jitter: bool = False
    force: bool = False

    def add(self, url: str, clone: Path, name: str, files: Mapping[str, bytes], chance: random.Random) -> None:
        """Add one environment; after the last attempt it is given up."""
        if self.fresh or not clone.exists():
            shutil.rmtree(clone, ignore_errors=True)
            git_fails("clone", "-q", "--depth=1", url, str(clone))
        at = ("-C", str(clone))
        for file, content in files.items():
            path = clone / directory_of(name) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        git_fails(*at, "add", "-A")
        git_fails(*at, "commit", "-q", "-m", f"add {name}")
        for attempt in range(self.attempts):
            if not git_fails(*at, "push", "-q", *(["--force"] if self.force and attempt else []), url, "HEAD:main"):
                return
            if self.jitter:
                time.sleep(chance.uniform(0, min(6.0, 0.2 * 2**attempt)))
            if not self.force and git_fails(*at, "pull", "-q", "--rebase", url, "main"):
                git_fails(*at, "rebase", "--abort")


PEERS = {
    "a fresh clone each, 5 attempts": Peer(fresh=True, attempts=5),
    "a fresh clone each, 50 attempts": Peer(fresh=True),
    "a kept clone, 50 attempts": Peer(),
    "a kept clone, 50 attempts, jitter": Peer(jitter=True),
    "a kept clone, `--force` on rejection": Peer(force=True),
}
