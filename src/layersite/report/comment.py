"""The comment and the commit status by which a change's people learn how its environment stands.

Written for a phone: short lines, no tables, details folded.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Literal

from layersite.model.command import Answer
from layersite.model.database import Brought
from layersite.model.environment import Environment, Lease, Member, Tombstone
from layersite.model.standing import Standing, Trouble
from layersite.report.markdown import block, one_line, quoted, span

__all__ = ["Mark", "comment", "read_mark", "status", "warning"]

_TITLES = {
    "waiting": "⏳ Environment {} waits",
    "deploying": "🚀 Environment {} is being deployed",
    "ready": "✅ Environment {} is ready",
    "asleep": "😴 Environment {} sleeps",
    "failed": "❌ Environment {} failed",
    "unseen": "❔ Environment {} is committed, but could not be watched",
    "refused": "❌ Environment {} could not be made or changed",
    "skipped": "⚪ No environment",
    "leaving": "🧹 Environment {} is going away",
    "stuck": "❌ Environment {} hangs while it goes away",
    "gone": "🧹 Environment {} is gone",
}
_STATUS: dict[str, Literal["pending", "success", "failure", "error"]] = {
    "waiting": "pending",
    "deploying": "pending",
    "ready": "success",
    "asleep": "success",
    "failed": "failure",
    "unseen": "error",
    "refused": "error",
    "skipped": "success",
    "leaving": "pending",
    "stuck": "failure",
    "gone": "success",
}
_MARK = re.compile(r"^<!-- standing (\{.*\}) -->$", re.MULTILINE)
_MARKUP = re.compile(r"[-<>`@#!()\[\]]")
"""What could end an HTML comment or mean something in Markdown; in JSON it stands in strings only."""
_LONGEST = 60_000
"""Characters; forges refuse comments beyond 65,536."""

_EXTEND = "the comment `/layersite extend 24h because …` adds to it"

Mark = dict[str, str | int]
"""What a comment remembers for the next run: `state`, `generation`, `summary`, `since`."""


def comment(standing: Standing) -> str:
    """Return the comment's Markdown; the same standing gives the same bytes."""
    return "\n".join(_lines(standing))[:_LONGEST] + "\n"


def warning(standing: Standing) -> tuple[str, str] | None:
    """Return key and Markdown of the comment that warns of the lease's end, None if nobody need be warned.

    Each end has a key of its own: only a new comment reaches people, an edited one does not.
    """
    lease = standing.environment.lease if isinstance(standing.environment, Environment) else None
    if lease is None or not lease.warned:
        return None
    title = f"### ⏰ Environment {span(standing.name)} ends at {lease.until}"
    return f"{standing.name} ends {lease.until}", f"{title}\n\nA new commit renews it, and {_EXTEND}.\n"


def status(standing: Standing) -> tuple[Literal["pending", "success", "failure", "error"], str, str]:
    """Return state, description (at most 140 characters) and link of the commit status."""
    urls = standing.environment.urls.values() if isinstance(standing.environment, Environment) else ()
    text = one_line(f"{standing.name}: {standing.summary}")
    return _STATUS[standing.state], text if len(text) <= 140 else f"{text[:139]}…", next(iter(urls), "")


def read_mark(body: str | None) -> Mark:
    """Return what the comment `body` remembers, nothing if there is none."""
    found = _MARK.search(body or "")
    try:
        data = json.loads(found[1]) if found else {}
    except ValueError:
        return {}
    return {key: value for key, value in data.items() if isinstance(value, (str, int))}


def _lines(standing: Standing) -> Iterator[str]:
    yield from _head(standing)
    yield from _news(standing)
    yield from _content(standing)
    yield from _outlook(standing)


def _head(standing: Standing) -> Iterator[str]:
    yield f"### {_TITLES[standing.state].format(span(standing.name))}"
    mark = {"state": standing.state, "generation": standing.generation, "since": standing.since}
    text = json.dumps({**mark, "summary": one_line(standing.summary)}, sort_keys=True)
    yield f"<!-- standing {_MARKUP.sub(_code_point, text)} -->"
    if isinstance(standing.environment, Environment) and standing.state != "refused":
        yield ""
        yield from (f"- [{app}]({url})" for app, url in standing.environment.urls.items())
    yield from ("", quoted(standing.summary))


