"""Carry a plan out: render what it changes, and commit it together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from layersite.follow import Follower, Stores
from layersite.model.capacity import Capacity
from layersite.model.environment import Environment, Tombstone, to_yaml
from layersite.model.errors import LayersiteError, StoreError
from layersite.model.site import Site
from layersite.model.standing import Standing
from layersite.plan import Action, Plan, hold_back, leave
from layersite.store import Snapshot, Write

__all__ = ["Drafts", "Outcome", "Renders", "Writer", "trailer"]

Drafts = Mapping[str, Write | str]
"""By environment: what will be written, or why it cannot be."""


class Renders(Protocol):
    """Makes an environment's files."""

    def render(self, environment: Environment) -> dict[str, bytes]:
        """Return the files by path."""


@dataclass(frozen=True)
class Outcome:
    """What a run decided and did; `commit` is None where nothing was written.

    `standings` tell how the environments stood in the end that the run followed; `unseen` is why it could not be said
    whether all is well with those that it left alone.
    """

    plan: Plan
    commit: str | None = None
    dry_run: bool = False
    standings: tuple[Standing, ...] = ()
    unseen: LayersiteError | None = None
    overtaken: tuple[str, ...] = ()
    """What was left alone because somebody else changed it, or took the room, since it was read."""
    unwritten: StoreError | None = None
    """Why nothing could be committed, where something should have been; the plan holds it back."""

    @property
    def failed(self) -> tuple[str, ...]:
        """The environments that are not where they should be, or whose people could not be told."""
        bad = {each.name for each in self.standings if each.state in ("failed", "unseen", "stuck") or not each.is_told}
        return tuple(sorted(bad | {refusal.name for refusal in self.plan.refusals if refusal.is_error}))


@dataclass(frozen=True)
class Writer:
    """What writes to one site's environments repository, and tells Argo CD of it."""

    site: Site
    store: Stores
    renderer: Renders
    follower: Follower
    tell: Callable[[str], None]

    def draft(self, plan: Plan, snapshot: Snapshot) -> Drafts:
        """Return for what the plan changes what will be written, or why it cannot be."""
        drafts: dict[str, Write | str] = {}
        for action in plan.having("create", "update", "remove", "forget"):
            try:
                entry = snapshot.entries.get(action.name)
                files = self._files(action.result)
                drafts[action.name] = Write(action.name, files, entry.tree if entry else None, trailer(action.result))
            except LayersiteError as error:
                drafts[action.name] = str(error)
        return drafts

    def commit(self, plan: Plan, drafts: Drafts, snapshot: Snapshot, dry_run: bool) -> Outcome:
        """Commit together what the plan changes; what could not be rendered, or written at all, is held back."""
        wanted = {action.name: drafts[action.name] for action in plan.actions if action.verb != "leave"}
        plan = hold_back(plan, {name: draft for name, draft in wanted.items() if isinstance(draft, str)})
        actions = plan.having("create", "update", "remove", "forget")
        for action in actions:
            self.tell(f"{action.verb} {action.name}: {action.reason}")
        writes = [draft for draft in wanted.values() if isinstance(draft, Write)]
        if self.site.capacity != Capacity():  # a concurrent run must not fill the same room
            created = {action.name for action in plan.having("create")}
            writes = [replace(each, beside=snapshot.tree) if each.name in created else each for each in writes]
        if dry_run or not writes:
            return Outcome(plan, dry_run=dry_run)
        self.tell(f"pushing {len(writes)} environments")
        try:
            done = self.store.commit(writes, _subject(list(actions)))
        except StoreError as error:
            return Outcome(_give_up(plan, error), unwritten=error)
        if done.commit is not None:
            self.follower.nudge(snapshot.commit, done.commit, done.written)
        text = "somebody else changed it in the environments repository meanwhile; the next run looks again"
        return Outcome(hold_back(plan, dict.fromkeys(done.conflicts, text)), done.commit, overtaken=done.conflicts)

    def _files(self, result: Environment | Tombstone | None) -> dict[str, bytes] | None:
        if isinstance(result, Environment):
            return self.renderer.render(result)
        return {"tombstone.yaml": to_yaml(result).encode()} if result else None


def _give_up(plan: Plan, error: StoreError) -> Plan:
    """Hold back whatever `plan` changes; nobody is waiting to hear of a tombstone that could not go yet."""
    text = f"could not be committed: {error}"
    plan = leave(plan, {action.name: text for action in plan.having("forget")})
    return hold_back(plan, {action.name: text for action in plan.having("create", "update", "remove")})


def _subject(actions: list[Action]) -> str:
    if len(actions) == 1:
        return f"{actions[0].verb} {actions[0].name}"
    verbs = ("create", "update", "remove", "forget")
    counts = [f"{sum(action.verb == verb for action in actions)} {verb}" for verb in verbs]
    return f"environments: {', '.join(count for count in counts if not count.startswith('0'))}"


def trailer(result: Environment | Tombstone | None) -> str:
    """Return the commit's line for one environment; branch names and titles, which anyone can choose, stay out."""
    if result is None:
        return ""
    members = [f"{m.repository}{f'#{m.number}' if m.number else ''}@{m.sha[:12]}" for m in result.members]
    return " ".join([result.name, f"generation {result.generation}", *members])
