"""When an environment sleeps: what it was told last, else its working hours. Pure, with the clock given."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from layersite.model.document import near_miss
from layersite.model.environment import Environment, Member, Tombstone
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.life import Call, Lease, WorkingHours, moment
from layersite.model.site import Site

__all__ = ["ASLEEP_LABEL", "AWAKE", "AWAKE_LABEL", "Rest", "called", "decide_rest"]

AWAKE_LABEL, ASLEEP_LABEL = "layersite/awake", "layersite/asleep"
"""A label of a change says so for as long as it is there."""
_HOURS_LABEL = "layersite/hours:"
"""With the name of working hours behind it, a label of a change says that those are its environment's."""
_AWAKE_HOURS = 3


class Rest(NamedTuple):
    """Whether an environment sleeps, what it was told last, and why."""

    state: Literal["active", "asleep"]
    call: Call | None
    reason: str


AWAKE = Rest("active", None, "it wakes up")


def called(
    site: Site,
    state: Literal["active", "asleep"],
    hours: int | None,
    by: str,
    now: datetime,
    labels: Iterable[str] = (),
) -> Call:
    """Return a call to sleep until the next call or commit, or to be awake for `hours`, by default as the site says.

    Raises:
        InvalidInputError: one of `labels` chooses working hours that there are not.
    """
    if state == "asleep":
        return Call(state=state, by=by)
    default = max((each.awake_hours for each in _working_hours(site, labels)), default=_AWAKE_HOURS)
    return Call(state=state, until=moment(now + timedelta(hours=hours or default)), by=by)


def _working_hours(site: Site, labels: Iterable[str]) -> list[WorkingHours]:
    """Return the working hours that `labels` choose, else the site's, if it has any: people work in any of them."""
    names = sorted(label.removeprefix(_HOURS_LABEL) for label in labels if label.startswith(_HOURS_LABEL))
    for name in names:
        if name not in site.named_hours:
            text = f"`named_hours` in layersite.yaml has no `{name}`{near_miss(name, site.named_hours)}"
            raise InvalidInputError([Problem(f"label {_HOURS_LABEL}{name}", 0, "", text)])
    own = [site.named_hours[name] for name in names]
    return own or ([site.working_hours] if site.working_hours else [])


def decide_rest(
    site: Site,
    current: Environment | Tombstone | None,
    members: tuple[Member, ...],
    lease: Lease | None,
    now: datetime,
    labels: Collection[str] = (),
) -> Rest:
    """Decide by label, by a new commit, by what it was told last, by pin, and then by the clock.

    Raises:
        InvalidInputError: one of `labels` chooses working hours that there are not.
    """
    call = current.call if isinstance(current, Environment) else None
    if ASLEEP_LABEL in labels:
        return Rest("asleep", call, f"its change has the label {ASLEEP_LABEL}")
    if AWAKE_LABEL in labels:
        return Rest("active", call, f"its change has the label {AWAKE_LABEL}")
    hours = _working_hours(site, labels)
    is_working = not hours or any(each.include(now) for each in hours)
    if current is None or current.members != members:
        call = None if is_working else called(site, "active", None, "", now, labels)
    if call is not None and call.holds(now):
        who = f", {call.by}" if call.by else ""
        return Rest(call.state, call, f"it was told to {'sleep' if call.state == 'asleep' else 'wake up'}{who}")
    if lease is not None and lease.pinned:
        return Rest("active", call, "it is pinned")
    return Rest("active" if is_working else "asleep", call, "working hours began" if is_working else "nobody works now")
