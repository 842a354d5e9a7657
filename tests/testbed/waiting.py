"""Wait for what a cluster does in its own time, and say what was seen when it does not come."""

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["wait_for"]

T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T], is_right: Callable[[T], bool] = bool, timeout: float = 60) -> T:
    """Look until `is_right` of what was seen, and return it; fail with the last sight after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not is_right(seen := look()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not so after {timeout:g} s; the last thing seen was {seen!r}")
        time.sleep(0.1)
    return seen
