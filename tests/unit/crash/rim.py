"""The rim of a bot as a test sees it: every git command, every write to the forge, every change of a cluster is a step.

Nothing in the bot knows of it: git is a program of that name found first on PATH, the forge an HTTP server in another
process, and the cluster a folder. A step happens before and after each of them, and a process can be killed at any.
"""

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pygit2

from layersite.argocd.model import Result
from layersite.argocd.received import Application
from layersite.data.sweep import Held
from layersite.database.clone import Taken
from layersite.model.database import Delivery
from layersite.model.environment import Environment, Tombstone
from layersite.model.errors import ArgoCDError
from layersite.store.parsed import Parsed
from layersite.store.snapshot import read_snapshot

GIT = """#!/bin/sh
step() {
  echo "$1" >> FOLDER/steps
  [ "$(wc -l < FOLDER/steps)" -lt "$(cat FOLDER/last)" ] && return
  kill -9 "$(cat FOLDER/victim)"
  exit 137
}
step "before git $*"
REAL "$@"
code=$?
step "after git $*"
exit $code
"""


@dataclass(frozen=True)
class Fate:
    """Counts the steps of one process, and kills it at the one that `begin` names."""

    folder: Path

    def begin(self, last: int | None) -> None:
        """Start anew; None lets the process live."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "steps").write_text("", "utf-8")
        (self.folder / "last").write_text(str(last or 1_000_000), "utf-8")
        shim = self.folder / "bin" / "git"
        if not shim.exists():
            shim.parent.mkdir()
            shim.write_text(GIT.replace("FOLDER", str(self.folder)).replace("REAL", str(shutil.which("git"))), "utf-8")
            shim.chmod(0o755)

    def meet(self) -> None:
        """Make this process the one that may be killed, and count its git commands."""
        (self.folder / "victim").write_text(str(os.getpid()), "utf-8")
        os.environ["PATH"] = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def steps(self) -> list[str]:
        return (self.folder / "steps").read_text("utf-8").splitlines()

    def step(self, what: str) -> bool:
        """Count a step; return whether the process lives on."""
        with (self.folder / "steps").open("a", encoding="utf-8") as file:
            file.write(f"{what}\n")
        if len(self.steps()) < int((self.folder / "last").read_text("utf-8")):
            return True
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((self.folder / "victim").read_text("utf-8")), signal.SIGKILL)
        return False


@dataclass(frozen=True)
class Cluster:
    """What a cluster and a database server hold, as files: `<kind>/<namespace>`."""

    folder: Path
    step: Callable[[str], bool]

    def held(self, kind: str) -> set[str]:
        return {path.name for path in (self.folder / kind).glob("*")}

    def put(self, kind: str, name: str) -> bool:
        """Add something unless it is there; return whether it was added."""
        self.step(f"before {kind} {name}")
        is_new = name not in self.held(kind)
        self.happen(kind, name)
        self.step(f"after {kind} {name}")
        return is_new

    def happen(self, kind: str, name: str) -> None:
        """Add something that not the bot does."""
        (self.folder / kind).mkdir(parents=True, exist_ok=True)
        (self.folder / kind / name).touch()

    def remove(self, kind: str, name: str) -> None:
        self.step(f"before removing {kind} {name}")
        (self.folder / kind / name).unlink(missing_ok=True)
        self.step(f"after removing {kind} {name}")

    def look(self) -> Held:
        """Return what the database server holds."""
        found = sorted(self.held("databases"))
        return Held([Taken(each, each.removeprefix("env-"), "stock", "2026-01-01T00:00:00Z") for each in found])

    def drop(self, found: Taken) -> None:
        self.remove("databases", found.name)


@dataclass(frozen=True)
class Argo:
    """An Argo CD that makes applications and namespaces from what is committed; the namespaces stay when it prunes."""

    cluster: Cluster
    repository: Path
    is_up: Callable[[], bool] = lambda: True

    def _sync(self) -> None:
        if not self.is_up():
            raise ArgoCDError("Argo CD is down")
        repository = pygit2.Repository(str(self.repository))
        branch, seen = repository.references.get("refs/heads/main"), Parsed(self.repository.with_suffix(".seen"))
        entries = read_snapshot(repository, branch and branch.peel(pygit2.Commit).id, {}, seen).entries.values()
        alive = {each.environment.namespace for each in entries if each.environment}
        for namespace in alive:
            for kind in ("applications", "namespaces"):
                self.cluster.happen(kind, namespace)
        for name in self.cluster.held("applications") - alive:
            (self.cluster.folder / "applications" / name).unlink()

    def applications(self) -> Mapping[str, Application]:
        self._sync()
        well = {"sync": {"status": "Synced"}, "health": {"status": "Healthy"}}
        held = self.cluster.held("applications")
        return {name: Application.model_validate({"metadata": {"name": name}, "status": well}) for name in held}

    def nudge(self, repository: str, branch: str, before: str, after: str, paths: Sequence[str]) -> tuple[str, ...]:
        if not self.is_up():
            return ("Argo CD is down",)
        self.cluster.step("before telling Argo CD")
        self._sync()
        self.cluster.step("after telling Argo CD")
        return ()

    def await_synced(self, wanted: Mapping[str, str], **_: object) -> Iterator[Result]:
        self._sync()
        yield from (Result(n, "healthy" if n in self.cluster.held("namespaces") else "late") for n in wanted)

    def await_gone(self, names: Iterable[str], **_: object) -> Iterator[Result]:
        self._sync()
        yield from (Result(n, "late" if n in self.cluster.held("applications") else "gone") for n in names)


@dataclass(frozen=True)
class Books:
    """Playbooks that work in the cluster."""

    cluster: Cluster

    def reap(self, tombstones: Sequence[Tombstone]) -> dict[str, str | None]:
        for stone in tombstones:
            for kind in ("secrets", "namespaces", *(["databases"] if stone.data else [])):
                self.cluster.remove(kind, stone.namespace)
        return {stone.name: None for stone in tombstones}

    def secrets(self, environments: Sequence[Environment]) -> dict[str, str | None]:
        there = {
            each.name: each.namespace for each in environments if each.namespace in self.cluster.held("namespaces")
        }
        for namespace in there.values():
            self.cluster.put("secrets", namespace)
        return {each.name: None if each.name in there else "there is no namespace" for each in environments}

    def databases(self, environments: Sequence[Environment], *, reset: bool = False) -> dict[str, Delivery]:
        return {each.name: Delivery(is_made=self.cluster.put("databases", each.namespace)) for each in environments}

    def drop(self, environments: Sequence[Environment]) -> dict[str, str | None]:
        for each in environments:
            self.cluster.remove("databases", each.namespace)
        return {each.name: None for each in environments}
