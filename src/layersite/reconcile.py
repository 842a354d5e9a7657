"""The bot's loop: observe, plan, render, commit once, follow to the end."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from layersite import second_look
from layersite.follow import Follower, Stores, first_standings
from layersite.forge import Forge
from layersite.gate import Gate
from layersite.model.catalog import Catalog
from layersite.model.change import Change
from layersite.model.command import Answer
from layersite.model.environment import Environment
from layersite.model.errors import LayersiteError
from layersite.model.site import Site
from layersite.observe import Seen, default_heads, observe, observe_again, people_of, world_of
from layersite.plan import (
    Choose,
    Plan,
    World,
    answers,
    group,
    hold_back,
    leave,
    make_plan,
    narrow,
    over_the_cap,
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
        world = replace(self.world(snapshot, seen.heads), asked=asked, visited=visited)
        for _ in range(_ROUNDS):
            world, plan = self.gate.plan(world, partial(make_plan, changes=changes, now=now))
            plan = (
                narrow(plan, group(changes, self.site.repositories), only) if only else self.hold(plan, world, snapshot)
            )
            drafts = self.writer.draft(plan, snapshot)
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
        plan, drafts = Room(self.writer, world, snapshot, now).give(plan, drafts, changes)
        people = people_of(plan, snapshot, group(changes, self.site.repositories))
        plan, since = self.gate.expire(plan, people)
        outcome = self.writer.commit(plan, drafts, snapshot, dry_run)
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

    def finish(self, plan: Plan, world: World, snapshot: Snapshot, dry_run: bool) -> Outcome:
        """Carry out and follow a plan that no listing of changes led to."""
        people = people_of(plan, snapshot, ())
        drafts = self.writer.draft(plan, snapshot)
        plan, drafts = Room(self.writer, world, snapshot, self.now()).give(plan, drafts, ())
        done = self.writer.commit(plan, drafts, snapshot, dry_run)
        return self.follow(Decided(done, snapshot, people, {}, {}))

    @property
    def writer(self) -> Writer:
        """What commits to the site's environments repository."""
        return Writer(self.site, self.store, self.renderer, self.follower, self.tell)

    def world(self, snapshot: Snapshot, heads: Mapping[str, str] | None = None) -> World:
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
