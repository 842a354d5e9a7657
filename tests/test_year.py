"""A few days of the simulated year: the same every time, and with the figures that it is drawn from."""

import re
from datetime import date
from itertools import islice
from pathlib import Path

from benchmarks.picture import write_picture
from benchmarks.year import FIRST, panels, simulate, summary


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
    assert "core hours without sleep and leases" in "\n".join(summary(days, (1.0, 0.5)))
    days[-1].mebibytes = 1.0
    write_picture(tmp_path / "year.svg", panels(days), FIRST, len(days))
    texts = re.findall(r">([^<]+)</text>", (tmp_path / "year.svg").read_text(encoding="utf-8"))
    assert {"Environments", "alive", "without sleep", "Jan"} <= set(texts)


def test_the_same_seed_gives_the_same_days(tmp_path: Path) -> None:
    def days(name: str) -> list[object]:
        (tmp_path / name).mkdir()
        return list(islice(simulate(tmp_path / name, developers=2, seed=5), 3))

    assert days("one") == days("two")
