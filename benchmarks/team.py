"""Developers at a forge that lists what they do, and a cluster that does all it is told: what a simulated year needs.

Everything is behind the bot's own Protocols; chance is a seed's.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

from layersite.argocd.model import Result
from layersite.argocd.received import Application
from layersite.model.change import Change
from layersite.model.database import Delivery
from layersite.model.environment import Environment, Tombstone
from layersite.model.yaml import dump

__all__ = ["HOLIDAYS", "LATE", "QUIET", "Cluster", "Team", "lay_out"]

HOLIDAYS = [f"2026-{day}" for day in ("01-01", "04-03", "04-06", "05-01", "05-14", "05-25", "10-03", "12-25")]
QUIET = {8: 0.6, 12: 0.7}
"""Months in which many are on holiday, with the share of work that is left."""
OPENS, PUSHES, LIFE, FORGOTTEN, LATE = 0.3, 1.0, 3.0, 0.05, 0.08
"""Per developer and working day changes opened; per open change pushes; days that one is worked on; shares."""
STALE = 45
"""Days after which somebody closes a forgotten change."""
CALLS = {"web": ("api",), "api": ("catalog", "cart"), "catalog": (), "cart": (), "mailer": ()}
CORES = {"web": "100m", "api": "250m", "catalog": "250m", "cart": "250m", "mailer": "50m"}
SITE = {
    "organization": "acme",
    "environments": {"url": "environments.git"},
    "repositories": {name: {"url": f"https://git.example.com/acme/{name}.git"} for name in CALLS},
    "cluster": {"baseline": {"namespace": "staging"}},
    "argocd": {"url": "https://argocd.example.com"},
    "exposure": {"domain": "preview.example.com"},
    "images": {"by_digest": False},
    "lease": {"change_hours": 96},
    "safety": {"removals": 10000},
    "working_hours": {"timezone": "Europe/Berlin", "start": "08:00", "end": "19:00", "holidays": HOLIDAYS},
}


@dataclass
class Team:
    """Developers who open changes, push to them, close most and forget some; also the forge that lists them."""

    developers: int
    chance: Random
    now: datetime
    open: dict[int, Change] = field(default_factory=dict)
    until: dict[int, date] = field(default_factory=dict)
    forgotten: set[int] = field(default_factory=set)
    opened: int = 0

    def changes(self) -> list[Change]:
        return list(self.open.values())

    def find(self, change: Change) -> Change | None:
        return self.open.get(change.number or 0)

    def resolve(self, repository: str, ref: str) -> str:
        return _sha(repository, ref)

    def work(self, share: float) -> None:
        """Work for `share` of a working day."""
        for number in [number for number, day in self.until.items() if day <= self.now.date()]:
            del self.open[number], self.until[number]
        for number, change in self.open.items():
            if number not in self.forgotten and self.chance.random() < 1 - math.exp(-PUSHES * share):
                self.open[number] = self._at(change.repository, number, change.author)
        for developer in range(self.developers):
            if self.chance.random() < OPENS * share:
                self._start(f"developer-{developer}")

    def _start(self, author: str) -> None:
        self.opened += 1
        is_forgotten = self.chance.random() < FORGOTTEN
        days = STALE if is_forgotten else 1 + int(self.chance.expovariate(1 / LIFE) * 7 / 5)
        self.until[self.opened] = self.now.date() + timedelta(days)
        self.forgotten |= {self.opened} if is_forgotten else set()
        self.open[self.opened] = self._at(self.chance.choice(list(CALLS)), self.opened, author)

    def _at(self, repository: str, number: int, author: str) -> Change:
        sha = _sha(repository, str(number), self.now.isoformat())
        return Change(repository, number, f"work-{number}", sha, author=author, updated_at=self.now.isoformat())


class Cluster:
    """An Argo CD, and playbooks, that do at once what they are told."""

    def applications(self) -> Mapping[str, Application]:
        return {}

    def nudge(self, repository: str, branch: str, before: str, after: str, paths: Sequence[str]) -> tuple[str, ...]:
        return ()

    def await_synced(
        self,
        wanted: Mapping[str, str],
        *,
        deadline: float,
        contains: Callable[[str, str], bool],
        tell: Callable[[str], None],
    ) -> Iterator[Result]:
        yield from (Result(name, "healthy") for name in wanted)

    def await_gone(self, names: Iterable[str], *, deadline: float, tell: Callable[[str], None]) -> Iterator[Result]:
        yield from (Result(name, "gone") for name in names)

    def reap(self, tombstones: Sequence[Tombstone]) -> dict[str, str | None]:
        return {each.name: None for each in tombstones}

    def secrets(self, environments: Sequence[Environment]) -> dict[str, str | None]:
        return {}

    def databases(self, environments: Sequence[Environment], *, reset: bool = False) -> dict[str, Delivery]:
        return {each.name: Delivery() for each in environments}

    def drop(self, environments: Sequence[Environment]) -> dict[str, str | None]:
        return {each.name: None for each in environments}


def _sha(*parts: str) -> str:
    return hashlib.sha1("/".join(parts).encode(), usedforsecurity=False).hexdigest()


def lay_out(folder: Path) -> None:
    """Write the site: five services that call each other, each in a repository of its own."""
    (folder / "layersite.yaml").write_text(dump(SITE))
    for name, needs in CALLS.items():
        base = folder / "apps" / name / "base"
        base.mkdir(parents=True)
        app = {"base": {"directory": "base"}, "repository": name, "needs": [{"app": each} for each in needs]}
        exposed: dict[str, object] = {"expose": {}} if name in ("web", "mailer") else {}
        image = {"images": [{"name": name, "repository": f"registry.example.com/{name}", "tag": "{sha}"}]}
        (base.parent / "app.yaml").write_text(dump({**app, **exposed, **image}))
        ports = [{"name": "http", "containerPort": 8080}]
        requests = {"requests": {"cpu": CORES[name], "memory": "256Mi"}}
        pod = {"containers": [{"name": "main", "image": name, "ports": ports, "resources": requests}]}
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": pod}
        spec = {"selector": {"matchLabels": labels}, "template": template}
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
        port = {"selector": labels, "ports": [{"port": 80, "targetPort": "http"}]}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": port}
        (base / "all.yaml").write_text(f"{dump(deployment)}---\n{dump(service)}")
