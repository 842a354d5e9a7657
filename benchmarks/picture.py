"""Draw lines over the days of a simulated year as an SVG that reads on a phone, on light and on dark ground."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from pathlib import Path

__all__ = ["Panel", "write_picture"]

Points = Sequence[tuple[int, float]]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 520, 150, 48, 12, 54, 34
LINES = (("#d55e00", ""), ("#0072b2", ""), ("#009e73", "6 3"))
"""Colours that differ for colour-blind people too, with the dashes of the line."""
SIZE, LETTER = 14, 7.2
"""Of the text in pixels, and about how wide a letter is."""
STYLE = f"text{{font:{SIZE}px sans-serif;fill:#57606a}}.t{{font-weight:bold}}path{{fill:none;stroke-width:2}}"
DARK = "@media(prefers-color-scheme:dark){text{fill:#9aa4af}}"


@dataclass(frozen=True)
class Panel:
    """One chart: a title with the unit, and its lines, each of which gives a value for a day."""

    title: str
    lines: Mapping[str, Points]


def write_picture(path: Path, panels: Sequence[Panel], first: date, days: int, shaded: Collection[int] = ()) -> None:
    """Write `panels` below each other to `path`; the days begin with `first`, and `shaded` months stand out."""
    each = TOP + HEIGHT + BOTTOM
    parts = [part for n, panel in enumerate(panels) for part in _draw(panel, TOP + n * each, first, days, shaded)]
    size = f'width="{WIDTH}" height="{len(panels) * each}" viewBox="0 0 {WIDTH} {len(panels) * each}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    path.write_text("\n".join([head, f"<style>{STYLE}{DARK}</style>", *parts, "</svg>"]) + "\n", encoding="utf-8")


def _draw(panel: Panel, top: int, first: date, days: int, shaded: Collection[int]) -> list[str]:
    most = _round_up(max(value for points in panel.lines.values() for _, value in points))
    bottom = top + HEIGHT

    def x(day: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * day / days

    def y(value: float) -> float:
        return bottom - HEIGHT * value / most

    parts = [f'<text class="t" x="{LEFT}" y="{top - 34}">{escape(panel.title)}</text>']
    for start, end, month in _months(first, days):
        if month.month in shaded:
            parts.append(
                f'<rect x="{x(start):.1f}" y="{top}" width="{x(end) - x(start):.1f}" height="{HEIGHT}" fill="#8883"/>'
            )
        parts.append(f'<path d="M{x(start):.1f} {bottom}v5" stroke="#888"/>')
        if end - start > 14:
            middle = (x(start) + x(end)) / 2
            parts.append(f'<text x="{middle:.1f}" y="{bottom + 18}" text-anchor="middle">{month:%b}</text>')
    for value in (0.0, most / 2, most):
        parts.append(f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}" stroke="#8886" style="stroke-width:1"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 5:.1f}" text-anchor="end">{value:g}</text>')
    left = LEFT
    for (color, dashes), (label, points) in zip(LINES, panel.lines.items(), strict=False):
        stroke = f'stroke="{color}" stroke-dasharray="{dashes}"'
        line = "L".join(f"{x(day):.1f} {y(value):.1f}" for day, value in points)
        parts.append(f'<path d="M{line}" {stroke}/><path d="M{left} {top - 15}h20" {stroke}/>')
        parts.append(f'<text x="{left + 25}" y="{top - 10}">{escape(label)}</text>')
        left += 40 + round(LETTER * len(label))
    return parts


def _months(first: date, days: int) -> list[tuple[int, int, date]]:
    """Return the months that the days are of, each with the numbers of its first day and of the day after its last."""
    starts = [day for day in range(days) if day == 0 or (first + timedelta(day)).day == 1]
    return [(start, end, first + timedelta(start)) for start, end in zip(starts, [*starts[1:], days], strict=True)]


def _round_up(value: float) -> float:
    """Return the next number that reads well on an axis."""
    step = 10.0 ** (len(str(int(max(value, 1)))) - 1)
    return next(step * part for part in (1, 2, 3, 4, 5, 6, 8, 10) if step * part >= value)
