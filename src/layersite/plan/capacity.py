"""Whether there is room for what a plan creates, and who waits at which place of the queue: pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from layersite.model.capacity import Capacity
from layersite.model.environment import Environment, Member
from layersite.plan.model import Plan, Refusal, leave

__all__ = ["PRIORITY_LABEL", "queue"]

PRIORITY_LABEL = "layersite/priority"
"""A change with this label goes before the others."""


def queue(
    plan: Plan,
    capacity: Capacity,
    drafts: Mapping[str, Environment],
    current: Iterable[Environment],
    first: Collection[str],
) -> Plan:
    """Return `plan` with the creations that do not fit turned into leaves that wait for room.

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
        if reason := _full(capacity, [*alive.values()], drafts[name]):
            waiting[name] = f"waits for room, place {len(waiting) + 1} in the queue: {reason}"
        else:
            alive[name] = drafts[name]
    refused = tuple(Refusal(name, reason, is_error=False, waits_for_room=True) for name, reason in waiting.items())
    return replace(leave(plan, waiting), refusals=plan.refusals + refused)


def _key(draft: Environment, first: Collection[str]) -> tuple[bool, int, str]:
    return draft.name not in first, min((member.number or 0 for member in draft.members), default=0), draft.name


def _full(capacity: Capacity, alive: list[Environment], new: Environment) -> str:
    """Say which cap `new` would pass beside `alive`, nothing if it fits."""

    def shared(part: Callable[[Member], str]) -> int:
        mine = {part(member) for member in new.members} - {""}
        return sum(any(part(member) in mine for member in each.members) for each in alive)

    counts = (
        ("environments", capacity.environments, len(alive) + 1, "environments"),
        ("per_author", capacity.per_author, shared(lambda member: member.author) + 1, "environments of its author"),
        (
            "per_repository",
            capacity.per_repository,
            shared(lambda m: m.repository) + 1,
            "environments of its repository",
        ),
        ("cores", capacity.cores, sum(each.requests.millicores for each in [*alive, new]) / 1000, "cores"),
        ("gibibytes", capacity.gibibytes, sum(each.requests.mebibytes for each in [*alive, new]) / 1024, "GiB"),
    )
    full = [(key, cap, what) for key, cap, needed, what in counts if cap is not None and needed > cap]
    return "; ".join(f"`capacity.{key}` allows {cap} {what}" for key, cap, what in full)
