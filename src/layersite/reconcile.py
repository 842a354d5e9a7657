"""The bot's loop: observe the forge and the store, plan, render, commit once; each verb of the CLI is one method."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from layersite import __version__
from layersite.forge import Forge
from layersite.model.catalog import Catalog
from layersite.model.change import Change
from layersite.model.document import near_miss
from layersite.model.environment import Environment, Lease, Member, Tombstone, to_yaml
from layersite.model.errors import InvalidInputError, LayersiteError, Problem, UnknownNameError
from layersite.model.names import BASELINE
from layersite.model.site import Site
from layersite.plan import (
    Action,
    Plan,
    World,
    chosen_name,
    group,
    hold_back,
    make_plan,
    over_the_cap,
    plan_named,
    remove,
)
from layersite.store import Committed, Snapshot, Write

__all__ = ["Bot", "Outcome", "Renders", "Stores"]

_ROUNDS = 3
"""How often a run looks again because a change moved while it was planned; the next run catches what still moves."""


class Stores(Protocol):
    """The environments repository, as the bot needs it."""

    def read(self) -> Snapshot:
        """Return what is committed now."""

    def commit(self, writes: list[Write], subject: str) -> Committed:
        """Commit and push `writes` together, or nothing if they change nothing."""


class Renders(Protocol):
    """Makes an environment's files."""

    def render(self, environment: Environment) -> dict[str, bytes]:
        """Return the files by path."""


