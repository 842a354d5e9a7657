"""Which changes share an environment, and what it is called."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from layersite.model.change import Change
from layersite.model.document import near_miss
from layersite.model.errors import UnknownNameError
from layersite.model.names import environment_name
from layersite.plan.model import Plan

__all__ = ["Group", "chosen_name", "group", "narrow"]

Key = tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """The changes that share one environment, in a fixed order."""

    name: str
    changes: tuple[Change, ...]


def group(changes: Iterable[Change], repositories: Collection[str]) -> list[Group]:
    """Group `changes` by declared name, else by a branch name that several repositories share, else alone.

    A change without a number (plain git) is always named by its branch. A fork's change shares with nobody: anyone
    could name a branch so as to join, and be handed, somebody else's environment. The result does not depend on
    the order of `changes`.
    """
    ours = [change for change in changes if not change.fork]
    declared = {change.environment for change in ours if change.environment}
    sharing: dict[str, set[str]] = {}
    for change in ours:
        if change.branch != change.target and not change.environment:
            sharing.setdefault(change.branch, set()).add(change.repository)

    def key(change: Change) -> Key:
        if change.fork:
            return "fork", change.repository, str(change.key[1])
        if change.environment:
            return "name", change.environment
        if change.number is None or change.branch in declared or len(sharing.get(change.branch, ())) > 1:
            return "name", change.branch
        return "number", change.repository, str(change.number)

    groups: dict[Key, list[Change]] = {}
    for change in sorted(changes, key=lambda change: (change.repository, str(change.key[1]))):
        groups.setdefault(key(change), []).append(change)
    named = [Group(_name(found, repositories), tuple(members)) for found, members in groups.items()]
    return sorted(named, key=lambda each: each.name)


def chosen_name(text: str, repositories: Collection[str]) -> str:
    """Return the environment name for a branch or a name that a person chose; it never looks like a change's own."""
    numbered = re.fullmatch(r"(.+)-\d+", text)
    return environment_name(text, keep=not (numbered and numbered[1] in repositories))


def narrow(plan: Plan, groups: Iterable[Group], only: Iterable[str]) -> Plan:
    """Return the part of `plan` that concerns the changes named in `only` (`repository#42`).

    Raises:
        UnknownNameError: no change of `groups` is called so.
    """
    named = {str(change): each.name for each in groups for change in each.changes}
    wanted = set(only)
    if unknown := sorted(wanted - named.keys()):
        text = ", ".join(f"`{name}`{near_miss(name, named)}" for name in unknown)
        raise UnknownNameError(f"no open change is called {text}; name changes as `repository#42`")
    names = {named[each] for each in wanted}
    return Plan(
        tuple(action for action in plan.actions if action.name in names),
        tuple(refusal for refusal in plan.refusals if refusal.name in names),
    )


def _name(key: Key, repositories: Collection[str]) -> str:
    return chosen_name(key[1], repositories) if key[0] == "name" else environment_name("-".join(key[1:]))
