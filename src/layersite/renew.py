"""Bring what changed in the site, the catalog or layersite to environments, one wave after the other."""

from dataclasses import replace

from layersite.model.environment import changes_of
from layersite.model.standing import Standing
from layersite.plan import failed_in_wave, hold_back, plan_renewals
from layersite.reconcile import Bot
from layersite.writer import Outcome

__all__ = ["renew", "renew_all"]


def renew(bot: Bot, *, dry_run: bool = False) -> Outcome:
    """Bring the next wave of environments what changed in the site, the catalog or layersite, and see it there.

    If smoke tests of the last one failed, they are run once more.
    """
    snapshot = bot.store.read()
    world, plan = bot.gate.plan(bot.world(snapshot), plan_renewals)
    if not dry_run and (failed := failed_in_wave(plan, world)):
        people = {each.name: changes_of(each.members) for each in failed}
        standings = {each.name: Standing(each.name, "deploying", "its smoke tests failed", each) for each in failed}
        bot.follower.follow(standings, snapshot.commit, people, people)
        snapshot = bot.store.read()
        world, plan = bot.gate.plan(bot.world(snapshot), plan_renewals)
    held = bot.hold(plan, world, snapshot)
    outcome = bot.finish(replace(held, actions=held.having("update")), world, snapshot, dry_run)
    later = held.having("leave")
    return replace(outcome, plan=replace(outcome.plan, actions=(*outcome.plan.actions, *later)))


def renew_all(bot: Bot) -> Outcome:
    """Go on until nothing is left to render again, or a wave fails; what then still waits counts as refused."""
    ended: list[Standing] = []
    while True:
        outcome = renew(bot)
        ended += outcome.standings
        waiting = {action.name: action.reason for action in outcome.plan.having("leave")}
        if waiting and not outcome.failed and outcome.commit is not None:
            continue
        return replace(outcome, plan=hold_back(outcome.plan, waiting), standings=tuple(ended))
