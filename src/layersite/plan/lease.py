"""How a lease begins, is renewed, extended, pinned, and warned of: pure, with the clock as an argument."""

from datetime import datetime, timedelta

from layersite.model.environment import Environment, Lease, Member, Tombstone
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.life import moment
from layersite.model.site import Site

__all__ = ["ask", "begin", "extend", "pin", "renew", "unpin"]

_HOUR = timedelta(hours=1)


def begin(hours: int, now: datetime, by: str = "", reason: str = "") -> Lease:
    """Return a lease of `hours` from `now`."""
    return Lease(since=moment(now), until=moment(now + hours * _HOUR), by=by, reason=reason)


def ask(site: Site, current: Environment | None, hours: int | None, by: str, now: datetime) -> Lease:
    """Return the lease of an environment that is asked for by name; a pin stays.

    Raises:
        InvalidInputError: `hours` pass the cap.
    """
    if current is not None and current.lease is not None and current.lease.pinned:
        return current.lease
    if (hours or 0) > site.lease.most_hours:
        raise _refused(f"{hours} is more than `lease.most_hours` in layersite.yaml, {site.lease.most_hours}")
    return begin(hours or site.lease_hours, now, by)


def renew(
    site: Site, current: Environment | Tombstone | None, members: tuple[Member, ...], now: datetime
) -> Lease | None:
    """Return the lease of a change's environment: a pin stays, a new commit begins it anew, a near end is warned of."""
    old = current.lease if isinstance(current, Environment) else None
    if old is not None and old.pinned:
        return old
    if site.lease.change_hours is None:
        return None
    left = old.left(now) if old is not None else None
    if current is None or old is None or left is None or current.members != members:
        fresh = begin(site.lease.change_hours, now)
        is_longer = left is None or left < site.lease.change_hours * _HOUR
        return fresh if old is None or is_longer else old.model_copy(update={"since": fresh.since})
    is_near = site.lease.warn_hours < site.lease.change_hours and left <= site.lease.warn_hours * _HOUR
    return old.model_copy(update={"warned": old.warned or is_near})


def extend(site: Site, current: Environment, hours: int, by: str, reason: str, now: datetime) -> Lease:
    """Return the lease with `hours` more.

    Raises:
        InvalidInputError: it has no end, or would pass the cap.
    """
    left = current.lease.left(now) if current.lease else None
    if current.lease is None or left is None:
        raise _refused("it is pinned" if current.lease else "it lives as long as its change is open, so it has no end")
    end = now + max(left, timedelta(0)) + hours * _HOUR
    last = datetime.fromisoformat(current.lease.since or moment(now)) + site.lease.most_hours * _HOUR
    if end > last:
        text = f"it would end at {moment(end)}, and `lease.most_hours` in layersite.yaml allows {moment(last)}"
        raise _refused(f"{text}; ask for less, push to its change, or pin it")
    warned = end - now <= site.lease.warn_hours * _HOUR
    return current.lease.model_copy(update={"until": moment(end), "by": by, "reason": reason, "warned": warned})


def pin(current: Environment, by: str, reason: str) -> Lease:
    """Return the lease, pinned: it does not end until it is unpinned, whatever is deployed meanwhile."""
    return (current.lease or Lease()).model_copy(update={"pinned": True, "by": by, "reason": reason, "warned": False})


def unpin(site: Site, current: Environment, by: str, now: datetime) -> Lease | None:
    """Return a lease that begins anew, None where an environment of this kind has none."""
    of_change = any(member.change for member in current.members)
    hours = site.lease.change_hours if of_change else site.lease_hours
    return begin(hours, now, by, "unpinned") if hours else None


def _refused(text: str) -> InvalidInputError:
    return InvalidInputError([Problem("--hours", 0, "", text)])
