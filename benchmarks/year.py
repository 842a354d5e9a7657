"""Let a team work for a simulated year: the real bot, renderer and git, with a fake clock, forge and Argo CD.

Run `python -m benchmarks year [--developers N] [--days N] [--minutes N] [--seed N] [--picture FILE]`. The same
arguments give the same year.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from benchmarks.git import git
from benchmarks.picture import Panel, write_picture
from benchmarks.team import HOLIDAYS, LATE, QUIET, Cluster, Team, lay_out
from layersite.follow import Follower
from layersite.gate import Gate
from layersite.model.catalog import load_catalog
from layersite.model.site import load_site
from layersite.reconcile import Bot
from layersite.render import Renderer
from layersite.store import Store

__all__ = ["Day", "main", "simulate"]

FIRST = date(2026, 1, 1)
ZONE = ZoneInfo("Europe/Berlin")


@dataclass
class Day:
    """One simulated day: counts at its end, core hours over it, and what git holds where it was measured."""

    day: date
    alive: int = 0
    awake: float = 0
    hours: dict[str, float] = field(default_factory=dict)
    commits: int = 0
    mebibytes: float | None = None


def make_bot(folder: Path, team: Team) -> Bot:
    """Return the bot of the site in `folder`, which takes the team for its forge and its clock."""
    site, _ = load_site(folder)
    catalog = load_catalog(folder, site)
    url = str(folder / "environments.git")
    git("init", "-q", "--bare", "-b", "main", url)
    store = Store(url, "main", folder / "store", now=lambda: int(team.now.timestamp()))
    cluster = Cluster()
    follower = Follower(
        site, store, is_open=lambda change: team.find(change) is not None, argocd=cluster, playbooks=cluster
    )
    gate = Gate(site.images, lambda references: {}, follower, lambda: team.now, lambda step: None)
    renderer = Renderer(site, catalog, folder / "bases")
    return Bot(site, catalog, team, store, renderer, gate, follower, lambda: team.now)


@dataclass
class Meter:
    """Adds core hours up: as it was, and as it would have been without sleep, and without leases too."""

    asked: dict[str, int] = field(default_factory=dict)

    def read(self, bot: Bot, team: Team, day: Day, hours: float) -> None:
        """Count `hours` in which nothing changes."""
        alive = {n: e.environment for n, e in bot.store.read().entries.items() if e.environment is not None}
        self.asked |= {name: each.requests.millicores for name, each in alive.items() if each.state == "active"}
        wanted = {f"{change.repository}-{change.number}" for change in team.changes()}
        sums = {
            "as it is": sum(each.requests.millicores for each in alive.values()),
            "without sleep": sum(self.asked.get(name, 0) for name in alive),
            "without sleep and leases": sum(self.asked.get(name, 0) for name in wanted | alive.keys()),
        }
        day.hours = {key: day.hours.get(key, 0) + value / 1000 * hours for key, value in sums.items()}
        day.awake += sum(each.state == "active" for each in alive.values()) * hours / 24
        day.alive = len(alive)


def _moments(day: date, is_working: bool) -> list[tuple[datetime, float]]:
    """Return when the bot runs, and the share of a working day's work that was done by then since the last time."""
    plan = [(8, 0.0), (13, 0.5), (18, 0.5 - LATE), (21, LATE)] if is_working else [(12, 0.0)]
    start = datetime(day.year, day.month, day.day, tzinfo=ZONE)
    return [((start + timedelta(hours=hour)).astimezone(UTC), share) for hour, share in plan]


