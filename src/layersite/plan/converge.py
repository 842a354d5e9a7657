"""The action that leads one environment from what it is to what it should be, with its reason."""

from collections.abc import Iterable
from typing import Literal

from layersite.model.environment import Environment, Lease, Member, Tombstone
from layersite.plan.desired import build_environment
from layersite.plan.difference import difference, renews
from layersite.plan.model import Action
from layersite.plan.rest import AWAKE, Rest
from layersite.plan.waves import keep_wave
from layersite.plan.world import World

__all__ = ["converge", "listed", "remove"]


def converge(
    world: World,
    name: str,
    members: tuple[Member, ...],
    lease: Lease | None = None,
    rest: Rest = AWAKE,
    heard: int | None = None,
) -> Action:
    """Compare what the environment should be with what it is."""
    current = world.current.get(name)
    heard = heard or (current.heard if current else None)
    if isinstance(current, Tombstone):
        is_asked_for = not any(member.change for member in members)
        if current.cause != "closed" and current.members == members and not is_asked_for:
            return Action("leave", name, f"{current.reason}; a new commit of its changes brings it back")
        if current.reap and world.site.argocd is not None:
            return Action("leave", name, f"{listed(members)} is wanted again, and gets it when the old one is gone")
        wanted = build_environment(world, name, members, None, lease, rest, heard)
        return Action("create", name, f"{listed(members)} is open again", _next(wanted, current.generation))
    wanted = build_environment(world, name, members, current, lease, rest, heard)
    if current is None:
        return Action("create", name, f"{listed(members)} needs an environment", wanted)
    reason = difference(current, wanted, name in world.drifted, rest.reason)
    if not reason:
        return Action("leave", name, "nothing changed")
    return Action(
        "update", name, reason, _next(keep_wave(current, wanted), current.generation), renews(current, wanted)
    )


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
        heard=current.heard,
        reap=("application", "namespace", *(["database"] if current.data else [])),
    )
    return Action("remove", current.name, reason, tombstone)


def listed(members: Iterable[Member]) -> str:
    """Return what an environment shows, in words."""
    return ", ".join(map(str, members)) or "the site"


def _next(wanted: Environment, generation: int) -> Environment:
    return wanted.model_copy(update={"generation": generation + 1})
