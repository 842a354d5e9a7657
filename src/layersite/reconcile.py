"""The bot's loop: observe, plan, render, commit once, follow to the end; each verb of the CLI is one method."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from layersite import second_look
from layersite.follow import Follower, Stores, first_standings
from layersite.forge import Forge
from layersite.gate import Gate
from layersite.model.catalog import Catalog
from layersite.model.change import Change
from layersite.model.command import Answer
from layersite.model.document import near_miss
from layersite.model.environment import Environment, changes_of
from layersite.model.errors import InvalidInputError, LayersiteError, PartialError, Problem, UnknownNameError
from layersite.model.names import BASELINE
from layersite.model.site import Site
from layersite.model.standing import Standing
from layersite.observe import Seen, default_heads, members_at, observe, observe_again, people_of, world_of
from layersite.plan import (
    Action,
    Choose,
    Plan,
    World,
    answers,
    called,
    chosen_name,
    failed_in_wave,
    group,
    hold_back,
    lease,
    leave,
    make_plan,
    narrow,
    over_the_cap,
    plan_again,
    plan_named,
    plan_renewals,
    plan_rest,
    remove,
)
from layersite.report.comment import Mark
from layersite.room import Room
from layersite.store import Snapshot
from layersite.writer import Outcome, Renders, Writer

__all__ = ["Bot", "Decided"]

_MOMENT = timedelta(seconds=2)
"""For how long a change that was asked for by itself need not be asked for again."""
_ROUNDS = 3
"""How often a run looks again because a change moved while it was planned; the next run catches what still moves."""


@dataclass(frozen=True)
class Decided:
    """A plan that has been carried out: what it rested on, and whom each environment concerns."""

    outcome: Outcome
    snapshot: Snapshot
    people: Mapping[str, Sequence[Change]]
    since: Mapping[str, str]
    answers: Mapping[str, Sequence[Answer]]
    seen: Seen | None = None

    @property
    def alive(self) -> list[Environment]:
        """The environments that live now."""
        results = {action.name: action.result for action in self.outcome.plan.actions if action.verb != "leave"}
        known = {name: entry.environment for name, entry in self.snapshot.entries.items()} | results
        return [each for each in known.values() if isinstance(each, Environment)]


@dataclass(frozen=True)
class Bot:
    """One site with everything it talks to; `tell` is called with each step for a person who watches.

    `hold` keeps of what would be rendered again all but the next wave.
    """

    site: Site
    catalog: Catalog
    forge: Forge
    store: Stores
    renderer: Renders
    gate: Gate
    follower: Follower
    now: Callable[[], datetime]
    choose: Choose | None = None
    hold: Callable[[Plan, World, Snapshot], Plan] = lambda plan, world, snapshot: plan
    tell: Callable[[str], None] = lambda step: None

    def reconcile(self, *, dry_run: bool = False, yes: bool = False, only: Iterable[str] = ()) -> Outcome:
        """Bring every environment where its changes say, and see it there; as `decide`, then `follow`."""
        return self.follow(self.decide(dry_run=dry_run, yes=yes, only=only))

    def decide(
        self, *, dry_run: bool = False, yes: bool = False, only: Iterable[str] = (), visited: Collection[str] = ()
    ) -> Decided:
        """Commit what the changes say, or those of the changes named in `only` (`repository#42`).

        Those in `visited` are woken if they sleep. Removals beyond the cap are held back unless `yes`. What others were
        faster with is decided again, on what they left, and what cannot be committed is refused. Raises LayersiteError
        where nothing can be decided.
        """
        return self._settle(self._observe(), dry_run, yes, only, visited)

    def decide_again(self, before: Seen, moved: Sequence[Change], visited: Collection[str] = ()) -> Decided:
        """Commit as `decide` what follows from the changes `moved`, where all else is as it was `before`."""
        self.tell(f"asking for the {len(moved)} changes that moved")
        seen = observe_again(before, moved, self.forge, self.store)
        return self._settle(seen, dry_run=False, yes=False, only=(), visited=visited)

    def _observe(self) -> Seen:
        self.tell(f"reading environments, and the open changes of {len(self.site.repositories)} repositories")
        return observe(self.site, self.catalog, self.forge, self.store)

    def _settle(self, seen: Seen, dry_run: bool, yes: bool, only: Iterable[str], visited: Collection[str]) -> Decided:
        decided = self._decide(seen, dry_run, yes, only, visited)
        for _ in range(_ROUNDS - 1):
            if not decided.outcome.overtaken:
                break
            self.tell("others wrote meanwhile, looking again")
            decided = _continued(decided, self._decide(self._observe(), dry_run, yes, only, visited))
        return decided

    def _decide(self, seen: Seen, dry_run: bool, yes: bool, only: Iterable[str], visited: Collection[str]) -> Decided:
        """Decide and commit once."""
        now, changes, snapshot = self.now(), list(seen.changes), seen.snapshot
        asked = self.follower.asked({each.name: each.changes for each in group(changes, self.site.repositories)})
        world = replace(self._world(snapshot, seen.heads), asked=asked, visited=visited)
        for _ in range(_ROUNDS):
            world, plan = self.gate.plan(world, partial(make_plan, changes=changes, now=now))
            plan = (
                narrow(plan, group(changes, self.site.repositories), only) if only else self.hold(plan, world, snapshot)
            )
            drafts = self._writer.draft(plan, snapshot)
            asked_for = seen.asked if self.now() - now < _MOMENT else ()
            moved = second_look.moved(self.forge, plan, changes, asked_for)
            if not moved:
                break
            self.tell(f"{', '.join(sorted({str(change) for change in moved.values()}))} moved meanwhile, looking again")
            seen = replace(seen, changes=self.forge.changes(), asked=())
            changes = list(seen.changes)
        plan = leave(plan, {name: f"{change} moves, the next run looks again" for name, change in moved.items()})
        plan = hold_back(plan, second_look.unproven(self.forge, plan, changes))
        if not yes:
            plan = hold_back(plan, over_the_cap(plan, world))
        plan, drafts = Room(self._writer, world, snapshot, now).give(plan, drafts, changes)
        people = people_of(plan, snapshot, group(changes, self.site.repositories))
        plan, since = self.gate.expire(plan, people)
        outcome = self._writer.commit(plan, drafts, snapshot, dry_run)
        said = {} if outcome.unwritten else answers(self.site, world.current, world.asked, outcome.plan, now)
        return Decided(outcome, snapshot, people, since, said, seen)

    def follow(self, decided: Decided) -> Outcome:
        """See every environment of a plan to its end, and tell its people."""
        outcome, snapshot = decided.outcome, decided.snapshot
        if outcome.dry_run:
            return outcome
        left = {action.name: decided.people[action.name] for action in outcome.plan.having("leave")}
        marks: Mapping[str, Mark] | None = None
        seen: Mapping[str, str] = {}
        unseen = None
        try:
            marks, seen = self.follower.look(left)
        except LayersiteError as error:
            self.tell(f"it cannot be said whether all is well with the others, the next run looks again: {error}")
            unseen = error
        standings = first_standings(outcome.plan, snapshot, marks, decided.since, seen, decided.answers)
        commit: str | None = outcome.commit or snapshot.commit
        unheard: Collection[str] = left
        if outcome.commit is None and outcome.plan.having("create", "update", "remove", "forget"):
            commit, unheard = self.store.read().commit, decided.people  # another run wrote it, and died perhaps
        ended = self.follower.follow(standings, commit, decided.people, unheard)
        return replace(outcome, standings=tuple(ended), unseen=unseen)

    def preview(
        self, name: str, apps: Mapping[str, str], hours: int | None, by: str, *, dry_run: bool = False
    ) -> Outcome:
        """Make or move the environment `name` without a change, with each app of `apps` at its ref.

        It lives for `hours`, by default as long as the site says; a pin stays.

        Raises:
            UnknownNameError: there is no such app, or it has no repository.
            InvalidInputError: `name` is not one, or looks like a change's or the baseline's; `hours` pass the cap.
        """
        if (usable := chosen_name(name, self.site.repositories)) != name:
            text = f"`{name}` is no name for an environment without a change; `{usable}` would be"
            raise InvalidInputError([Problem("--name", 0, "", text)])
        members = members_at(self.catalog, self.forge, apps)
        snapshot = self.store.read()
        entry = snapshot.entries.get(name)
        named = lease.ask(self.site, entry.environment if entry else None, hours, by, self.now())
        world = self._world(snapshot)
        world, plan = self.gate.plan(world, lambda world: plan_named(world, name, members, named, self.now()))
        return self._finish(plan, world, snapshot, dry_run)

    def call(
        self, name: str, state: Literal["active", "asleep"], hours: int | None, by: str, *, dry_run: bool = False
    ) -> Outcome:
        """Put the environment `name` to sleep until the next call or commit, or wake it for `hours`.

        Raises:
            UnknownNameError: there is no such environment.
        """
        snapshot = self.store.read()
        if name not in snapshot.entries:
            raise UnknownNameError(f"there is no environment `{name}`{near_miss(name, snapshot.entries)}")
        told = called(self.site, state, hours, by, self.now())
        world = self._world(snapshot)
        world, plan = self.gate.plan(world, lambda world: plan_rest(world, name, told, self.now()))
        return self._finish(plan, world, snapshot, dry_run)

    def renew(self, *, dry_run: bool = False) -> Outcome:
        """Bring the next wave of environments what changed in the site, the catalog or layersite, and see it there.

        If smoke tests of the last one failed, they are run once more.
        """
        snapshot = self.store.read()
        world, plan = self.gate.plan(self._world(snapshot), plan_renewals)
        if not dry_run and (failed := failed_in_wave(plan, world)):
            people = {each.name: changes_of(each.members) for each in failed}
            standings = {each.name: Standing(each.name, "deploying", "its smoke tests failed", each) for each in failed}
            self.follower.follow(standings, snapshot.commit, people, people)
            snapshot = self.store.read()
            world, plan = self.gate.plan(self._world(snapshot), plan_renewals)
        held = self.hold(plan, world, snapshot)
        outcome = self._finish(replace(held, actions=held.having("update")), world, snapshot, dry_run)
        later = held.having("leave")
        return replace(outcome, plan=replace(outcome.plan, actions=(*outcome.plan.actions, *later)))

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
        world = self._world(snapshot, {})
        if entry.environment is None:
            return self._finish(Plan((Action("leave", name, "it is going away already"),)), world, snapshot, dry_run)
        action = remove(entry.environment, "teardown", "it was torn down by hand")
        return self._finish(Plan((action,)), world, snapshot, dry_run)

    def choose_anew(self, name: str, *, dry_run: bool = False) -> Environment:
        """Let the environment `name` have the newest goldens that suit it, commit that, and return it.

        Raises:
            UnknownNameError: there is no such environment.
            PartialError: it cannot be rendered, or somebody else changed it meanwhile.
            StoreError: it cannot be committed.
        """
        snapshot = self.store.read()
        entry = snapshot.entries.get(name)
        if entry is None or entry.environment is None:
            raise UnknownNameError(f"there is no environment `{name}`{near_miss(name, snapshot.entries)}")
        world = replace(self._world(snapshot), resetting={name})
        _, plan = self.gate.plan(world, lambda world: plan_again(world, name))
        outcome = self._writer.commit(plan, self._writer.draft(plan, snapshot), snapshot, dry_run)
        if outcome.unwritten is not None:
            raise outcome.unwritten
        if outcome.failed:
            raise PartialError("; ".join(refusal.reason for refusal in outcome.plan.refusals))
        result = outcome.plan.actions[0].result
        return result if isinstance(result, Environment) else entry.environment

    def _finish(self, plan: Plan, world: World, snapshot: Snapshot, dry_run: bool) -> Outcome:
        """Carry out and follow a plan that no listing of changes led to."""
        people = people_of(plan, snapshot, ())
        drafts = self._writer.draft(plan, snapshot)
        plan, drafts = Room(self._writer, world, snapshot, self.now()).give(plan, drafts, ())
        done = self._writer.commit(plan, drafts, snapshot, dry_run)
        return self.follow(Decided(done, snapshot, people, {}, {}))

    @property
    def _writer(self) -> Writer:
        return Writer(self.site, self.store, self.renderer, self.follower, self.tell)

    def _world(self, snapshot: Snapshot, heads: Mapping[str, str] | None = None) -> World:
        """Return what a plan rests on; without `heads` the forge is asked for those of the default branches."""
        heads = default_heads(self.site, self.catalog, self.forge) if heads is None else heads
        return replace(world_of(self.site, self.catalog, snapshot, heads), choose=self.choose)


def _continued(before: Decided, after: Decided) -> Decided:
    """Return what two rounds of one run did together: what the first wrote, the second found as it should be."""
    done = {action.name: action for action in before.outcome.plan.actions if action.verb != "leave"}
    actions = tuple(done.get(each.name, each) if each.verb == "leave" else each for each in after.outcome.plan.actions)
    plan, commit = replace(after.outcome.plan, actions=actions), after.outcome.commit or before.outcome.commit
    outcome = replace(after.outcome, plan=plan, commit=commit)
    return replace(after, outcome=outcome, answers={**after.answers, **before.answers})
