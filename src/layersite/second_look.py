"""What the forge says of single changes when asked for each by itself: a listing may lag behind, or lie."""

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from layersite.forge import Forge
from layersite.model.change import Change
from layersite.model.environment import changes_of
from layersite.plan import Plan

__all__ = ["find", "moved", "unproven"]

_AT_ONCE = 8


def find(forge: Forge, changes: Sequence[Change]) -> dict[tuple[str, int | str], Change | None]:
    """Ask the forge for each change by itself; return what is open by key, None for what is not. Raises ForgeError."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip((change.key for change in changes), pool.map(forge.find, changes), strict=True))


def moved(
    forge: Forge, plan: Plan, changes: Iterable[Change], asked: Collection[tuple[str, int | str]] = ()
) -> dict[str, Change]:
    """Ask for each change that is about to be shown by itself; return those that are not as listed, by environment.

    It is the last thing before the commit, so that the newest head wins and what was closed meanwhile stays away. Those
    `asked` for in the same moment already, by key, are not asked for again.
    """
    concerned = {place: change for place, change in _concerned(plan, changes).items() if change.key not in asked}
    found = find(forge, list(concerned.values()))
    return {
        name: change
        for (name, _), change in concerned.items()
        if (now := found[change.key]) is None or now.sha != change.sha
    }


def unproven(forge: Forge, plan: Plan, changes: list[Change]) -> dict[str, str]:
    """Ask for each change of a removed environment by itself; an open one that the listing lacks stops the removal.

    A listing that is well-formed but wrong would otherwise delete what is alive.
    """
    listed = {change.key for change in changes}
    missing = {
        action.name: [change for change in changes_of(action.result.members) if change.key not in listed]
        for action in plan.having("remove")
        if action.result
    }
    found = find(forge, [change for each in missing.values() for change in each])
    unproven = {}
    for name, gone in missing.items():
        if names := ", ".join(str(change) for change in gone if found[change.key] is not None):
            unproven[name] = f"the forge's listing lacks {names}, but asked by itself it is open; kept"
    return unproven


def _concerned(plan: Plan, changes: Iterable[Change]) -> dict[tuple[str, Change], Change]:
    """Return the changes whose commits are about to be written, by environment and change."""
    listed = {change.key: change for change in changes}
    actions = plan.having("create", "update")
    shown = [
        (action.name, change) for action in actions if action.result for change in changes_of(action.result.members)
    ]
    return {(name, change): listed[change.key] for name, change in shown if change.key in listed}