def _news(standing: Standing) -> Iterator[str]:
    """Say what became of what was asked, of pods, databases and smoke tests."""
    if standing.answers:
        yield from ("", *map(_answer, standing.answers))
    for trouble in standing.troubles:
        yield from _trouble(trouble)
    if standing.databases:
        yield from ("", *map(_database, standing.databases))
    if isinstance(standing.environment, Environment) and (notes := _notes(standing.environment)):
        yield from ("", *notes)
    if standing.smoke:
        yield from _folded("Smoke tests", block(line.strip("= ") for line in standing.smoke.splitlines()))


def _content(standing: Standing) -> Iterator[str]:
    environment = standing.environment
    if environment is not None:
        yield from ("", "Shows " + ", ".join(map(_member, environment.members)) + ".")
    if isinstance(environment, Environment):
        yield from _slice(environment)
    if standing.plan:
        yield from _folded("Plan", block(standing.plan))


def _outlook(standing: Standing) -> Iterator[str]:
    """Say how long it lives, and what brings it back."""
    environment = standing.environment
    if standing.state in ("ready", "asleep", "deploying", "waiting", "failed", "unseen"):
        yield from ("", _life(environment.lease if isinstance(environment, Environment) else None))
    if standing.state == "asleep":
        yield "A new commit wakes it, and so does the comment `/layersite wake`."
    if isinstance(environment, Tombstone) and environment.cause != "closed":
        yield from ("", "A new commit brings it back.")


def _folded(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield from ("", f"<details><summary>{title}</summary>", "", *lines, "</details>")


def _life(lease: Lease | None) -> str:
    if lease is None:
        return "It lives as long as its change is open: every push renews it, closing the change removes it."
    asked = f" (asked by {span(lease.by or '?')}: {span(lease.reason or '?')})" if lease.by or lease.reason else ""
    if lease.pinned or lease.until is None:
        return f"It is pinned{asked}: nothing but closing the change removes it."
    return f"It lives until {lease.until}{asked}: every push renews it, {_EXTEND}, closing the change removes it."


def _answer(answer: Answer) -> str:
    first = answer.asked.text.strip().splitlines()[0]
    return f"- {'👍' if answer.is_done else '👎'} {span(first[:200])} by {span(answer.asked.by)}: {quoted(answer.text)}"


def _database(brought: Brought) -> str:
    if brought.golden is None:
        rows = f", with {brought.rows:,} made-up rows" if brought.rows else ""
        return f"- Database {span(brought.database)} without a golden, {brought.how}{rows}"
    origin = f"{span(brought.golden)}, built {quoted(brought.golden_built)} with {brought.rows:,} rows"
    return f"- Database {span(brought.database)} from {origin}; {quoted(brought.how)}"


def _notes(environment: Environment) -> list[str]:
    """Return what is to be known of each database and of what the change does to it."""
    data = (environment.data or {}).items()
    return [f"- {span(name)}: {quoted(note)}" for name, each in data for note in each.notes or ()]


def _code_point(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _member(member: Member) -> str:
    name = f"{span(str(member))} at {span(member.sha[:7])}"
    return f"[{name}]({member.url})" if re.fullmatch(r"https?://[^\s()<>\[\]]+", member.url) else name


def _trouble(trouble: Trouble) -> Iterator[str]:
    yield from ("", f"**{quoted(trouble.kind)}** {span(trouble.name)}: {span(trouble.reason or 'not ready')}")
    if trouble.message:
        yield from ("", *(f"> {quoted(line)}" for line in trouble.message.splitlines()))  # a block would not wrap
    if trouble.log:
        yield from _folded("Its last words", block(trouble.log))


def _slice(environment: Environment) -> Iterator[str]:
    slots = environment.slice
    counts = ", ".join(
        f"{sum(slot.provision == provision for slot in slots.values())} {provision}"
        for provision in sorted({slot.provision for slot in slots.values()})
    )
    apps = sorted(slots, key=lambda app: (slots[app].provision, app))
    lines = [f"- `{app}` is {slots[app].provision}: {quoted(slots[app].reason)}" for app in apps]
    yield from _folded(f"What is in it: {counts}", [*lines, ""])
