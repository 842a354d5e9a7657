"""The migrations of a repository as a graph, and whether a database that has applied some of them can go forward."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

__all__ = ["UP_TO", "History", "Step"]

UP_TO = "<="
"""What a ledger's entry starts with that stands for every version up to its own, as a baseline of Flyway does."""


@dataclass(frozen=True)
class Step:
    """One migration: what a ledger calls it, its file, what it comes after, and what it stands for once squashed.

    `lines`: the first of its lines in its file, and the first that is not its own.
    """

    name: str
    file: str
    after: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    lines: tuple[int, int | None] = (0, None)

    @property
    def is_whole_file(self) -> bool:
        """Whether which lines of its file are its own is not known."""
        return self.lines == (0, None)

    def text(self, files: Mapping[str, str]) -> str:
        """Return what `files` have of it."""
        return "\n".join(files[self.file].split("\n")[slice(*self.lines)]).rstrip()


@dataclass(frozen=True)
class History:
    """Every migration of a repository at one commit, in the order in which the tool would apply them.

    `by_head`: the ledger names the last steps alone, and what they come after goes without saying. `aliases` are
    further names that a ledger may use. `scopes`: what stands before the dot in the repository's own names; a
    ledger's other names belong to installed packages. `checksums`: what a ledger should remember of a step. `forgets`:
    the tool goes on where the files of old steps, told by numbers, were taken away.
    """

    steps: Mapping[str, Step]
    by_head: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)
    scopes: frozenset[str] | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    forgets: bool = False

    @cached_property
    def heads(self) -> tuple[str, ...]:
        """The steps that nothing comes after."""
        followed = {name for step in self.steps.values() for name in step.after}
        return tuple(name for name in self.steps if name not in followed)

    def obstacle(self, applied: Sequence[str]) -> str | None:
        """Say why a database whose ledger holds `applied` cannot be migrated forward along this history, if so."""
        done = self.applied(applied)
        for entry in applied:
            name, _, checksum = self._own(entry).partition("#")
            if not self._is_known(name) and not self._is_forgotten(name, done):
                return f"it has applied `{name}`, which the change does not have"
            if checksum and self.checksums.get(name, checksum) != checksum:
                return f"it has applied `{self.steps[name].file}`, which the change edits; add a migration instead"
        return self._disorder(done)

    def pending(self, applied: Sequence[str]) -> tuple[str, ...]:
        """Return the steps that are still to be applied, in order."""
        done = self.applied(applied)
        return tuple(name for name in self.steps if name not in done)

    def applied(self, entries: Sequence[str]) -> frozenset[str]:
        """Return the steps that a ledger with `entries` says are applied, a squashed one once all of its parts are."""
        names = {self._own(entry).partition("#")[0] for entry in entries}
        done = {step for step in self.steps if any(_covers(name, step) for name in names)}
        done |= {name for name, step in self.steps.items() if step.replaces and names.issuperset(step.replaces)}
        waiting = list(done) if self.by_head else []
        while waiting:
            further = set(self.steps[waiting.pop()].after) - done
            done |= further
            waiting += further
        return frozenset(done)

    def _own(self, entry: str) -> str:
        return self.aliases.get(entry, entry)

    def _is_known(self, name: str) -> bool:
        is_foreign = self.scopes is not None and name.partition(".")[0] not in self.scopes
        return is_foreign or name.startswith(UP_TO) or name in self.steps or name in self._replaced

    def _is_forgotten(self, name: str, done: frozenset[str]) -> bool:
        """Whether a step comes before all that are left, the first of which is applied as well."""
        first = next(iter(self.steps), "")
        return self.forgets and first in done and name.isdigit() and _version(name) < _version(first)

    @cached_property
    def _replaced(self) -> frozenset[str]:
        return frozenset(name for step in self.steps.values() for name in step.replaces)

    def _disorder(self, done: frozenset[str]) -> str | None:
        """Name a step that is missing although one that comes after it is applied."""
        for name, step in self.steps.items():
            early = [parent for parent in step.after if name in done and parent not in done]
            if early:
                file = self.steps[early[0]].file
                return f"it has applied `{name}`, which comes after `{file}` of the change; renumber that"
        return None


def _covers(entry: str, step: str) -> bool:
    if not entry.startswith(UP_TO):
        return entry == step
    return _version(step) <= _version(entry.removeprefix(UP_TO))


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))
