"""When an environment sleeps: what it was told last, else the site's working hours. Pure, with the clock given."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from layersite.model.environment import Environment, Member, Tombstone
from layersite.model.life import Call, Lease, moment
from layersite.model.site import Site

__all__ = ["ASLEEP_LABEL", "AWAKE", "AWAKE_LABEL", "Rest", "called", "decide_rest"]

AWAKE_LABEL, ASLEEP_LABEL = "layersite/awake", "layersite/asleep"
"""A label of a change says so for as long as it is there."""
_AWAKE_HOURS = 3


class Rest(NamedTuple):
    """Whether an environment sleeps, what it was told last, and why."""

    state: Literal["active", "asleep"]
    call: Call | None
    reason: str


AWAKE = Rest("active", None, "it wakes up")


def called(site: Site, state: Literal["active", "asleep"], hours: int | None, by: str, now: datetime) -> Call:
    """Return a call to sleep until the next call or commit, or to be awake for `hours`, by default as the site says."""
    if state == "asleep":
        return Call(state=state, by=by)
    default = site.working_hours.awake_hours if site.working_hours else _AWAKE_HOURS
    return Call(state=state, until=moment(now + timedelta(hours=hours or default)), by=by)


def decide_rest(
    site: Site,
    current: Environment | Tombstone | None,
    members: tuple[Member, ...],
    lease: Lease | None,
    now: datetime,
    labels: Iterable[str] = (),
) -> Rest:
    """Decide by label, by a new commit, by what it was told last, by pin, and then by the clock."""
    call = current.call if isinstance(current, Environment) else None
    if ASLEEP_LABEL in labels:
        return Rest("asleep", call, f"its change has the label {ASLEEP_LABEL}")
    if AWAKE_LABEL in labels:
        return Rest("active", call, f"its change has the label {AWAKE_LABEL}")
    is_working = site.working_hours is None or site.working_hours.include(now)
    if current is None or current.members != members:
        call = None if is_working else called(site, "active", None, "", now)
    if call is not None and call.holds(now):
        who = f", {call.by}" if call.by else ""
        return Rest(call.state, call, f"it was told to {'sleep' if call.state == 'asleep' else 'wake up'}{who}")
    if lease is not None and lease.pinned:
        return Rest("active", call, "it is pinned")
    return Rest("active" if is_working else "asleep", call, "working hours began" if is_working else "nobody works now")
