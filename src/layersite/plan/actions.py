"""From what should be and what is to a plan: one action with its reason for every environment."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeGuard

from layersite.model.change import Change
from layersite.model.environment import Environment, Lease, Member, Tombstone
from layersite.model.errors import DatabaseError, LayersiteError
from layersite.model.life import Call
from layersite.model.names import BASELINE
from layersite.model.site import Site
from layersite.plan.converge import converge, listed, remove
from layersite.plan.desired import baseline_members, change_members
from layersite.plan.group import Group, group
from layersite.plan.images import await_images
from layersite.plan.lease import renew
from layersite.plan.model import Action, Plan, Refusal
from layersite.plan.obey import Told, obey
from layersite.plan.rest import ASLEEP_LABEL, Rest, called, decide_rest
from layersite.plan.world import World

__all__ = ["make_plan", "plan_again", "plan_named", "plan_renewals", "plan_rest"]


def make_plan(world: World, changes: Iterable[Change], now: datetime) -> Plan:
    """Decide for every open change and every environment there is. `changes` must be complete."""
    decided = [_with_changes(world, each, now) for each in group(changes, world.site.repositories)]
    actions = {action.name: action for action, _ in decided if action}
    refusals = [refusal for _, refusal in decided if refusal]
    if world.site.cluster.baseline.managed:
        actions[BASELINE] = _decided(BASELINE, lambda: converge(world, BASELINE, baseline_members(world)), refusals)
    for name in sorted(world.current.keys() - actions.keys()):
        actions[name] = _decided(name, partial(_without_change, world, name, now), refusals)
    plan = await_images(world, Plan(tuple(actions[name] for name in sorted(actions)), tuple(refusals)))
    return replace(plan, actions=tuple(action for action in plan.actions if not _is_idle(action, world)))


def _with_changes(world: World, each: Group, now: datetime) -> tuple[Action | None, Refusal | None]:
    """Decide for the environment of one group of open changes."""
    current = world.current.get(each.name)
    try:
        members = change_members(each.changes, world.catalog)
        text = _unwanted(world.site, each.changes)
        if not members:
            text = text or f"{', '.join(map(str, each.changes))} touches no app of the catalog"
        if text:
            skipped = Refusal(each.name, text, is_error=False)
            if isinstance(current, Environment) and not _is_named(current):
                return remove(current, "closed", text), skipped
            return None, skipped
        if _is_named(current):
            text = f"the name is taken by an environment that was asked for by hand; `teardown {each.name}` frees it"
            return None, Refusal(each.name, text)
        labels = {label for change in each.changes for label in change.labels}
        told = _told(world, each.name, now, labels)
        known = told.environment if told else current
        if told and told.teardown:
            return remove(told.environment, "teardown", told.teardown), None
        if _has_ended(known, now) and known.members == members:
            return remove(known, "expired", _ended(known)), None
        lease = renew(world.site, known, members, now)
        rest = decide_rest(world.site, known, members, lease, now, labels)
        return converge(world, each.name, members, lease, rest, known.heard if known else None), None
    except LayersiteError as error:
        return Action("leave", each.name, "it cannot be planned, see the refusals"), Refusal(each.name, str(error))


def _told(world: World, name: str, now: datetime, labels: Collection[str] = ()) -> Told | None:
    """Return the environment as comments and visitors want it, None if there is none; a label outdoes a visitor."""
    current = world.current.get(name)
    if not isinstance(current, Environment):
        return None
    told = obey(world.site, current, world.asked.get(name, ()), now)
    if name not in world.visited or current.state == "active" or ASLEEP_LABEL in labels:
        return told
    call = called(world.site, "active", None, "a visitor", now, labels)
    return replace(told, environment=told.environment.model_copy(update={"call": call}))


def _decided(name: str, decide: Callable[[], Action], refusals: list[Refusal]) -> Action:
    """Return what is decided, or a leave if it cannot be because of a database server; wrong input stops all."""
    try:
        return decide()
    except DatabaseError as error:
        refusals.append(Refusal(name, str(error)))
        return Action("leave", name, "it cannot be planned, see the refusals")


def plan_rest(world: World, name: str, call: Call, now: datetime) -> Plan:
    """Decide for one living environment that is told to sleep or to wake up."""
    current = world.current[name]
    if not isinstance(current, Environment):
        return Plan((Action("leave", name, "it is going away"),))
    told = current.model_copy(update={"call": call})
    rest = decide_rest(world.site, told, current.members, current.lease, now)
    return await_images(world, Plan((converge(world, name, current.members, current.lease, rest),)))


def plan_named(world: World, name: str, members: tuple[Member, ...], lease: Lease, now: datetime) -> Plan:
    """Decide for one environment that is asked for by name, without a change."""
    current = world.current.get(name)
    if isinstance(current, Environment) and not _is_named(current):
        text = f"`{name}` belongs to {', '.join(map(str, current.members))}; choose another name"
        return Plan((), (Refusal(name, text),))
    rest = decide_rest(world.site, None, members, lease, now)
    return await_images(world, Plan((converge(world, name, members, lease, rest),)))


def plan_renewals(world: World) -> Plan:
    """Decide for every living environment of which only what it is rendered from changed."""
    refusals: list[Refusal] = []
    living = sorted(name for name, current in world.current.items() if isinstance(current, Environment))
    plans = [_decided_again(world, name, refusals) for name in living]
    actions = tuple(action for plan in plans for action in plan.actions if action.renews)
    return Plan(actions, (*refusals, *(refusal for plan in plans for refusal in plan.refusals)))


def _decided_again(world: World, name: str, refusals: list[Refusal]) -> Plan:
    try:
        return plan_again(world, name)
    except DatabaseError as error:
        refusals.append(Refusal(name, str(error)))
        return Plan(())


def plan_again(world: World, name: str) -> Plan:
    """Decide for the living environment `name` with the commits that it shows."""
    current = world.current[name]
    if isinstance(current, Environment):
        rest = Rest(current.state, current.call, "")
        return await_images(world, Plan((converge(world, name, current.members, current.lease, rest),)))
    return await_images(world, Plan((converge(world, name, current.members),)))


def _unwanted(site: Site, changes: Iterable[Change]) -> str:
    """Say why the site gives these changes no environment, or nothing if it does."""
    for change in changes:
        if change.fork and not site.forge.forks:
            return f"{change} comes from a fork, and `forge.forks` in layersite.yaml is off"
        if change.draft and not site.forge.drafts:
            return f"{change} is a draft, and `forge.drafts` in layersite.yaml is off"
    return ""


def _is_named(current: Environment | Tombstone | None) -> TypeGuard[Environment]:
    """Whether it is an environment without a change, made by `preview --name`."""
    return (
        isinstance(current, Environment)
        and current.name != BASELINE
        and not any(member.change for member in current.members)
    )


def _has_ended(current: Environment | Tombstone | None, now: datetime) -> TypeGuard[Environment]:
    return isinstance(current, Environment) and current.lease is not None and current.lease.has_ended(now)


def _ended(current: Environment) -> str:
    return f"its lease ended at {current.lease.until}" if current.lease else ""


def _is_idle(action: Action, world: World) -> bool:
    """A leave of a name that has no directory: there is nothing to say about it."""
    return action.verb == "leave" and action.name not in world.current


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
        return remove(current, "closed", f"{listed(current.members)} is no longer open")
    if _has_ended(current, now):
        return remove(current, "expired", _ended(current))
    told = _told(world, name, now)
    rest = decide_rest(world.site, told.environment if told else current, current.members, current.lease, now)
    return converge(world, name, current.members, current.lease, rest)
