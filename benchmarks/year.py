"""Let a team work for a simulated year.

Run `python -m benchmarks year [--developers N] [--days N] [--jobs N] [--seed N] [--picture FILE]`. The same arguments
give the same year.
"""

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

from benchmarks.days import FIRST, Day, place, simulate
from benchmarks.git import git
from benchmarks.picture import Panel, write_picture
from benchmarks.team import QUIET

__all__ = ["join", "live", "main", "panels", "summary"]


def live(developers: int, seed: int, first: date, days: int) -> tuple[list[Day], float]:
    """Return `days` days from `first` on with what they add to the repository, and what a shallow clone has then."""
    found: list[Day] = []
    eve, last = Day(first), first + timedelta(days - 1)
    with tempfile.TemporaryDirectory() as name:
        for today in simulate(Path(name), developers, seed, first):
            tomorrow = today.day + timedelta(1)
            if tomorrow == first:
                eve = replace(today, mebibytes=_packed(Path(name)))
            if today.day < first:
                continue
            is_measured = tomorrow.day == 1 or today.day == last
            size = _packed(Path(name)) - (eve.mebibytes or 0) if is_measured else None
            found.append(replace(today, commits=today.commits - eve.commits, mebibytes=size))
            if size is not None:
                print(f"{first} to {today.day}: {today.alive} alive, {found[-1].commits} commits", flush=True)
            if today.day == last:
                return found, _shallow(Path(name))
    raise AssertionError("days follow each other without end")


def join(stretches: Iterable[Sequence[Day]]) -> list[Day]:
    """Return the days of all stretches, each on top of what the one before left in the repository."""
    found: list[Day] = []
    for stretch in stretches:
        base = found[-1] if found else Day(FIRST)
        for day in stretch:
            size = None if day.mebibytes is None else day.mebibytes + (base.mebibytes or 0)
            found.append(replace(day, commits=day.commits + base.commits, mebibytes=size))
    return found


def _packed(folder: Path) -> float:
    """Return the repository's size in MiB, packed as hosts do."""
    git(place(folder), "gc", "--quiet")
    sizes = dict(line.split(": ") for line in git(place(folder), "count-objects", "-v").splitlines())
    return int(sizes["size-pack"]) / 1024


def _shallow(folder: Path) -> float:
    """Return the size in MiB of a clone of depth 1, as Argo CD makes it."""
    git("clone", "-q", "--bare", "--depth=1", (folder / "environments.git").as_uri(), str(folder / "shallow.git"))
    return sum(path.stat().st_size for path in (folder / "shallow.git").rglob("*.pack")) / 1024**2


def summary(found: Sequence[Day], shallow: float) -> list[str]:
    """Return the report, a line for each figure."""
    hours = {key: sum(day.hours[key] for day in found) for key in found[0].hours}
    full = hours["without sleep and leases"] or 1
    alive, awake = (sum(values) / len(found) for values in ([d.alive for d in found], [d.awake for d in found]))
    return [
        f"{len(found)} days: {alive:.0f} environments, {awake:.0f} awake; at most {max(d.alive for d in found)}",
        *(f"core hours {key}: {value:,.0f} ({value / full:.0%})" for key, value in hours.items()),
        f"{found[-1].commits:,} commits, a push each",
        f"{found[-1].mebibytes:.1f} MiB packed, {shallow:.1f} in a clone of depth 1",
    ]


def panels(found: Sequence[Day]) -> list[Panel]:
    """Return what the picture shows."""
    sizes = [(0, 0.0), *((number + 1, day.mebibytes) for number, day in enumerate(found) if day.mebibytes is not None)]
    cores = {key: _smooth([day.hours[key] / 24 for day in found]) for key in reversed(found[0].hours)}
    alive = {"alive": _smooth([day.alive for day in found]), "awake": _smooth([day.awake for day in found])}
    return [
        Panel("Environments, mean of 7 days", alive),
        Panel("Cores requested, mean of 7 days", cores),
        Panel("The packed repository, MiB", {"with all history": sizes}),
    ]


def _smooth(values: Sequence[float]) -> list[tuple[int, float]]:
    """Return for each day the mean of the week around it, for nobody works at weekends."""
    around = ((number, values[max(number - 3, 0) : number + 4]) for number in range(len(values)))
    return [(number, sum(week) / len(week)) for number, week in around]


def main() -> None:
    """Simulate, print a line a month, and draw."""
    parser = argparse.ArgumentParser(prog="benchmarks year", description=__doc__)
    parser.add_argument("--developers", type=int, default=200)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--jobs", type=int, default=1, help="Stretches of days that are lived side by side.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    bounds = [asked.days * number // asked.jobs for number in range(asked.jobs + 1)]
    firsts = [FIRST + timedelta(start) for start in bounds[:-1]]
    lengths = [end - start for start, end in pairwise(bounds)]
    with ProcessPoolExecutor(asked.jobs) as pool:
        lived = list(pool.map(partial(live, asked.developers, asked.seed), firsts, lengths))
    found = join(days for days, _ in lived)
    print("\n".join(summary(found, lived[-1][1])))
    if asked.picture:
        write_picture(asked.picture, panels(found), FIRST, len(found), QUIET)
