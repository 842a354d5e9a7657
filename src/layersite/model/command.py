"""What people may ask of an environment by a comment on its change, such as `/layersite extend 24h because demo`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from layersite.model.change import Change
from layersite.model.document import near_miss

__all__ = ["Answer", "Asked", "Command", "is_command", "read_command"]

Verb = Literal["wake", "sleep", "extend", "pin", "unpin", "teardown"]
_VERBS: tuple[Verb, ...] = get_args(Verb)
_FORMS: Mapping[str, str] = {"extend": "extend 24h because …", "pin": "pin because …"}
_LONGEST = 200
"""Characters of a reason: it is committed."""


@dataclass(frozen=True)
class Asked:
    """A comment that asks for something and has not been answered; `refusal` says why its author may not."""

    change: Change
    comment: int
    by: str
    text: str
    refusal: str = ""


@dataclass(frozen=True)
class Answer:
    """What became of a comment."""

    asked: Asked
    text: str
    is_done: bool


@dataclass(frozen=True)
class Command:
    """What a comment asks for."""

    verb: Verb
    hours: int | None = None
    reason: str = ""


def is_command(comment: str) -> bool:
    """Whether a comment speaks to the bot: its first line begins with `/layersite`."""
    return re.match(r"\s*/layersite(\s|$)", comment) is not None


def read_command(comment: str) -> Command:
    """Return what the first line of a comment asks for. Raises ValueError that says what is wrong with it."""
    words = comment.strip().splitlines()[0].split()[1:]
    verb = words[0].lower() if words else ""
    if verb not in _VERBS:
        raise ValueError(f"say one of {', '.join(_VERBS)}{near_miss(verb, _VERBS)}")
    rest, hours = words[1:], None
    if verb in ("wake", "extend") and rest and (found := re.fullmatch(r"([1-9][0-9]{0,3})([hd]?)", rest[0])):
        rest, hours = rest[1:], int(found[1]) * (24 if found[2] == "d" else 1)
    reason = " ".join(rest[1:] if rest[:1] == ["because"] else rest)
    reason = "".join(char for char in reason if char.isprintable())[:_LONGEST]
    if (verb == "extend" and not hours) or (verb in _FORMS and not reason):
        raise ValueError(f"write it as `/layersite {_FORMS[verb]}`")
    return Command(verb, hours, reason)
