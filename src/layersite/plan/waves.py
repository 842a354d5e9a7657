"""Which environments are rendered again now where only what they are rendered from changed: a few, then others. Pure.

A wave is remembered in the locks of those that it rendered, with what their smoke tests said, so any run can tell
whether the next may go.
"""

from collections.abc import Collection
from dataclasses import replace

from layersite.model.environment import Environment, RenderLock, Wave
from layersite.model.names import BASELINE
from layersite.plan.lock import is_renewal, rollout
from layersite.plan.model import Action, Plan, leave
from layersite.plan.world import World

__all__ = ["failed_in_wave", "in_waves", "keep_wave", "last_wave"]

_NAMED = 5


def last_wave(plan: Plan, world: World) -> tuple[int, frozenset[str]]:
    """Return the number of the last wave of what `plan` renders again, and who it was; 0 before the first."""
    of, waiting = rollout(world.site, world.catalog, world.version), {a.name for a in plan.actions if a.renews}
    waves = {name: wave.number for name in world.current.keys() - waiting if (wave := _wave(world, name, of))}
    number = max(waves.values(), default=0)
    return number, frozenset(name for name, wave in waves.items() if wave == number)


def in_waves(
    plan: Plan, world: World, well: Collection[str], arrived: Collection[str], *, has_smoke: bool = False
) -> Plan:
    """Return `plan` with what it renders again and this wave leaves out turned into leaves.

    `well` are healthy, whatever they show, and `arrived` are healthy as they are committed now; where the site
    `has_smoke` tests, these must have passed too.
    """
    well = {name for name in well if not _is_broken_by_itself(world, name)}
    waiting = sorted((a for a in plan.actions if a.renews), key=lambda action: _rank(world, action, well))
    number, last = last_wave(plan, world)
    if late := sorted(name for name in last if name not in arrived or (has_smoke and _is_unproven(world, name))):
        who = f"{', '.join(_described(world, n) for n in late[:_NAMED])}{' and others' if late[_NAMED:] else ''}"
        text = f"waits until {who}, which got before it what changed, can be seen to be healthy"
        return leave(plan, {action.name: text for action in waiting})
    living = sum(isinstance(current, Environment) for current in world.current.values())
    size = max(world.site.waves.environments, living * world.site.waves.percent // 100)
    wave = Wave(of=rollout(world.site, world.catalog, world.version), number=number + 1)
    first = {action.name for action in waiting[:size]}
    plan = leave(plan, {action.name: f"waits for its wave: {action.reason}" for action in waiting[size:]})
    marked = first & well
    return replace(plan, actions=tuple(_marked(a, wave, has_smoke) if a.name in marked else a for a in plan.actions))


def failed_in_wave(plan: Plan, world: World) -> list[Environment]:
    """Return those of the last wave of what `plan` renders again whose smoke tests failed."""
    last = [world.current[name] for name in sorted(last_wave(plan, world)[1])]
    return [each for each in last if isinstance(each, Environment) and each.render and each.render.smoke == "failed"]


def keep_wave(current: Environment, wanted: Environment) -> Environment:
    """Return `wanted` with what `current` has shown of its wave, if it shows the same, awake or asleep."""
    old, new = current.render, wanted.render
    if old is None or new is None or current.members != wanted.members or is_renewal(old, new):
        return wanted
    return wanted.model_copy(update={"render": new.model_copy(update={"wave": old.wave, "smoke": old.smoke})})


def _rank(world: World, action: Action, well: Collection[str]) -> tuple[bool, bool, bool, bool, str]:
    """First those that an earlier wave may have broken, last the baseline; what is unwell or asleep proves little."""
    lock, is_well = _lock(world, action.name), action.name in well
    is_broken = lock is not None and lock.wave is not None and (not is_well or lock.smoke == "failed")
    return not is_broken, action.name == BASELINE, not is_well, _is_asleep(world, action.name), action.name


def _lock(world: World, name: str) -> RenderLock | None:
    current = world.current[name]
    return current.render if isinstance(current, Environment) else None


def _wave(world: World, name: str, of: str) -> Wave | None:
    lock = _lock(world, name)
    return lock.wave if lock and lock.wave and lock.wave.of == of else None


def _is_asleep(world: World, name: str) -> bool:
    current = world.current[name]
    return isinstance(current, Environment) and current.state == "asleep"


def _is_broken_by_itself(world: World, name: str) -> bool:
    """Whether its smoke tests failed though no wave rendered it."""
    lock = _lock(world, name)
    return lock is not None and lock.smoke == "failed" and lock.wave is None


def _is_unproven(world: World, name: str) -> bool:
    """Whether its smoke tests failed, or are still to come; of what sleeps there are none."""
    lock = _lock(world, name)
    return lock is not None and (lock.smoke == "failed" or (lock.smoke == "due" and not _is_asleep(world, name)))


def _described(world: World, name: str) -> str:
    lock = _lock(world, name)
    return f"{name} (its smoke tests failed)" if lock and lock.smoke == "failed" else name


def _marked(action: Action, wave: Wave, has_smoke: bool) -> Action:
    """Return `action` with the wave in its lock: one that was unwell before would hold up all others for good."""
    result = action.result
    if not isinstance(result, Environment) or result.render is None:
        return action
    lock: RenderLock = result.render.model_copy(update={"wave": wave, "smoke": "due" if has_smoke else None})
    return replace(action, result=result.model_copy(update={"render": lock}))
