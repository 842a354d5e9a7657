"""What a plan is: one action with its reason for every environment, and what holds actions back. Data, no decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from layersite.model.environment import Environment, Tombstone
from layersite.plan.world import World

__all__ = ["Action", "Plan", "Refusal", "hold_back", "leave", "over_the_cap", "overdue"]


@dataclass(frozen=True)
class Action:
    """What happens to one environment and why; `result` is what its directory will hold.

    `remove` leaves a tombstone, `forget` takes away one of which nothing is left to reap. A `leave` has no result.
    """

    verb: Literal["create", "update", "leave", "remove", "forget"]
    name: str
    reason: str
    result: Environment | Tombstone | None = None
    renews: bool = False
    """Whether nobody asked for it: only what the environment is rendered from changed, so it can wait."""


@dataclass(frozen=True)
class Refusal:
    """Changes that get no environment, or an environment that cannot be made, and why; the others go on."""

    name: str
    reason: str
    is_error: bool = True
    waits_for: tuple[str, ...] = ()
    """The images that a registry must have first."""
    waits_for_room: bool = False


@dataclass(frozen=True)
class Plan:
    """One action per environment and the refusals, both sorted by name."""

    actions: tuple[Action, ...]
    refusals: tuple[Refusal, ...] = ()

    def having(self, *verbs: str) -> tuple[Action, ...]:
        """Return the actions with one of `verbs`."""
        return tuple(action for action in self.actions if action.verb in verbs)


def overdue(plan: Plan, since: Mapping[str, datetime], now: datetime, limit: timedelta) -> Plan:
    """Return `plan` with what has waited for its images longer than `limit` refused for good; `since` is by name."""

    def judged(refusal: Refusal) -> Refusal:
        began = since.get(refusal.name, now)
        if not refusal.waits_for or now - began < limit:
            return refusal
        text = f"{refusal.reason} after {limit // timedelta(minutes=1)} minutes; does the change's build push it?"
        return replace(refusal, reason=text, is_error=True)

    return replace(plan, refusals=tuple(map(judged, plan.refusals)))


def leave(plan: Plan, names: Mapping[str, str]) -> Plan:
    """Return `plan` with the actions in `names` turned into leaves for the reason given there."""
    actions = tuple(
        Action("leave", action.name, names[action.name]) if action.name in names else action for action in plan.actions
    )
    return replace(plan, actions=actions)


def hold_back(plan: Plan, names: Mapping[str, str]) -> Plan:
    """Return `plan` with the actions in `names` turned into leaves and refused for the reason given there."""
    refused = tuple(Refusal(name, names[name]) for name in sorted(names))
    return replace(leave(plan, names), refusals=plan.refusals + refused)


def over_the_cap(plan: Plan, world: World) -> dict[str, str]:
    """Return the removals with a reason to hold them back, if one run would remove more than the site's cap."""
    removals = plan.having("remove")
    living = sum(isinstance(current, Environment) for current in world.current.values())
    cap = max(world.site.safety.removals, living * world.site.safety.percent // 100)
    if len(removals) <= cap:
        return {}
    text = f"{len(removals)} of {living} environments would go in one run, more than the cap of {cap}; `--yes` does it"
    return {action.name: text for action in removals}
