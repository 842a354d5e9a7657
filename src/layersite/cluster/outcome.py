"""How it went for one environment, and the loop that repeats a step until every environment has an outcome."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from layersite.cluster.api import ENVIRONMENT, ClusterError, Json, Place

__all__ = ["Clock", "Outcome", "RealClock", "foreign", "outside", "settle"]

State = Literal["gone", "present", "ready", "absent", "refused", "hanging", "failed", "unreachable"]
_FINE = ("gone", "present", "ready", "absent")


@dataclass(frozen=True)
class Outcome:
    """What became of one environment.

    `gone`, `ready`: done. `present`, `absent`: what a check without changes found. The others: not done, `message`
    says why. `changed` names what was removed or written, `kept` what somebody has to decide about, `databases` what
    was brought.
    """

    state: State
    message: str = ""
    changed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    databases: tuple[Json, ...] = ()

    @property
    def is_fine(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in _FINE


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> float:
        """Return seconds since some moment."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class RealClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def settle(
    places: Iterable[Place],
    step: Callable[[Place], Outcome | None],
    late: Callable[[Place], Outcome],
    timeout: float,
    clock: Clock,
) -> dict[str, Outcome]:
    """Repeat `step` for each place until it gives an outcome; after `timeout` seconds `late` says what is the matter.

    A cluster that does not answer at all is given up at once, one that stops to answer only after `timeout`.
    """
    outcomes: dict[str, Outcome] = {}
    waiting = {place.name: place for place in places}
    end, pause, is_first = clock.now() + timeout, 0.1, True
    while waiting:
        is_last = clock.now() >= end
        for place in list(waiting.values()):
            found = _attempt(place, step, is_first, is_last)
            if found is None and is_last:
                found = _attempt(place, late, is_first, is_last)
            if found is not None:
                outcomes[place.name] = found
                del waiting[place.name]
        if waiting:
            clock.sleep(max(0, min(pause, end - clock.now())))
        pause, is_first = min(pause * 1.5, 1), False
    return outcomes


def _attempt(place: Place, step: Callable[[Place], Outcome | None], is_first: bool, is_last: bool) -> Outcome | None:
    try:
        return step(place)
    except ClusterError as error:
        is_mute = error.status == 0
        if is_last or not error.may_pass or (is_mute and is_first):
            return Outcome("unreachable" if is_mute else "failed", str(error))
        return None


def outside(places: Iterable[Place], prefix: str) -> dict[str, Outcome]:
    """Refuse the places whose namespace is none of this site's by its name."""
    return {
        place.name: Outcome(
            "refused", f"the namespace {place.namespace} does not start with this site's `{prefix}`; it was not touched"
        )
        for place in places
        if not place.namespace.startswith(prefix)
    }


def foreign(namespace: Json, place: Place) -> str:
    """Say why the namespace is not that of the environment at `place`; nothing if it is."""
    owner = namespace["metadata"].get("labels", {}).get(ENVIRONMENT)
    if owner == place.name:
        return ""
    label = f"has the label {ENVIRONMENT}: {owner}" if owner else f"has no label {ENVIRONMENT}"
    return f"the namespace {place.namespace} {label}, so it is not that of {place.name}; it was not touched"