@dataclass(frozen=True)
class Outcome:
    """What a run decided and did; `commit` is None where nothing was written."""

    plan: Plan
    commit: str | None = None
    dry_run: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether some environment could not be brought where it should be."""
        return any(refusal.is_error for refusal in self.plan.refusals)


@dataclass(frozen=True)
class Bot:
    """One site with everything it talks to; `tell` is called with each step for a person who watches."""

    site: Site
    catalog: Catalog
    forge: Forge
    store: Stores
    renderer: Renders
    now: Callable[[], datetime]
    tell: Callable[[str], None] = lambda step: None

    def reconcile(self, *, dry_run: bool = False, yes: bool = False, only: Iterable[str] = ()) -> Outcome:
        """Bring every environment where its changes say, or those of the changes named in `only` (`repository#42`).

        Removals beyond the cap are held back unless `yes`. Raises LayersiteError where nothing can be decided.
        """
        self.tell("reading the environments repository")
        snapshot = self.store.read()
        self.tell(f"asking {len(self.site.repositories)} repositories for open changes")
        changes = self.forge.changes()
        world = self._world(snapshot)
        for _ in range(_ROUNDS):
            plan = self._select(make_plan(world, changes, self.now()), changes, only)
            moved = [change for change in _concerned(plan, changes) if not self._is_current(change)]
            if not moved:
                break
            self.tell(f"{', '.join(map(str, moved))} moved meanwhile, looking again")
            changes = self.forge.changes()
        plan = hold_back(plan, self._unproven(plan, changes))
        if not yes:
            plan = hold_back(plan, over_the_cap(plan, world))
        return self._carry_out(plan, snapshot, dry_run)

    def preview(
        self, name: str, apps: Mapping[str, str], lease: timedelta, by: str, *, dry_run: bool = False
    ) -> Outcome:
        """Make or move the environment `name` without a change, with each app of `apps` at its ref, for `lease`.

        Raises:
            UnknownNameError: there is no such app, or it has no repository.
            InvalidInputError: `name` is not one, or looks like a change's or the baseline's.
        """
        if (usable := chosen_name(name, self.site.repositories)) != name:
            text = f"`{name}` is no name for an environment without a change; `{usable}` would be"
            raise InvalidInputError([Problem("--name", 0, "", text)])
        members = self._members_at(apps)
        snapshot = self.store.read()
        until = (self.now() + lease).strftime("%Y-%m-%dT%H:%M:%SZ")
        plan = plan_named(self._world(snapshot), name, members, Lease(until=until, by=by))
        return self._carry_out(plan, snapshot, dry_run)

    def teardown(self, name: str, *, dry_run: bool = False) -> Outcome:
        """Replace the environment `name` by its tombstone; it stays away until one of its changes gets a new commit.

        Raises:
            UnknownNameError: there is no such environment, or it is the baseline of a site that manages it.
        """
        snapshot = self.store.read()
        entry = snapshot.entries.get(name)
        if entry is None:
            raise UnknownNameError(f"there is no environment `{name}`{near_miss(name, snapshot.entries)}")
        if name == BASELINE and self.site.cluster.baseline.managed:
            raise UnknownNameError("the managed baseline stays; set `managed: false` in layersite.yaml first")
        if entry.environment is None:
            return Outcome(Plan((Action("leave", name, "it is going away already"),)), dry_run=dry_run)
        action = remove(entry.environment, "teardown", "it was torn down by hand")
        return self._carry_out(Plan((action,)), snapshot, dry_run)

    def status(self) -> Snapshot:
        """Return what is committed now."""
        return self.store.read()

    def _world(self, snapshot: Snapshot) -> World:
        needed = {
            app.repository
            for app in self.catalog.apps.values()
            if app.repository and (self.site.cluster.baseline.managed or app.images)
        }
        heads = {name: self.forge.resolve(name, self.site.repositories[name].branch) for name in sorted(needed)}
        current: dict[str, Environment | Tombstone] = {}
        drifted = set()
        for name, entry in snapshot.entries.items():
            if entry.environment is not None:
                current[name] = entry.environment
                if entry.environment.render is None or entry.environment.render.manifests != entry.manifests:
                    drifted.add(name)
            elif entry.tombstone is not None:
                current[name] = entry.tombstone
        return World(self.site, self.catalog, __version__, heads, current, drifted)

    def _select(self, plan: Plan, changes: list[Change], only: Iterable[str]) -> Plan:
        wanted = set(only)
        if not wanted:
            return plan
        known = {str(change) for change in changes}
        if unknown := sorted(wanted - known):
            text = ", ".join(f"`{name}`{near_miss(name, known)}" for name in unknown)
            raise UnknownNameError(f"no open change is called {text}; name changes as `repository#42`")
        groups = group(changes, self.site.repositories)
        names = {each.name for each in groups if wanted & {str(change) for change in each.changes}}
        return Plan(
            tuple(action for action in plan.actions if action.name in names),
            tuple(refusal for refusal in plan.refusals if refusal.name in names),
        )

    def _is_current(self, change: Change) -> bool:
        found = self.forge.find(change)
        return found is not None and found.sha == change.sha

    def _unproven(self, plan: Plan, changes: list[Change]) -> dict[str, str]:
        """Ask for each change of a removed environment by itself; an open one that the listing lacks stops the removal.

        A listing that is well-formed but wrong would otherwise delete what is alive.
        """
        listed = {change.key for change in changes}
        unproven = {}
        for action in plan.having("remove"):
            members = action.result.members if action.result else ()
            missing = [change for change in map(_as_change, members) if change.key not in listed]
            if still_open := [str(change) for change in missing if self.forge.find(change) is not None]:
                names = ", ".join(still_open)
                unproven[action.name] = f"the forge's listing lacks {names}, but asked by itself it is open; kept"
        return unproven

    def _carry_out(self, plan: Plan, snapshot: Snapshot, dry_run: bool) -> Outcome:
        """Render what the plan creates and updates, and commit all of it together; what fails is held back."""
        writes: list[Write] = []
        failed: dict[str, str] = {}
        actions = plan.having("create", "update", "remove")
        for action in actions:
            self.tell(f"{action.verb} {action.name}: {action.reason}")
            try:
                entry = snapshot.entries.get(action.name)
                files = self._files(action.result)
                writes.append(Write(action.name, files, entry.tree if entry else None, _trailer(action.result)))
            except LayersiteError as error:
                failed[action.name] = str(error)
        plan = hold_back(plan, failed)
        if dry_run or not writes:
            return Outcome(plan, dry_run=dry_run)
        self.tell(f"pushing {len(writes)} environments")
        done = self.store.commit(writes, _subject([action for action in actions if action.name not in failed]))
        text = "somebody else changed it in the environments repository meanwhile; the next run looks again"
        return Outcome(hold_back(plan, dict.fromkeys(done.conflicts, text)), done.commit)

    def _files(self, result: Environment | Tombstone | None) -> dict[str, bytes] | None:
        if isinstance(result, Environment):
            return self.renderer.render(result)
        return {"tombstone.yaml": to_yaml(result).encode()} if result else None

    def _members_at(self, apps: Mapping[str, str]) -> tuple[Member, ...]:
        by_commit: dict[tuple[str, str], list[str]] = {}
        for name, ref in apps.items():
            app = self.catalog.apps.get(name)
            if app is None:
                raise UnknownNameError(f"there is no app `{name}`{near_miss(name, self.catalog.apps)}")
            if app.repository is None:
                raise UnknownNameError(f"app `{name}` has no `repository` in its app.yaml, so it has no `{ref}`")
            by_commit.setdefault((app.repository, ref), []).append(name)
        return tuple(
            Member(
                repository=repository,
                branch=ref,
                sha=self.forge.resolve(repository, ref),
                apps=tuple(sorted(names)),
                change=False,
            )
            for (repository, ref), names in sorted(by_commit.items())
        )


def _concerned(plan: Plan, changes: Iterable[Change]) -> list[Change]:
    """Return the changes whose commits are about to be written."""
    results = [action.result for action in plan.having("create", "update")]
    keys = {_as_change(member).key for result in results if result for member in result.members if member.change}
    return [change for change in changes if change.key in keys]


def _as_change(member: Member) -> Change:
    return Change(member.repository, member.number, member.branch, member.sha)


def _subject(actions: list[Action]) -> str:
    if len(actions) == 1:
        return f"{actions[0].verb} {actions[0].name}"
    counts = [f"{sum(action.verb == verb for action in actions)} {verb}" for verb in ("create", "update", "remove")]
    return f"environments: {', '.join(count for count in counts if not count.startswith('0'))}"


def _trailer(result: Environment | Tombstone | None) -> str:
    """Return the commit's line for one environment; branch names and titles, which anyone can choose, stay out."""
    if result is None:
        return ""
    members = [f"{m.repository}{f'#{m.number}' if m.number else ''}@{m.sha[:12]}" for m in result.members]
    return " ".join([result.name, f"generation {result.generation}", *members])
