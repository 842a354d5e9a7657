"""From what should be and what is to a plan: one action with its reason for every environment."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from layersite.model.change import Change
from layersite.model.environment import Environment, Lease, Member, Tombstone
from layersite.model.errors import DatabaseError, LayersiteError
from layersite.model.names import BASELINE
from layersite.model.site import Site
from layersite.plan.desired import World, baseline_members, build_environment, change_members, missing_images
from layersite.plan.group import group

__all__ = [
    "Action",
    "Plan",
    "Refusal",
    "hold_back",
    "make_plan",
    "over_the_cap",
    "overdue",
    "plan_again",
    "plan_named",
    "remove",
]


@dataclass(frozen=True)
class Action:
    """What happens to one environment and why; `result` is what its directory will hold.

    `remove` leaves a tombstone, `forget` takes away one of which nothing is left to reap. A `leave` has no result.
    """

    verb: Literal["create", "update", "leave", "remove", "forget"]
    name: str
    reason: str
    result: Environment | Tombstone | None = None


@dataclass(frozen=True)
class Refusal:
    """Changes that get no environment, or an environment that cannot be made, and why; the others go on."""

    name: str
    reason: str
    is_error: bool = True
    waits_for: tuple[str, ...] = ()
    """The images that a registry must have first."""


@dataclass(frozen=True)
class Plan:
    """One action per environment and the refusals, both sorted by name."""

    actions: tuple[Action, ...]
    refusals: tuple[Refusal, ...] = ()

    def having(self, *verbs: str) -> tuple[Action, ...]:
        """Return the actions with one of `verbs`."""
        return tuple(action for action in self.actions if action.verb in verbs)


def make_plan(world: World, changes: Iterable[Change], now: datetime) -> Plan:
    """Decide for every open change and every environment there is. `changes` must be complete."""
    actions: dict[str, Action] = {}
    refusals: list[Refusal] = []
    for each in group(changes, world.site.repositories):
        current = world.current.get(each.name)
        try:
            members = change_members(each.changes, world.catalog)
            unwanted = _unwanted(world.site, each.changes)
            if unwanted or not members:
                text = unwanted or f"{', '.join(map(str, each.changes))} touches no app of the catalog"
                refusals.append(Refusal(each.name, text, is_error=False))
                if isinstance(current, Environment) and not _is_named(current):
                    actions[each.name] = remove(current, "closed", text)
                continue
            if _is_named(current):
                text = (
                    f"the name is taken by an environment that was asked for by hand; `teardown {each.name}` frees it"
                )
                refusals.append(Refusal(each.name, text))
                continue
            actions[each.name] = _converge(world, each.name, members)
        except LayersiteError as error:
            refusals.append(Refusal(each.name, str(error)))
            actions[each.name] = Action("leave", each.name, "it cannot be planned, see the refusals")
    if world.site.cluster.baseline.managed:
        actions[BASELINE] = _decided(BASELINE, lambda: _converge(world, BASELINE, baseline_members(world)), refusals)
    for name in sorted(world.current.keys() - actions.keys()):
        actions[name] = _decided(name, partial(_without_change, world, name, now), refusals)
    plan = _await_images(world, Plan(tuple(actions[name] for name in sorted(actions)), tuple(refusals)))
    return replace(plan, actions=tuple(action for action in plan.actions if not _is_idle(action, world)))


def _decided(name: str, decide: Callable[[], Action], refusals: list[Refusal]) -> Action:
    """Return what is decided, or a leave if it cannot be because of a database server; wrong input stops all."""
    try:
        return decide()
    except DatabaseError as error:
        refusals.append(Refusal(name, str(error)))
        return Action("leave", name, "it cannot be planned, see the refusals")


def plan_named(world: World, name: str, members: tuple[Member, ...], lease: Lease) -> Plan:
    """Decide for one environment that is asked for by name, without a change."""
    current = world.current.get(name)
    if isinstance(current, Environment) and not _is_named(current):
        text = f"`{name}` belongs to {', '.join(map(str, current.members))}; choose another name"
        return Plan((), (Refusal(name, text),))
    return _await_images(world, Plan((_converge(world, name, members, lease),)))


def plan_again(world: World, name: str) -> Plan:
    """Decide for the living environment `name` with the commits that it shows."""
    current = world.current[name]
    lease = current.lease if isinstance(current, Environment) else None
    return _await_images(world, Plan((_converge(world, name, current.members, lease),)))


def _unwanted(site: Site, changes: Iterable[Change]) -> str:
    """Say why the site gives these changes no environment, or nothing if it does."""
    for change in changes:
        if change.fork and not site.forge.forks:
            return f"{change} comes from a fork, and `forge.forks` in layersite.yaml is off"
        if change.draft and not site.forge.drafts:
            return f"{change} is a draft, and `forge.drafts` in layersite.yaml is off"
    return ""


def _await_images(world: World, plan: Plan) -> Plan:
    """Turn what would be rendered without the digest of an image into a leave that waits for it."""
    actions, refusals = [], list(plan.refusals)
    for action in plan.actions:
        missing = missing_images(world, action.result) if isinstance(action.result, Environment) else ()
        if missing:
            text = f"waits for {', '.join(f'`{ref}`' for ref in missing)}, which the registry does not have yet"
            refusals.append(Refusal(action.name, text, is_error=False, waits_for=missing))
            action = Action("leave", action.name, text)
        actions.append(action)
    return Plan(tuple(actions), tuple(refusals))


def overdue(plan: Plan, since: Mapping[str, datetime], now: datetime, limit: timedelta) -> Plan:
    """Return `plan` with what has waited for its images longer than `limit` refused for good; `since` is by name."""

    def judged(refusal: Refusal) -> Refusal:
        began = since.get(refusal.name, now)
        if not refusal.waits_for or now - began < limit:
            return refusal
        text = f"{refusal.reason} after {limit // timedelta(minutes=1)} minutes; does the change's build push it?"
        return replace(refusal, reason=text, is_error=True)

    return replace(plan, refusals=tuple(map(judged, plan.refusals)))


def _is_named(current: Environment | Tombstone | None) -> bool:
    """Whether it is an environment without a change, made by `preview --name`."""
    return isinstance(current, Environment) and current.lease is not None


def _is_idle(action: Action, world: World) -> bool:
    """A leave of a name that has no directory: there is nothing to say about it."""
    return action.verb == "leave" and action.name not in world.current


def _converge(world: World, name: str, members: tuple[Member, ...], lease: Lease | None = None) -> Action:
    """Compare what the environment should be with what it is."""
    current = world.current.get(name)
    if isinstance(current, Tombstone):
        if current.cause == "teardown" and current.members == members and lease is None:
            return Action("leave", name, "it was torn down by hand; a new commit of its changes brings it back")
        wanted = build_environment(world, name, members, None, lease)
        return Action("create", name, f"{_list(members)} is open again", _next(wanted, current.generation))
    wanted = build_environment(world, name, members, current, lease)
    if current is None:
        return Action("create", name, f"{_list(members)} needs an environment", wanted)
    reason = _difference(current, wanted, name in world.drifted)
    if not reason:
        return Action("leave", name, "nothing changed")
    return Action("update", name, reason, _next(wanted, current.generation))


def _next(wanted: Environment, generation: int) -> Environment:
    return wanted.model_copy(update={"generation": generation + 1})


def _difference(current: Environment, wanted: Environment, drifted: bool) -> str:
    """Say why `current` must be written anew, or nothing if it need not."""
    before = {str(member): member.sha for member in current.members}
    after = {str(member): member.sha for member in wanted.members}
    parts = [f"{name} joined" for name in sorted(after.keys() - before.keys())]
    parts += [f"{name} left" for name in sorted(before.keys() - after.keys())]
    parts += [
        f"{name} moved from {before[name][:7]} to {after[name][:7]}"
        for name in sorted(after.keys() & before.keys())
        if after[name] != before[name]
    ]
    parts += [
        f"its database `{name}` comes from {data.golden}"
        for name, data in sorted((wanted.data or {}).items())
        if data != (current.data or {}).get(name)
    ]
    if not parts and current.lease != wanted.lease:
        parts.append("its lease changed")
    if not parts and (current.render and current.render.inputs) != (wanted.render and wanted.render.inputs):
        parts.append("the site, the catalog or layersite changed")
    if not parts and drifted:
        parts.append("its files are not those that were rendered")
    return ", ".join(parts)


def _without_change(world: World, name: str, now: datetime) -> Action:
    """Decide for an environment that no open change asks for."""
    current = world.current[name]
    if isinstance(current, Tombstone):
        if not current.reap:
            return Action("forget", name, "nothing is left of it")
        return Action("leave", name, f"it is going away: {current.reason}")
    if name == BASELINE:
        return Action("leave", name, "the baseline is never removed by the bot")
    if any(member.change for member in current.members):
        return remove(current, "closed", f"{_list(current.members)} is no longer open")
    if current.lease is not None and current.lease.has_ended(now):
        return remove(current, "expired", f"its lease ended at {current.lease.until}")
    return _converge(world, name, current.members, current.lease)


def remove(current: Environment, cause: Literal["closed", "expired", "teardown"], reason: str) -> Action:
    """Return the action that replaces `current` by its tombstone."""
    tombstone = Tombstone(
        name=current.name,
        cluster=current.cluster,
        namespace=current.namespace,
        generation=current.generation + 1,
        cause=cause,
        reason=reason,
        members=current.members,
        data=current.data,
        reap=("application", "namespace", *(["database"] if current.data else [])),
    )
    return Action("remove", current.name, reason, tombstone)


def _list(members: Iterable[Member]) -> str:
    return ", ".join(map(str, members)) or "the site"


def hold_back(plan: Plan, names: Mapping[str, str]) -> Plan:
    """Return `plan` with the actions in `names` turned into leaves and refused for the reason given there."""
    actions = tuple(
        Action("leave", action.name, names[action.name]) if action.name in names else action for action in plan.actions
    )
    refused = tuple(Refusal(name, names[name]) for name in sorted(names))
    return Plan(actions, plan.refusals + refused)


def over_the_cap(plan: Plan, world: World) -> dict[str, str]:
    """Return the removals with a reason to hold them back, if one run would remove more than the site's cap."""
    removals = plan.having("remove")
    living = sum(isinstance(current, Environment) for current in world.current.values())
    cap = max(world.site.safety.removals, living * world.site.safety.percent // 100)
    if len(removals) <= cap:
        return {}
    text = f"{len(removals)} of {living} environments would go in one run, more than the cap of {cap}; `--yes` does it"
    return {action.name: text for action in removals}
