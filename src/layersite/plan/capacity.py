"""Whether and where there is room for what a plan creates, and who waits at which place of the queue: pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from layersite.model.capacity import Capacity, Room
from layersite.model.environment import Environment, Member
from layersite.plan.model import Action, Plan, Refusal, leave

__all__ = ["PRIORITY_LABEL", "queue", "where"]

PRIORITY_LABEL = "layersite/priority"
"""A change with this label goes before the others."""


def queue(
    plan: Plan,
    capacity: Capacity,
    drafts: Mapping[str, Environment],
    current: Iterable[Environment],
    first: Collection[str],
) -> Plan:
    """Return `plan` with each creation on the cluster that has room for it, and those that do not fit as leaves.

    `drafts` are what is rendered for creations and updates, `current` what lives now, and `first` the names with
    priority; the older change goes before the newer one.
    """
    gone = {action.name for action in plan.having("remove")}
    alive = {each.name: drafts.get(each.name, each) for each in current if each.name not in gone}
    names = sorted(
        (a.name for a in plan.having("create") if a.name in drafts), key=lambda name: _key(drafts[name], first)
    )
    waiting: dict[str, str] = {}
    for name in names:
        placed = where(capacity, alive.values(), drafts[name])
        if isinstance(placed, str):
            waiting[name] = f"waits for room, place {len(waiting) + 1} in the queue: {placed}"
        else:
            alive[name] = placed
    refused = tuple(Refusal(name, reason, is_error=False, waits_for_room=True) for name, reason in waiting.items())
    actions = tuple(_moved(action, alive[action.name]) if action.name in alive else action for action in plan.actions)
    return replace(leave(replace(plan, actions=actions), waiting), refusals=plan.refusals + refused)


def where(capacity: Capacity, alive: Collection[Environment], new: Environment) -> Environment | str:
    """Return `new` on the emptiest cluster that has room for it beside `alive`, or say which caps it would pass."""
    if reason := _full(capacity, alive, new):
        return reason
    clusters = capacity.clusters or {new.cluster: Room()}
    reasons = []
    for name in sorted(clusters, key=lambda name: (_used(clusters[name], _on(name, alive)), name)):
        reason = _passed(f"capacity.clusters.{name}", _sums(clusters[name], [*_on(name, alive), new]))
        if not reason:
            return new.model_copy(update={"cluster": name})
        reasons.append(reason)
    return "; ".join(reasons)


def _moved(action: Action, placed: Environment) -> Action:
    if action.verb != "create" or not isinstance(action.result, Environment):
        return action
    return replace(action, result=action.result.model_copy(update={"cluster": placed.cluster}))


def _key(draft: Environment, first: Collection[str]) -> tuple[bool, int, str]:
    return draft.name not in first, min((member.number or 0 for member in draft.members), default=0), draft.name


def _on(cluster: str, alive: Iterable[Environment]) -> list[Environment]:
    return [each for each in alive if each.cluster == cluster]


Sums = dict[str, tuple[int | None, float, str]]
"""By key of `capacity`: the cap, what is used of it, and what that is."""


def _sums(room: Room | Capacity, there: Collection[Environment]) -> Sums:
    return {
        "environments": (room.environments, len(there), "environments"),
        "cores": (room.cores, sum(each.requests.millicores for each in there) / 1000, "cores"),
        "gibibytes": (room.gibibytes, sum(each.requests.mebibytes for each in there) / 1024, "GiB"),
    }


def _used(room: Room, there: Collection[Environment]) -> tuple[float, int]:
    """Return the share of the fullest of a cluster's caps, and how many environments it has."""
    shares = [used / cap if cap else 1.0 for cap, used, _ in _sums(room, there).values() if cap is not None]
    return max(shares, default=0.0), len(there)


def _full(capacity: Capacity, alive: Collection[Environment], new: Environment) -> str:
    """Say which cap of all clusters together `new` would pass beside `alive`, nothing if it fits."""

    def shared(part: Callable[[Member], str]) -> int:
        mine = {part(member) for member in new.members} - {""}
        return 1 + sum(any(part(member) in mine for member in each.members) for each in alive)

    return _passed(
        "capacity",
        {
            **_sums(capacity, [*alive, new]),
            "per_author": (capacity.per_author, shared(lambda m: m.author), "environments of its author"),
            "per_repository": (
                capacity.per_repository,
                shared(lambda m: m.repository),
                "environments of its repository",
            ),
        },
    )


def _passed(place: str, sums: Sums) -> str:
    return "; ".join(
        f"`{place}.{key}` allows {cap} {what}"
        for key, (cap, used, what) in sums.items()
        if cap is not None and used > cap
    )
