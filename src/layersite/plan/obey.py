"""What becomes of an environment when people ask for something by comments: pure, with the clock given."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from layersite.model.command import Answer, Asked, Command, read_command
from layersite.model.environment import Environment, Lease, Tombstone
from layersite.model.errors import InvalidInputError
from layersite.model.site import Site
from layersite.plan import lease
from layersite.plan.model import Plan
from layersite.plan.rest import called

__all__ = ["Told", "answers", "obey"]


@dataclass(frozen=True)
class Told:
    """An environment with all that was asked of it; `teardown` says who wants it gone."""

    environment: Environment
    answers: tuple[Answer, ...] = ()
    teardown: str = ""


def obey(site: Site, current: Environment, asked: Iterable[Asked], now: datetime) -> Told:
    """Return `current` as the comments `asked` want it, the oldest first; after a teardown nothing else counts."""
    told = Told(current)
    for each in sorted(asked, key=lambda each: each.comment):
        if not told.teardown:
            told = _obey_one(site, told, each, now)
    return told


def _obey_one(site: Site, told: Told, asked: Asked, now: datetime) -> Told:
    """Do what one comment asks for; one that the environment remembers was done by a run that could not say so."""
    if asked.comment <= (told.environment.heard or 0):
        return Told(told.environment, (*told.answers, Answer(asked, "it was done", True)))
    try:
        if asked.refusal:
            raise ValueError(asked.refusal)
        command = read_command(asked.text)
        new, text = _carry_out(site, told.environment, command, asked, now)
    except ValueError as error:
        return Told(told.environment, (*told.answers, Answer(asked, str(error), False)))
    except InvalidInputError as error:
        return Told(told.environment, (*told.answers, Answer(asked, error.problems[0].message, False)))
    answer = Answer(asked, text, True)
    new = new.model_copy(update={"heard": asked.comment})
    wants = f"{asked.by} asked for it in a comment" if command.verb == "teardown" else ""
    return Told(new, (*told.answers, answer), wants)


def _carry_out(site: Site, current: Environment, wish: Command, asked: Asked, now: datetime) -> tuple[Environment, str]:
    by = asked.by
    if wish.verb == "teardown":
        return current, "it goes away; a new commit brings it back"
    if wish.verb in ("wake", "sleep"):
        call = called(site, "active" if wish.verb == "wake" else "asleep", wish.hours, by, now, asked.change.labels)
        text = f"it is told to be awake until {call.until}" if call.until else "it is told to sleep"
        return current.model_copy(update={"call": call}), text
    if wish.verb == "extend":
        given: Lease | None = lease.extend(site, current, wish.hours or 0, by, wish.reason, now)
        text = f"it lives until {given.until}" if given else ""
    elif wish.verb == "pin":
        given, text = lease.pin(current, by, wish.reason), "it is pinned"
    else:
        given, text = lease.unpin(site, current, by, now), "it is not pinned any more"
    return current.model_copy(update={"lease": given}), text


def answers(
    site: Site,
    current: Mapping[str, Environment | Tombstone],
    asked: Mapping[str, Sequence[Asked]],
    plan: Plan,
    now: datetime,
) -> dict[str, tuple[Answer, ...]]:
    """Return by environment what its people are answered after `plan` was carried out as it stands.

    What was not committed, or concerns an environment that is still to come, stays unanswered until it is.
    """
    actions = {action.name: action for action in plan.actions}
    refused = {refusal.name: refusal for refusal in plan.refusals}
    found: dict[str, tuple[Answer, ...]] = {}
    for name, comments in asked.items():
        action, refusal, now_there = actions.get(name), refused.get(name), current.get(name)
        gone = action is not None and isinstance(action.result, Tombstone) and action.result.cause != "teardown"
        if action is not None and (gone or (action.verb == "leave" and isinstance(now_there, Tombstone))):
            found[name] = _refuse(comments, f"it goes away: {action.reason}")
        elif isinstance(now_there, Environment) and action is not None:
            told = obey(site, now_there, comments, now)
            changes_nothing = (told.environment.lease, told.environment.call) == (now_there.lease, now_there.call)
            is_done = action.verb != "leave" or (changes_nothing and not told.teardown)
            found[name] = tuple(answer for answer in told.answers if is_done or not answer.is_done)
        elif refusal is not None and not refusal.waits_for and not refusal.waits_for_room:
            found[name] = _refuse(comments, f"there is no environment: {refusal.reason}")
    return {name: each for name, each in found.items() if each}


def _refuse(comments: Iterable[Asked], text: str) -> tuple[Answer, ...]:
    return tuple(Answer(each, text, False) for each in comments)
