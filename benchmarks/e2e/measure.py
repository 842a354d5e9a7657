"""What is measured of changes, the same for each side: one after the other, and many at once."""

import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.e2e.seen import Seen
from benchmarks.e2e.sides import Change, Side

__all__ = ["Bench"]

_SETTLE = 2
"""Seconds before each event, so that nobody is still busy with the one before."""
_OPENED = {"Application": "Application", "pod ready": "pod ready", "Healthy": "Healthy"}
_CLOSED = {"Application gone": "Application gone"}
_COMMITTED = {"opened": {"commit": "A environment.yaml"}, "pushed": {"commit": "M environment.yaml"}}
_TIDIED = {"commit": "A tombstone.yaml", "namespace gone": "namespace gone", "all gone": "D tombstone.yaml"}


@dataclass(frozen=True)
class Bench:
    """Seconds by what was measured and by side."""

    seen: Seen
    seconds: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def live(self, side: Side, branch: str) -> None:
        """Open a change, push to it and close it, each when the one before is done."""
        change = self.open(side, branch)
        digest = side.prepare(branch, branch)
        time.sleep(_SETTLE)
        pushed = side.renew(change)
        if side.commits:
            self.follow(side, "pushed", {change.application: pushed}, _COMMITTED["pushed"])
        self.follow(side, "pushed", {f"{change.application} {digest}": pushed}, {"new content Healthy": "Healthy"})
        time.sleep(_SETTLE)
        self._close(side, "closed", {change: side.close(change)})

    def open(self, side: Side, branch: str) -> Change:
        """Open a change and see its environment Healthy."""
        side.prepare(branch, "main")
        side.push(branch)
        time.sleep(_SETTLE)
        change, opened = side.open(branch)
        self._arrive(side, "opened", {change: opened})
        return change

    def together(self, side: Side, branches: list[str]) -> None:
        """Open a change of each branch at once; when all are Healthy, close them at once."""
        for branch in branches:
            side.prepare(branch, "main")
        side.push(*branches)
        time.sleep(_SETTLE)
        event = f"{len(branches)} opened at once"
        with ThreadPoolExecutor(len(branches)) as pool:
            first = time.monotonic()
            opened = dict(pool.map(side.open, branches))
            healthy = max(self._arrive(side, event, opened).values())
            self.seconds[f"{event}: first call -> all Healthy", side.name] += [healthy - first]
            self.seconds[f"{event}: last return -> all Healthy", side.name] += [healthy - max(opened.values())]
            time.sleep(_SETTLE)
            closed = dict(zip(opened, pool.map(side.close, opened), strict=True))
        self._close(side, f"{len(branches)} closed at once", closed)

    def follow(self, side: Side, event: str, since: Mapping[str, float], stages: Mapping[str, str]) -> dict[str, float]:
        """Add how long each stage took after `event`; return when the last one was seen."""
        seen: dict[str, float] = {}
        for stage, what in stages.items():
            seen = self.seen.wait(what, since.keys())
            self.seconds[f"{event} -> {stage}", side.name] += [seen[name] - moment for name, moment in since.items()]
        return seen

    def _arrive(self, side: Side, event: str, opened: Mapping[Change, float]) -> dict[str, float]:
        since = {change.application: moment for change, moment in opened.items()}
        return self.follow(side, event, since, {**(_COMMITTED["opened"] if side.commits else {}), **_OPENED})

    def _close(self, side: Side, event: str, closed: Mapping[Change, float]) -> None:
        since = {change.application: moment for change, moment in closed.items()}
        self.follow(side, event, since, {**_CLOSED, **(_TIDIED if side.commits else {})})
