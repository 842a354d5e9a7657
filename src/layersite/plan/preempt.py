"""Which idle environments make room for the first that waits: the oldest, and no more than it takes. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta

from layersite.model.capacity import Capacity, Requests
from layersite.model.change import Change
from layersite.model.environment import Environment
from layersite.model.names import BASELINE
from layersite.plan.capacity import where
from layersite.plan.model import Plan
from layersite.plan.rest import AWAKE_LABEL

__all__ = ["idle", "victims"]


def idle(
    plan: Plan,
    capacity: Capacity,
    current: Iterable[Environment],
    people: Mapping[str, Collection[Change]],
    now: datetime,
) -> dict[str, datetime]:
    """Return since when each environment that may make room is idle; never a pinned one, nor the baseline.

    Idle is what this plan leaves alone, nobody keeps awake, and on whose changes nothing happened for long.
    """
    left = {action.name for action in plan.having("leave")} - {refusal.name for refusal in plan.refusals} - {BASELINE}
    since = {
        each.name: max(datetime.fromisoformat(time) for time in times)
        for each in current
        if each.name in left
        and not _is_kept(each, people.get(each.name, ()), now)
        and (times := _times(each, people.get(each.name, ())))
    }
    return {name: time for name, time in since.items() if now - time >= timedelta(hours=capacity.idle_hours)}


def _times(environment: Environment, changes: Iterable[Change]) -> list[str]:
    """Return when something happened, as far as it is known: on its changes, else when it was asked for."""
    asked = environment.lease.since if environment.lease else None
    return [change.updated_at for change in changes if change.updated_at] or ([asked] if asked else [])


def _is_kept(environment: Environment, changes: Iterable[Change], now: datetime) -> bool:
    lease, call = environment.lease, environment.call
    is_called = call is not None and call.state == "active" and call.holds(now)
    return bool(lease and lease.pinned) or is_called or any(AWAKE_LABEL in change.labels for change in changes)


def victims(
    capacity: Capacity, alive: Mapping[str, Environment], new: Environment, since: Mapping[str, datetime]
) -> tuple[str, ...]:
    """Return who must go or sleep so that `new` fits, the oldest idle first; none if that is not enough."""
    is_room = _fits(capacity, alive, new)
    useful = [name for name in since if capacity.preempt == "teardown" or alive[name].state == "active"]
    taken: list[str] = []
    for name in sorted(useful, key=lambda name: (since[name], name)):
        taken.append(name)
        if is_room(taken):
            break
    else:
        return ()
    for name in tuple(taken):  # what was taken before the one that made the difference may not have been needed
        fewer = [each for each in taken if each != name]
        taken = fewer if is_room(fewer) else taken
    return tuple(taken)


def _fits(capacity: Capacity, alive: Mapping[str, Environment], new: Environment) -> Callable[[Collection[str]], bool]:
    def without(each: Environment, taken: Collection[str]) -> list[Environment]:
        if each.name not in taken:
            return [each]
        return [each.model_copy(update={"requests": Requests()})] if capacity.preempt == "sleep" else []

    def is_room(taken: Collection[str]) -> bool:
        left = [kept for each in alive.values() for kept in without(each, taken)]
        return isinstance(where(capacity, left, new), Environment)

    return is_room
