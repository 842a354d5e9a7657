"""What a check found, and how many are run: none stops another, but what rests on something wrong is skipped."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

from layersite.model.errors import LayersiteError

__all__ = ["Area", "Check", "Finding", "examine", "ok", "skipped", "wait", "wrong"]

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """What one check found; `mend` says what to do where that does not stand in `text` already."""

    state: Literal["ok", "wrong", "skipped"]
    text: str
    mend: str = ""


def ok(text: str) -> Finding:
    """Return that all is well."""
    return Finding("ok", text)


def wrong(text: str, mend: str = "") -> Finding:
    """Return that something does not work, and how to mend it."""
    return Finding("wrong", text, mend)


def skipped(text: str, mend: str = "") -> Finding:
    """Return why there is nothing to say, and what would let it be said."""
    return Finding("skipped", text, mend)


Check = Callable[[], Finding]
Area = Mapping[str, Check]
"""Checks by name; where the first is not ok, the others make no sense and are skipped."""


def examine(areas: Sequence[Area]) -> dict[str, Finding]:
    """Run the checks of all areas at once, those of one in their order, and return what each found."""
    with ThreadPoolExecutor(len(areas)) as pool:
        return {name: finding for found in pool.map(_examine, areas) for name, finding in found.items()}


def _examine(area: Area) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    first = next(iter(area))
    for name, check in area.items():
        is_held_up = first in found and found[first].state != "ok"
        found[name] = skipped(f"`{first}` is not ok") if is_held_up else _run(check)
    return found


def _run(check: Check) -> Finding:
    try:
        return check()
    except LayersiteError as error:
        return wrong(str(error))


def wait(look: Callable[[], T], seconds: float) -> T:
    """Return what `look` saw as soon as it is true, or what it saw last."""
    end = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < end:
        time.sleep(0.5)
    return seen
