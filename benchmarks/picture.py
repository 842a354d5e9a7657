"""Draw lines over the days of a simulated year as an SVG that reads on light and on dark ground."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from pathlib import Path

__all__ = ["Panel", "write_picture"]

Points = Sequence[tuple[int, float]]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, GAP = 760, 150, 52, 16, 34, 40
COLORS = ("#c2410c", "#0369a1", "#15803d")
STYLE = "text{font:12px sans-serif;fill:#57606a}.t{font-weight:bold}path{fill:none;stroke-width:1.6}"
DARK = "@media(prefers-color-scheme:dark){text{fill:#9aa4af}}"


@dataclass(frozen=True)
class Panel:
    """One chart: a title and its lines, each of which gives a value for a day."""

    title: str
    lines: Mapping[str, Points]


def write_picture(path: Path, panels: Sequence[Panel], first: date, days: int) -> None:
    """Write `panels` below each other to `path`; the days begin with `first`."""
    parts = []
    for number, panel in enumerate(panels):
        top = TOP + number * (HEIGHT + TOP + GAP)
        parts += _draw(panel, top, first, days)
    height = len(panels) * (HEIGHT + TOP + GAP)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
    path.write_text("\n".join([head, f"<style>{STYLE}{DARK}</style>", *parts, "</svg>"]) + "\n", encoding="utf-8")


def _draw(panel: Panel, top: int, first: date, days: int) -> list[str]:
    most = _round_up(max(value for points in panel.lines.values() for _, value in points))
    bottom = top + HEIGHT

    def x(day: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * day / max(days - 1, 1)

    def y(value: float) -> float:
        return bottom - HEIGHT * value / most

    parts = [f'<text class="t" x="{LEFT}" y="{top - 14}">{escape(panel.title)}</text>']
    for value in (0.0, most / 2, most):
        parts.append(f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}" stroke="#8884" stroke-width="1"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>')
    for day in range(days):
        when = first + timedelta(day)
        if when.day == 1:
            parts.append(f'<text x="{x(day):.1f}" y="{bottom + 16}">{when:%b}</text>')
    for color, (label, points), place in zip(COLORS, panel.lines.items(), range(3), strict=False):
        line = "L".join(f"{x(day):.1f} {y(value):.1f}" for day, value in points)
        parts.append(f'<path d="M{line}" stroke="{color}"/>')
        parts.append(
            f'<text x="{WIDTH - RIGHT}" y="{top - 14}" dx="-{place * 175}" text-anchor="end" style="fill:{color}">'
            f"{escape(label)}</text>"
        )
    return parts


def _round_up(value: float) -> float:
    """Return the next number that reads well on an axis."""
    step = 10.0 ** (len(str(int(max(value, 1)))) - 1)
    return next(step * part for part in (1, 2, 3, 4, 5, 6, 8, 10) if step * part >= value)
