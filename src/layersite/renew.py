"""Bring what changed in the site, the catalog or layersite to every environment, one wave after the other."""

from dataclasses import replace

from layersite.model.standing import Standing
from layersite.plan import hold_back
from layersite.reconcile import Bot
from layersite.writer import Outcome

__all__ = ["renew_all"]


def renew_all(bot: Bot) -> Outcome:
    """Go on until nothing is left to render again, or a wave fails; what then still waits counts as refused."""
    ended: list[Standing] = []
    while True:
        outcome = bot.renew()
        ended += outcome.standings
        waiting = {action.name: action.reason for action in outcome.plan.having("leave")}
        if waiting and not outcome.failed and outcome.commit is not None:
            continue
        return replace(outcome, plan=hold_back(outcome.plan, waiting), standings=tuple(ended))
