"""Whether and where there is room for what a plan creates, and who waits at which place of the queue: pure."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from layersite.model.capacity import Capacity, Caps
from layersite.model.environment import Environment, Member
from layersite.model.names import BASELINE
from layersite.plan.model import Action, Plan, Refusal, leave

__all__ = ["PRIORITY_LABEL", "queue", "where"]

PRIORITY_LABEL = "layersite/priority"
"""A change with this label goes before the others."""
_UNITS = {"environments": ("environments", 1), "cores": ("cores", 1000), "gibibytes": ("GiB", 1024)}
"""By key of `Caps`: how its unit is called, and how many of what is summed (millicores, mebibytes) one is."""


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
    clusters = capacity.clusters or {new.cluster: Caps()}
    reasons = []
    for name in sorted(clusters, key=lambda name: (_fullness(clusters[name], _on(name, alive)), name)):
        reason = _passed(f"capacity.clusters.{name}", f"cluster {name}", clusters[name], _on(name, alive), new)
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


def _fullness(caps: Caps, there: Collection[Environment]) -> tuple[float, int]:
    """Return the share of the fullest of a cluster's caps, and how many environments it has."""
    used = _sums(there)
    shares = [used[key] / cap / _UNITS[key][1] if cap else 1.0 for key, cap in _given(caps).items()]
    return max(shares, default=0.0), len(there)


def _full(capacity: Capacity, alive: Collection[Environment], new: Environment) -> str:
    """Say which caps of all clusters together `new` would pass beside `alive`, nothing if it fits."""
    reasons = [_passed("capacity", "the site", capacity, alive, new)]
    asked_for = [each for each in alive if each.name != BASELINE]
    for key, who, caps, trait, theirs in _owners(capacity, new):
        there = [each for each in asked_for if any(trait(member) in theirs for member in each.members)]
        reasons.append(_passed(key, who, caps, there, new))
    return "; ".join(filter(None, reasons))


Owner = tuple[str, str, Caps, Callable[[Member], str], set[str]]
"""Where its caps stand, its name, the caps, and which trait of a member is which for an environment to be its own."""


def _owners(capacity: Capacity, new: Environment) -> Iterator[Owner]:
    """Return the authors, repositories and teams in whose caps `new` counts; the baseline is everybody's."""
    if new.name == BASELINE:
        return
    for author in sorted({member.author for member in new.members} - {""}):
        yield "capacity.per_author", f"author {author}", capacity.per_author, _author, {author.casefold()}
    for repository in sorted({member.repository for member in new.members}):
        yield "capacity.per_repository", f"repository {repository}", capacity.per_repository, _repository, {repository}
    for name, team in sorted(capacity.teams.items()):
        people = {author.casefold() for author in team.authors}
        if any(_author(member) in people for member in new.members):
            yield f"capacity.teams.{name}", f"team {name}", team, _author, people


def _author(member: Member) -> str:
    return member.author.casefold()


def _repository(member: Member) -> str:
    return member.repository


def _passed(place: str, who: str, caps: Caps, there: Collection[Environment], new: Environment) -> str:
    """Say which of `caps` `new` would pass beside `there`, nothing if it fits."""
    used, needs = _sums(there), _sums([new])
    return "; ".join(
        f"{who} has {used[key] / size:g} of {cap} {unit}"
        f"{'' if key == 'environments' else f' and this needs {needs[key] / size:g}'} (`{place}.{key}`)"
        for key, cap in _given(caps).items()
        for unit, size in [_UNITS[key]]
        if used[key] + needs[key] > cap * size
    )


def _given(caps: Caps) -> dict[str, int]:
    return caps.model_dump(include=set(_UNITS), exclude_none=True)


def _sums(there: Collection[Environment]) -> dict[str, int]:
    return {
        "environments": len(there),
        "cores": sum(each.requests.millicores for each in there),
        "gibibytes": sum(each.requests.mebibytes for each in there),
    }
