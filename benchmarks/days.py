"""One day after the other of a simulated year: the real bot, renderer and git, with a fake clock, forge and Argo CD."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from benchmarks.git import git
from benchmarks.team import HOLIDAYS, LATE, QUIET, Cluster, Team, lay_out
from layersite.follow import Follower
from layersite.gate import Gate
from layersite.model.catalog import load_catalog
from layersite.model.site import load_site
from layersite.reconcile import Bot
from layersite.render import Renderer
from layersite.store import Store

__all__ = ["FIRST", "Day", "place", "simulate"]

FIRST = date(2026, 1, 1)
WARM = timedelta(7)
"""What a bot that begins later needs until its environments are those of one that was always there: a lease's time."""
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


def place(folder: Path) -> str:
    """Return git's option for the repository of the site in `folder`."""
    return f"--git-dir={folder / 'environments.git'}"


def make_bot(folder: Path, team: Team) -> Bot:
    """Return the bot of the site in `folder`, which takes the team for its forge and its clock."""
    site, _ = load_site(folder)
    catalog = load_catalog(folder, site)
    url = str(folder / "environments.git")
    git("init", "-q", "--bare", "-b", "main", url)
    git(place(folder), "config", "receive.autoGC", "false")  # hosts repack at times of their own, as `_packed` does
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


def _moments(day: date) -> list[tuple[datetime, float]]:
    """Return when the bot runs, and what share of a working day's work was done by then since the last time."""
    is_working = day.weekday() < 5 and day.isoformat() not in HOLIDAYS
    plan = [(8, 0.0), (13, 0.5), (18, 0.5 - LATE), (21, LATE)] if is_working else [(12, 0.0)]
    start = datetime(day.year, day.month, day.day, tzinfo=ZONE)
    return [((start + timedelta(hours=h)).astimezone(UTC), share * QUIET.get(day.month, 1.0)) for h, share in plan]


def simulate(folder: Path, developers: int, seed: int, first: date = FIRST) -> Iterator[Day]:
    """Yield what became of one day after the other; the bot begins a week before `first`, the team in January."""
    lay_out(folder)
    team = Team(developers, Random(seed), datetime(2026, 1, 1, tzinfo=UTC))  # noqa: S311 - no secret
    start = max(FIRST, first - WARM)
    for day in (FIRST + timedelta(number) for number in range((start - FIRST).days)):
        for team.now, share in _moments(day):
            team.work(share)
    bot, meter = make_bot(folder, team), Meter()
    for today in (Day(start + timedelta(number)) for number in count()):
        moments = _moments(today.day)
        ends = [moment for moment, _ in moments[1:]] + [moments[0][0] + timedelta(hours=24)]
        for (moment, share), end in zip(moments, ends, strict=True):
            team.now = moment
            team.work(share)
            assert bot.reconcile().failed == ()
            meter.read(bot, team, today, (end - moment) / timedelta(hours=1))
        today.commits = int(git(place(folder), "rev-list", "--count", "--all"))
        yield today
