"""How long environments live: the site's settings for it, and the lease that is committed with each."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from layersite.model.document import Model

__all__ = ["Hours", "Lease", "Leases", "moment"]

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
