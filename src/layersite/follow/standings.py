"""How each environment stands right after the commit, and which of them nobody needs to hear about again: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from layersite.model.command import Answer
from layersite.model.environment import Environment, Tombstone
from layersite.model.standing import Standing, State
from layersite.plan import Action, Plan
from layersite.report.comment import Mark
from layersite.store import Snapshot

__all__ = ["SMOKE_FAILED", "first_standings"]

SMOKE_FAILED = "every app is healthy, but its smoke tests failed"


def first_standings(
    plan: Plan,
    snapshot: Snapshot,
    marks: Mapping[str, Mark] | None,
    since: Mapping[str, str],
    seen: Mapping[str, str],
    answers: Mapping[str, Sequence[Answer]],
) -> dict[str, Standing]:
    """Return how each environment stands right after the commit; those that have been told everything are left out.

    `marks` is what their comments remember, None if that is not known, `since` when the waiting ones began to, `seen`
    the state that Argo CD shows. Those that people asked something of, and get `answers`, hear again.
    """
    found = {a.name: _standing(a, snapshot, {} if a.name in answers else marks, seen) for a in plan.actions}
    standings = {name: standing for name, standing in found.items() if standing}
    for refusal in plan.refusals:
        waits = refusal.waits_for or refusal.waits_for_room
        state: State = "refused" if refusal.is_error else "waiting" if waits else "skipped"
        entry = snapshot.entries.get(refusal.name)
        environment = entry.environment if entry else None
        began = since.get(refusal.name, "") if refusal.waits_for else ""
        standings[refusal.name] = Standing(refusal.name, state, refusal.reason, environment, since=began)
    return {name: replace(each, answers=tuple(answers.get(name, ()))) for name, each in standings.items()}


def _standing(
    action: Action, snapshot: Snapshot, marks: Mapping[str, Mark] | None, seen: Mapping[str, str]
) -> Standing | None:
    entry = snapshot.entries.get(action.name)
    found = action.result or (entry.document if entry else None)
    if isinstance(found, Tombstone):
        return Standing(action.name, "leaving", found.reason, found) if found.reap else None
    if found is None:
        return None
    if action.verb == "leave" and marks is None:
        return None
    mark = (marks or {}).get(action.name, {})
    if action.verb == "leave" and not _is_due(found) and mark.get("generation") == found.generation:
        is_well = mark.get("summary") == SMOKE_FAILED or mark.get("state") == "asleep"
        state = "ready" if is_well else mark.get("state")
        if state == seen.get(action.name):
            return None
    return Standing(action.name, "deploying", action.reason, found, plan=(f"{action.verb}: {action.reason}",))


def _is_due(environment: Environment) -> bool:
    """Whether waves wait for the smoke tests of `environment`."""
    return environment.state == "active" and environment.render is not None and environment.render.smoke == "due"
