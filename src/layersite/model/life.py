"""How long environments live and when they sleep: the site's settings, and what is committed with each."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field

from layersite.model.document import Many, Model

__all__ = ["Call", "Hours", "Lease", "Leases", "WorkingHours", "moment"]

_TIME = "%Y-%m-%dT%H:%M:%SZ"
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Hours = Annotated[int, Field(ge=1, le=87600)]


def moment(time: datetime) -> str:
    """Return `time` (aware) as it is committed: UTC, to the second."""
    return time.astimezone(UTC).strftime(_TIME)


class Lease(Model):
    """Until when the environment lives, who asked, and why; times are UTC, to the second.

    Without `until` it ends with its change. `since` is when it was given: no extension leads beyond the cap from there.
    """

    since: Time | None = None
    until: Time | None = None
    by: str = ""
    reason: str = ""
    pinned: bool = False
    warned: bool = False
    """Whether its end is so near that the people of its change are told."""

    def left(self, now: datetime) -> timedelta | None:
        """Return how much time is left at `now` (aware); None if it never ends."""
        return None if self.pinned or self.until is None else datetime.fromisoformat(self.until) - now

    def has_ended(self, now: datetime) -> bool:
        """Whether the lease is over at `now` (an aware datetime); a pinned one never is."""
        left = self.left(now)
        return left is not None and left <= timedelta(0)


class Leases(Model):
    """How long environments with a change live, in hours, and what holds for every lease."""

    change_hours: Hours | None = None
    """From the change's last commit; by default as long as the change is open."""
    most_hours: Hours = 720
    """The cap: how long it may live by extensions without a new commit or `preview`. Only a pin leads beyond."""
    warn_hours: Annotated[int, Field(ge=0, le=8760)] = 12
    """How long before the end the people of its change are told."""


class Call(Model):
    """What the environment was last told to do against the site's working hours, by whom, and until when (UTC)."""

    state: Literal["active", "asleep"]
    until: Time | None = None
    by: str = ""

    def holds(self, now: datetime) -> bool:
        """Whether it still counts at `now` (aware)."""
        return self.until is None or now < datetime.fromisoformat(self.until)


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("must be a time zone such as Europe/Berlin")
    return name


Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_DAYS = get_args(Day)


class WorkingHours(Model):
    """When people work; outside, environments sleep unless they are called or pinned."""

    timezone: Annotated[str, AfterValidator(_zone)]
    days: Many[Day] = _DAYS[:5]
    start: Clock = "08:00"
    end: Clock = "19:00"
    holidays: Many[Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]] = ()
    """Dates on which nobody works, such as "2026-12-25"."""
    awake_hours: Hours = 3
    """How long a new commit, or `wake`, keeps one awake outside these hours."""

    def include(self, now: datetime) -> bool:
        """Whether people work at `now` (aware); summer time is the time zone's."""
        local = now.astimezone(ZoneInfo(self.timezone))
        is_day = _DAYS[local.weekday()] in self.days and local.date().isoformat() not in self.holidays
        return is_day and self.start <= local.strftime("%H:%M") < self.end