def simulate(folder: Path, developers: int, seed: int) -> Iterator[Day]:
    """Yield what became of one day after the other."""
    lay_out(folder)
    team = Team(developers, Random(seed), datetime(2026, 1, 1, tzinfo=UTC))  # noqa: S311 - no secret
    bot, meter = make_bot(folder, team), Meter()
    for day in (FIRST + timedelta(number) for number in count()):
        moments = _moments(day, is_working=day.weekday() < 5 and day.isoformat() not in HOLIDAYS)
        ends = [moment for moment, _ in moments[1:]] + [moments[0][0] + timedelta(hours=24)]
        today = Day(day)
        for (moment, share), end in zip(moments, ends, strict=True):
            team.now = moment
            team.work(share * QUIET.get(day.month, 1.0))
            assert bot.reconcile().failed == ()
            meter.read(bot, team, today, (end - moment) / timedelta(hours=1))
        place = f"--git-dir={folder / 'environments.git'}"
        today.commits = int(git(place, "rev-list", "--count", "--all"))
        if (day + timedelta(1)).day == 1:
            today.mebibytes = _packed(place)
        yield today


def _packed(place: str) -> float:
    """Return the repository's size in MiB, packed as hosts do."""
    git(place, "gc", "--quiet")
    sizes = dict(line.split(": ") for line in git(place, "count-objects", "-v").splitlines())
    return int(sizes["size-pack"]) / 1024


def summary(found: Sequence[Day], sizes: tuple[float, float]) -> list[str]:
    """Return the report, a line for each figure."""
    hours = {key: sum(day.hours[key] for day in found) for key in found[0].hours}
    full = hours["without sleep and leases"] or 1
    alive, awake = (sum(values) / len(found) for values in ([d.alive for d in found], [d.awake for d in found]))
    return [
        f"{len(found)} days: {alive:.0f} environments, {awake:.0f} awake; at most {max(d.alive for d in found)}",
        *(f"core hours {key}: {value:,.0f} ({value / full:.0%})" for key, value in hours.items()),
        f"{found[-1].commits:,} commits, a push each; {sizes[0]:.1f} MiB packed, {sizes[1]:.1f} in a clone of depth 1",
    ]


def _sizes(folder: Path) -> tuple[float, float]:
    """Return the sizes in MiB of the whole repository and of a clone of depth 1, as Argo CD makes it."""
    whole = _packed(f"--git-dir={folder / 'environments.git'}")
    git("clone", "-q", "--bare", "--depth=1", (folder / "environments.git").as_uri(), str(folder / "shallow.git"))
    return whole, sum(path.stat().st_size for path in (folder / "shallow.git").rglob("*.pack")) / 1024**2


def panels(found: Sequence[Day]) -> list[Panel]:
    """Return what the picture shows."""
    weeks = [found[start : start + 7] for start in range(0, len(found) - len(found) % 7, 7)] or [found]
    ends = [(index, day) for index, day in enumerate(found) if day.mebibytes is not None]
    daily = list(enumerate(found))
    return [
        Panel(
            "Environments",
            {
                "alive": [(index, float(day.alive)) for index, day in daily],
                "awake, mean of the day": [(index, day.awake) for index, day in daily],
            },
        ),
        Panel(
            "Cores requested, mean of the week",
            {
                key: [
                    (7 * number, sum(day.hours[key] for day in week) / (24 * len(week)))
                    for number, week in enumerate(weeks)
                ]
                for key in reversed(found[0].hours)
            },
        ),
        Panel(
            "The repository, MiB packed", {"all history": [(0, 0.0), *((i, day.mebibytes or 0.0) for i, day in ends)]}
        ),
    ]


def main() -> None:
    """Simulate, print a line a month, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--developers", type=int, default=200)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--minutes", type=int, help="Begin no further day after so many minutes.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    found: list[Day] = []
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        for day in islice(simulate(Path(name), arguments.developers, arguments.seed), arguments.days):
            found.append(day)
            if day.mebibytes is not None:
                print(f"{day.day}: {day.alive} alive, {day.commits} commits, {day.mebibytes:.1f} MiB", flush=True)
            if arguments.minutes and time.monotonic() - start > arguments.minutes * 60:
                break
        sizes = _sizes(Path(name))
        print("\n".join(summary(found, sizes)))
    if arguments.picture:
        found[-1].mebibytes = sizes[0]
        write_picture(arguments.picture, panels(found), FIRST, len(found))
