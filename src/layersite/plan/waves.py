"""Which environments are rendered again now where only what they are rendered from changed: a few, then others. Pure.

A wave is remembered in the locks of those that it rendered, so any run can tell whether the next may go.
"""

from collections.abc import Collection
from dataclasses import replace

from layersite.model.environment import Environment, RenderLock, Wave
from layersite.model.names import BASELINE
from layersite.plan.desired import World
from layersite.plan.lock import rollout
from layersite.plan.model import Action, Plan, leave

__all__ = ["in_waves", "last_wave"]

_NAMED = 5


def last_wave(plan: Plan, world: World) -> tuple[int, frozenset[str]]:
    """Return the number of the last wave of what `plan` renders again, and who it was; 0 before the first."""
    of, waiting = rollout(world.site, world.catalog, world.version), {a.name for a in plan.actions if a.renews}
    waves = {name: wave.number for name in world.current.keys() - waiting if (wave := _wave(world, name, of))}
    number = max(waves.values(), default=0)
    return number, frozenset(name for name, wave in waves.items() if wave == number)


def in_waves(plan: Plan, world: World, well: Collection[str], arrived: Collection[str]) -> Plan:
    """Return `plan` with what it renders again and this wave leaves out turned into leaves.

    `well` are healthy, whatever they show, and `arrived` are healthy as they are committed now.
    """
    waiting = sorted((a for a in plan.actions if a.renews), key=lambda action: _rank(world, action, well))
    number, last = last_wave(plan, world)
    if late := sorted(last - set(arrived)):
        who = f"{', '.join(late[:_NAMED])}{' and others' if late[_NAMED:] else ''}"
        text = f"waits until {who}, which got before it what changed, can be seen to be healthy"
        return leave(plan, {action.name: text for action in waiting})
    living = sum(isinstance(current, Environment) for current in world.current.values())
    size = max(world.site.waves.environments, living * world.site.waves.percent // 100)
    wave = Wave(of=rollout(world.site, world.catalog, world.version), number=number + 1)
    first = {action.name for action in waiting[:size]}
    plan = leave(plan, {action.name: f"waits for its wave: {action.reason}" for action in waiting[size:]})
    return replace(plan, actions=tuple(_marked(a, wave) if a.name in first & set(well) else a for a in plan.actions))


def _rank(world: World, action: Action, well: Collection[str]) -> tuple[bool, bool, bool, bool, str]:
    """First those that an earlier wave may have broken, last the baseline; what is unwell or asleep proves little."""
    current = world.current[action.name]
    is_well = action.name in well
    is_broken = not is_well and isinstance(current, Environment) and bool(current.render and current.render.wave)
    is_asleep = isinstance(current, Environment) and current.state == "asleep"
    return not is_broken, action.name == BASELINE, not is_well, is_asleep, action.name


def _wave(world: World, name: str, of: str) -> Wave | None:
    current = world.current[name]
    wave = current.render.wave if isinstance(current, Environment) and current.render else None
    return wave if wave is not None and wave.of == of else None


def _marked(action: Action, wave: Wave) -> Action:
    """Return `action` with the wave in its lock: one that was unwell before would hold up all others for good."""
    result = action.result
    if not isinstance(result, Environment) or result.render is None:
        return action
    lock: RenderLock = result.render.model_copy(update={"wave": wave})
    return replace(action, result=result.model_copy(update={"render": lock}))
