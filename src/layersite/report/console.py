"""Tables, progress and JSON; every text that came from outside is made harmless to a terminal first."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.table import Table
from rich.text import Text

from layersite.model.database import Brought
from layersite.model.environment import Environment, Slot, Tombstone
from layersite.model.standing import Standing
from layersite.model.yaml import Yaml
from layersite.plan import Plan

__all__ = ["Console", "plain"]


def plain(text: str) -> str:
    """Return `text` with control, format (bidi) and surrogate characters written out as `\\u…`, newlines kept."""
    return "".join(
        f"\\u{ord(char):04x}" if char != "\n" and unicodedata.category(char).startswith("C") else char for char in text
    )


class Console:
    """Prints to standard output as a table or as JSON (`as_json`), and progress to standard error."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        width = None if sys.stdout.isatty() else 10_000  # in CI nothing is wrapped or cut
        self._out = RichConsole(highlight=False, emoji=False, markup=False, width=width)
        self._progress = RichConsole(stderr=True, highlight=False, emoji=False, markup=False, soft_wrap=True)

    def tell(self, step: str) -> None:
        """Show one step of the work as a line on standard error."""
        self._progress.print(Text(f"… {plain(step)}", style="dim"))

    def outcome(self, plan: Plan, commit: str | None, dry_run: bool, standings: Iterable[Standing]) -> None:
        """Show a plan: every action with its reason, the slice of what is written, the refusals, and how it ended."""
        if self._json:
            ended = [{"name": s.name, "state": s.state, "summary": s.summary} for s in standings]
            self._print_json({**_plan_data(plan, commit, dry_run), "standings": ended})
            return
        self.table(("action", "environment", "why"), [(a.verb, a.name, a.reason) for a in plan.actions])
        for action in plan.having("create", "update"):
            if isinstance(action.result, Environment):
                self._slice(action.result)
        for refusal in plan.refusals:
            self.line(f"{'error' if refusal.is_error else 'skipped'}: {refusal.name}: {refusal.reason}")
        written = f"committed {commit}" if commit else "nothing to write"
        self.line("dry run: nothing was written" if dry_run else written)
        for standing in standings:
            self.line(f"{standing.name} is {standing.state}: {standing.summary}")
            for each in standing.databases:
                self.line(f"  {each.database}: {each.golden or 'no golden'}, {each.how}")
            for trouble in standing.troubles:
                self.line(f"  {trouble}")
                for line in trouble.log:
                    self.line(f"    {line}")

    def entries(
        self,
        entries: Mapping[str, Environment | Tombstone],
        databases: Mapping[str, Sequence[Brought]],
        now: datetime,
    ) -> None:
        """Show what environments there are, and what they have on database servers."""
        if self._json:
            found = {name: [each.model_dump(mode="json") for each in brought] for name, brought in databases.items()}
            kinds = {name: type(entry).__name__.lower() for name, entry in entries.items()}
            self._print_json(
                [{"kind": kinds[n], "databases": found.get(n, []), **_dump(e)} for n, e in entries.items()]
            )
            return
        rows: list[tuple[str, ...]] = []
        for name in sorted(entries):
            entry = entries[name]
            members = ", ".join(f"{member}@{member.sha[:7]}" for member in entry.members)
            if isinstance(entry, Environment):
                until = ("pinned" if entry.lease.pinned else entry.lease.until) if entry.lease else ""
                rows.append((name, entry.state, members, " ".join(entry.urls.values()), until or ""))
            else:
                rows.append((name, "going away", members, entry.reason, ""))
        self.table(("environment", "state", "shows", "url", "lease"), rows)
        if brought := [(name, each) for name in sorted(databases) for each in databases[name]]:
            header = ("environment", "database", "golden", "age", "rows", "cloned by", "seconds")
            self.table(header, [(name, *_database_row(each, now)) for name, each in brought])

    def data(self, data: Yaml, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Show `rows` as a table, or `data` as JSON."""
        if self._json:
            self._print_json(data)
        else:
            self.table(header, rows)

    def sections(self, sections: Mapping[str, Sequence[str | Mapping[str, str]]]) -> None:
        """Show each section that holds something under its name: rows with the same keys, or plain lines."""
        if self._json:
            self._print_json({name: list(rows) for name, rows in sections.items()})
            return
        for name, rows in sections.items():
            if rows and isinstance(rows[0], Mapping):
                self.line(f"\n{name} ({len(rows)})")
                self.table(tuple(rows[0]), [tuple(row.values()) for row in rows if isinstance(row, Mapping)])
            elif rows:
                self.line(f"\n{name} ({len(rows)})\n" + "\n".join(f"- {row}" for row in rows))

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Show one table."""
        cells = [[plain(cell) for cell in row] for row in rows]
        if not self._out.is_terminal:  # nothing is wrapped there, and rich would take most of a run on many rows
            self._out.out("\n".join(_columns([[*header], *cells])), highlight=False)
            return
        table = Table(*header, box=None, pad_edge=False, header_style="bold")
        for row in cells:
            table.add_row(*map(Text, row))
        self._out.print(table)

    def line(self, text: str) -> None:
        """Show one line of text."""
        if not self._json:
            self._out.print(plain(text), soft_wrap=True)

    def error(self, text: str) -> None:
        """Show an error on standard error."""
        self._progress.print(Text(f"error: {plain(text)}", style="red"))

    def _slice(self, environment: Environment) -> None:
        for app in sorted(environment.slice, key=lambda app: (environment.slice[app].provision, app)):
            slot: Slot = environment.slice[app]
            self.line(f"  {environment.name}: `{app}` is {slot.provision} because {slot.reason}")
        for app, url in environment.urls.items():
            self.line(f"  {environment.name}: `{app}` at {url}")

    def _print_json(self, data: Yaml) -> None:
        self._out.print(json.dumps(data, indent=2, sort_keys=True), soft_wrap=True)


def _columns(rows: list[list[str]]) -> Iterator[str]:
    """Yield the lines of `rows` with each column as wide as its widest cell; a cell may have several lines."""
    widths = [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in zip(*rows, strict=True)]
    for row in rows:
        for parts in zip_longest(*(cell.split("\n") for cell in row), fillvalue=""):
            padded = (part + " " * (width - cell_len(part)) for part, width in zip(parts, widths, strict=True))
            yield "  ".join(padded).rstrip()


def _database_row(each: Brought, now: datetime) -> tuple[str, ...]:
    """Return database, golden, its age in days, its rows, and how and how fast it was cloned."""
    age = f"{(now - datetime.fromisoformat(each.golden_built)).days} d" if each.golden_built else "gone"
    return (
        each.database,
        each.golden or "none",
        age if each.golden else "",
        f"{each.rows:,}",
        each.method,
        f"{each.seconds:g}",
    )


def _dump(document: Environment | Tombstone) -> dict[str, Yaml]:
    return document.model_dump(mode="json", exclude_none=True, by_alias=True)


def _plan_data(plan: Plan, commit: str | None, dry_run: bool) -> dict[str, Yaml]:
    actions = [
        {"verb": a.verb, "name": a.name, "reason": a.reason, "result": _dump(a.result) if a.result else None}
        for a in plan.actions
    ]
    refusals = [{"name": r.name, "reason": r.reason, "is_error": r.is_error} for r in plan.refusals]
    return {"actions": actions, "refusals": refusals, "commit": commit, "dry_run": dry_run}
