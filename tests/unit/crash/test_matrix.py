"""A run that is killed before or after anything it does to the outside is made up for by the next, to the last byte."""

import copy
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from layersite.process import git

from ..forge.fake_gitea import FakeGitea, sha
from .rim import Cluster, Fate
from .worker import work

CONTEXT = get_context("forkserver")  # which has imported all of it, so that a process costs a fork
CONTEXT.set_forkserver_preload([work.__module__])
_PLAN = re.compile(r"<details><summary>Plan</summary>.*?</details>", re.DOTALL)
"""A run that finds everything committed has another plan than the one that committed it."""


@dataclass
class Scene:
    """One site with a forge, a cluster, and a bot in a process of its own that may be killed."""

    root: Path
    gitea: FakeGitea
    kind: str

    def __post_init__(self) -> None:
        self.folder, self.fate = self.root / "site", Fate(self.root / "fate")
        self.cluster = Cluster(self.folder / "cluster", lambda what: True)
        self.gitea.is_heard = self.fate.step
        git("init", "-q", "--bare", "-b", "main", str(self.folder / "environments.git"))
        self.saved: list[Any] = []

    def run(self, verb: str, last: int | None = None) -> int:
        """Run the bot in a process that dies at step `last`; return its exit code."""
        self.fate.begin(last)
        process = CONTEXT.Process(target=work, args=(self.folder, self.gitea.url, self.kind, verb))
        process.start()
        process.join(300)
        assert process.exitcode is not None
        return process.exitcode

    def save(self) -> None:
        shutil.copytree(self.folder, self.root / "saved")
        self.saved = copy.deepcopy([self.gitea.comments, self.gitea.statuses])

    def restore(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.root / "saved", self.folder)
        self.gitea.comments, self.gitea.statuses = copy.deepcopy(self.saved)

    def state(self) -> dict[str, Any]:
        """Everything that anyone could see of the site; of the statuses, the newest on each commit."""
        at = f"--git-dir={self.folder / 'environments.git'}"
        git(at, "fsck", "--strict", "--no-dangling")
        return {
            "files": git(at, "ls-tree", "-r", "main"),
            "commits": git(at, "log", "--format=%s%n%(trailers:key=Environment)", "main"),
            "refs": git(at, "for-each-ref", "--format=%(refname)").split(),
            "locks": sorted(path.name for path in self.folder.rglob("*.lock")),
            "cluster": sorted(str(path.relative_to(self.folder)) for path in self.cluster.folder.rglob("*/*")),
            "comments": sorted(_PLAN.sub("", each["body"]) for each in self.gitea.comments),
            "statuses": {each["url"]: (each["status"], each["description"]) for each in self.gitea.statuses},
        }

    def open(self) -> None:
        self.gitea.open(1)

    def opened(self) -> None:
        self.open()
        self.run("reconcile")

    def push(self) -> None:
        self.opened()
        self.gitea.pulls["acme/shop"][0]["head"]["sha"] = sha("more")

    def close(self) -> None:
        self.opened()
        self.gitea.close(1)

    def reopen(self) -> None:
        self.close()
        self.run("reconcile")
        self.gitea.pulls["acme/shop"][0]["state"] = "open"

    def lose(self) -> None:
        self.opened()
        for number in (7, 8):
            self.cluster.happen("namespaces", f"env-shop-{number}")
        self.cluster.happen("databases", "env-shop-8")

    def lose_clone(self) -> None:
        self.opened()
        self.cluster.remove("databases", "env-shop-1")


CASES: dict[str, tuple[Callable[[Scene], None], str]] = {
    "create": (Scene.open, "reconcile"),
    "update": (Scene.push, "reconcile"),
    "close": (Scene.close, "reconcile"),
    "reopen": (Scene.reopen, "reconcile"),
    "teardown": (Scene.opened, "teardown"),
    "sleep": (Scene.opened, "sleep"),
    "pin": (Scene.opened, "pin"),
    "reap": (Scene.lose, "reap"),
    "make again": (Scene.lose_clone, "reap"),
}
NOTHING_LEFT = ("close", "teardown")
ONLY_SHOP_1 = [f"cluster/{kind}/env-shop-1" for kind in ("applications", "databases", "namespaces", "secrets")]


@pytest.fixture(params=["Store", "FoldingStore"])
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    gitea = FakeGitea()
    yield Scene(tmp_path, gitea, request.param)
    gitea.stop()


def check(scene: Scene, case: str, every: int) -> None:
    """Kill the run at each step but those left out, run it again and compare with one that was left alone."""
    arrange, verb = CASES[case]
    arrange(scene)
    scene.save()
    assert scene.run(verb) == 0
    undisturbed, steps = scene.state(), scene.fate.steps()
    assert undisturbed["refs"] == ["refs/heads/main"]
    assert case not in NOTHING_LEFT or undisturbed["cluster"] == []
    assert verb not in ("reap", "sleep") or undisturbed["cluster"] == ONLY_SHOP_1
    for last in range(len(steps), 0, -every):
        scene.restore()
        assert scene.run(verb, last) == -signal.SIGKILL, steps[last - 1]
        assert scene.run(verb) == 0, steps[last - 1]
        assert scene.state() == undisturbed, steps[last - 1]


@pytest.mark.parametrize("case", ["create", "close", "reap", "make again"])
def test_a_run_killed_at_some_steps(scene: Scene, case: str) -> None:
    check(scene, case, 20)


@pytest.mark.stress
@pytest.mark.parametrize("case", CASES)
def test_a_run_killed_at_any_step(scene: Scene, case: str) -> None:
    check(scene, case, 1)
