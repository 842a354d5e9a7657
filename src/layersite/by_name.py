"""What people ask of one environment by its name: to make it, to let it sleep or wake, to take it away."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from layersite.model.environment import Environment
from layersite.model.errors import InvalidInputError, PartialError, Problem, UnknownNameError
from layersite.model.names import BASELINE
from layersite.observe import members_at
from layersite.plan import Action, Plan, called, chosen_name, lease, plan_again, plan_named, plan_rest, remove
from layersite.reconcile import Bot
from layersite.writer import Outcome

__all__ = ["call", "choose_anew", "preview", "teardown"]


def preview(
    bot: Bot, name: str, apps: Mapping[str, str], hours: int | None, by: str, *, dry_run: bool = False
) -> Outcome:
    """Make or move the environment `name` without a change, with each app of `apps` at its ref.

    It lives for `hours`, by default as long as the site says; a pin stays.

    Raises:
        UnknownNameError: there is no such app, or it has no repository.
        InvalidInputError: `name` is not one, or looks like a change's or the baseline's; `hours` pass the cap.
    """
    if (usable := chosen_name(name, bot.site.repositories)) != name:
        text = f"`{name}` is no name for an environment without a change; `{usable}` would be"
        raise InvalidInputError([Problem("--name", 0, "", text)])
    members = members_at(bot.catalog, bot.forge, apps)
    snapshot = bot.store.read()
    entry = snapshot.entries.get(name)
    named = lease.ask(bot.site, entry.environment if entry else None, hours, by, bot.now())
    world = bot.world(snapshot)
    world, plan = bot.gate.plan(world, lambda world: plan_named(world, name, members, named, bot.now()))
    return bot.finish(plan, world, snapshot, dry_run)


def call(
    bot: Bot, name: str, state: Literal["active", "asleep"], hours: int | None, by: str, *, dry_run: bool = False
) -> Outcome:
    """Put the environment `name` to sleep until the next call or commit, or wake it for `hours`.

    Raises:
        UnknownNameError: there is no such environment.
    """
    snapshot = bot.store.read()
    snapshot.entry(name)
    told = called(bot.site, state, hours, by, bot.now())
    world = bot.world(snapshot)
    world, plan = bot.gate.plan(world, lambda world: plan_rest(world, name, told, bot.now()))
    return bot.finish(plan, world, snapshot, dry_run)


def teardown(bot: Bot, name: str, *, dry_run: bool = False) -> Outcome:
    """Replace the environment `name` by its tombstone; it stays away until one of its changes gets a new commit.

    Raises:
        UnknownNameError: there is no such environment, or it is the baseline of a site that manages it.
    """
    snapshot = bot.store.read()
    environment = snapshot.entry(name).environment
    if name == BASELINE and bot.site.cluster.baseline.managed:
        raise UnknownNameError("the managed baseline stays; set `managed: false` in layersite.yaml first")
    world = bot.world(snapshot, {})
    if environment is None:
        return bot.finish(Plan((Action("leave", name, "it is going away already"),)), world, snapshot, dry_run)
    action = remove(environment, "teardown", "it was torn down by hand")
    return bot.finish(Plan((action,)), world, snapshot, dry_run)


def choose_anew(bot: Bot, name: str, *, dry_run: bool = False) -> Environment:
    """Let the environment `name` have the newest goldens that suit it, commit that, and return it.

    Raises:
        UnknownNameError: there is no such environment.
        PartialError: it cannot be rendered, or somebody else changed it meanwhile.
        StoreError: it cannot be committed.
    """
    snapshot = bot.store.read()
    current = snapshot.living(name)
    world = replace(bot.world(snapshot), resetting={name})
    _, plan = bot.gate.plan(world, lambda world: plan_again(world, name))
    outcome = bot.writer.commit(plan, bot.writer.draft(plan, snapshot), snapshot, dry_run)
    if outcome.unwritten is not None:
        raise outcome.unwritten
    if outcome.failed:
        raise PartialError("; ".join(refusal.reason for refusal in outcome.plan.refusals))
    result = outcome.plan.actions[0].result
    return result if isinstance(result, Environment) else current
