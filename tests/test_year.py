"""A few days of the simulated year: the same every time, and with the figures that it is drawn from."""

import re
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.days import FIRST, simulate
from benchmarks.picture import write_picture
from benchmarks.year import join, live, panels, summary


def test_a_small_team_leaves_nothing_awake_on_holidays_and_its_days_can_be_drawn(tmp_path: Path) -> None:
    days = list(islice(simulate(tmp_path, developers=4, seed=2), 7))
    assert [day.day for day in days if day.awake == 0 or day.alive == 0][:1] == [date(2026, 1, 1)]
    working, weekend = [day for day in days if day.awake], [day for day in days if day.day.weekday() > 4]
    assert weekend == [day for day in days if day.day in (date(2026, 1, 3), date(2026, 1, 4))]
    assert all(
        day.awake == 0 and day.hours["as it is"] == 0 < day.hours["without sleep"] for day in weekend if day.alive
    )
    assert all(day.hours["as it is"] < day.hours["without sleep"] for day in working)
    assert days[-1].commits >= len(working)
    days[-1].mebibytes = 1.0
    assert "core hours without sleep and leases" in "\n".join(summary(days, 0.5))
    write_picture(tmp_path / "year.svg", panels(days), FIRST, len(days))
    texts = re.findall(r">([^<]+)</text>", (tmp_path / "year.svg").read_text(encoding="utf-8"))
    assert {"Environments, mean of 7 days", "alive", "without sleep", "as it is"} <= set(texts)


def test_the_same_seed_gives_the_same_days(tmp_path: Path) -> None:
    def days(name: str) -> list[object]:
        (tmp_path / name).mkdir()
        return list(islice(simulate(tmp_path / name, developers=2, seed=5), 3))

    assert days("one") == days("two")


def test_stretches_side_by_side_give_the_days_of_one_run() -> None:
    (whole, _), (early, _), (late, _) = (
        live(3, 4, FIRST + timedelta(start), n) for start, n in ((0, 12), (0, 9), (9, 3))
    )
    joined = join([early, late])
    assert [(day.day, day.alive, day.awake, day.hours) for day in joined] == [
        (day.day, day.alive, day.awake, day.hours) for day in whole
    ]
    assert joined[-1].commits == pytest.approx(whole[-1].commits, abs=2)
