"""Give what a plan creates its place: on a cluster that has room, in the queue, or where idle ones make room for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from layersite.model.capacity import Capacity
from layersite.model.change import Change
from layersite.model.document import read_document
from layersite.model.environment import Environment
from layersite.model.life import Call
from layersite.plan import (
    PRIORITY_LABEL,
    Action,
    Group,
    Plan,
    World,
    group,
    idle,
    plan_rest,
    queue,
    relock,
    remove,
    victims,
)
from layersite.store import Snapshot, Write
from layersite.writer import Drafts, Writer

__all__ = ["Room"]


@dataclass(frozen=True)
class Room:
    """The site's capacity at one moment, for plans that rest on `world`, which was read as `snapshot`."""

    writer: Writer
    world: World
    snapshot: Snapshot
    now: datetime

    def give(self, plan: Plan, drafts: Drafts, changes: Iterable[Change]) -> tuple[Plan, Drafts]:
        """Return `plan` and its drafts with every creation placed or waiting."""
        capacity = self.world.site.capacity
        if capacity == Capacity():
            return plan, drafts
        groups = group(changes, self.world.site.repositories)
        queued = self._queue(plan, drafts, groups)
        makers = self._make_room(queued, plan, drafts, groups) if capacity.preempt else Plan(())
        if makers.actions:
            plan, drafts = _joined(plan, makers), {**drafts, **self._beside(makers)}
            queued = self._queue(plan, drafts, groups)
        return self._settle(queued, drafts)

    def _queue(self, plan: Plan, drafts: Drafts, groups: Iterable[Group]) -> Plan:
        first = {each.name for each in groups if any(PRIORITY_LABEL in change.labels for change in each.changes)}
        return queue(plan, self.world.site.capacity, _rendered(drafts), self._alive, first)

    @property
    def _alive(self) -> list[Environment]:
        return [entry.environment for entry in self.snapshot.entries.values() if entry.environment]

    def _make_room(self, queued: Plan, plan: Plan, drafts: Drafts, groups: Iterable[Group]) -> Plan:
        """Return what makes room for the first that waits: one a run, so that a mistake takes little."""
        newcomer = next((refusal.name for refusal in queued.refusals if refusal.waits_for_room), None)
        if newcomer is None:
            return Plan(())
        capacity, rendered = self.world.site.capacity, _rendered(drafts)
        gone = {action.name for action in queued.having("remove")}
        placed = {a.name: rendered[a.name] for a in queued.having("create") if a.name in rendered}
        alive = {each.name: rendered.get(each.name, each) for each in self._alive if each.name not in gone} | placed
        people = {each.name: each.changes for each in groups}
        since = idle(plan, capacity, self._alive, people, self.now)
        names = victims(capacity, alive, rendered[newcomer], since)
        if len(names) > self.world.site.safety.removals:
            return Plan(())
        return Plan(tuple(self._yield(name, newcomer, since[name]) for name in names))

    def _beside(self, makers: Plan) -> Drafts:
        """Draft what makes room, to be written only while nothing else changed: the room may be there by then."""
        drafts = self.writer.draft(makers, self.snapshot).items()
        return {
            name: replace(draft, beside=self.snapshot.tree) if isinstance(draft, Write) else draft
            for name, draft in drafts
        }

    def _yield(self, name: str, newcomer: str, since: datetime) -> Action:
        current = self.world.current[name]
        text = f"nothing happened on its changes since {since:%Y-%m-%d}, and {newcomer} needs the room"
        if self.world.site.capacity.preempt == "teardown" and isinstance(current, Environment):
            return remove(current, "teardown", text)
        call = Call(state="asleep", by=f"room for {newcomer}")
        (action,) = plan_rest(self.world, name, call, self.now).actions
        return replace(action, reason=text)

    def _settle(self, plan: Plan, drafts: Drafts) -> tuple[Plan, Drafts]:
        """Lock and draft anew what goes to another cluster than it was drafted for."""
        rendered = _rendered(drafts)
        moved = {
            action.name: replace(action, result=relock(self.world, action.result))
            for action in plan.having("create")
            if isinstance(action.result, Environment)
            and action.name in rendered
            and rendered[action.name].cluster != action.result.cluster
        }
        plan = replace(plan, actions=tuple(moved.get(action.name, action) for action in plan.actions))
        return plan, {**drafts, **self.writer.draft(Plan(tuple(moved.values())), self.snapshot)}


def _rendered(drafts: Drafts) -> Mapping[str, Environment]:
    return {
        name: read_document(Path(name), name, draft.files["environment.yaml"].decode()).parse(Environment)
        for name, draft in drafts.items()
        if isinstance(draft, Write) and draft.files and "environment.yaml" in draft.files
    }


def _joined(plan: Plan, makers: Plan) -> Plan:
    new = {action.name: action for action in makers.actions}
    return replace(plan, actions=tuple(new.get(action.name, action) for action in plan.actions))
