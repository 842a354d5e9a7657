"""The image gate: a plan is made with the digests of its images, and what lacks one waits for it, but not for ever."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from layersite.follow import Follower
from layersite.model.change import Change
from layersite.model.errors import RegistryError
from layersite.model.life import moment
from layersite.model.site import Images
from layersite.plan import Plan, Refusal, World, hold_back, overdue
from layersite.report.comment import Mark

__all__ = ["Gate"]

_AT_ONCE = 8


@dataclass(frozen=True)
class Gate:
    """What is asked for images, and where it is remembered since when one is missed.

    `digests` maps each reference to its digest, None for one that is not there; RegistryError if that cannot be known.
    """

    settings: Images
    digests: Callable[[Collection[str]], Mapping[str, str | None]]
    follower: Follower
    now: Callable[[], datetime]
    tell: Callable[[str], None]

    def plan(self, world: World, decide: Callable[[World], Plan]) -> tuple[World, Plan]:
        """Decide, ask for the images that the plan lacks, and decide again with their digests.

        A registry that cannot be asked holds back only what needs it.
        """
        if not self.settings.by_digest:
            return world, decide(world)
        world = replace(world, images={})
        plan = decide(world)
        waiting = [refusal for refusal in plan.refusals if refusal.waits_for]
        if not waiting:
            return world, plan
        self.tell(f"asking the registry for the images of {len(waiting)} environments")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            answers = list(pool.map(self._ask, waiting))
        found = {ref: digest for answer in answers if not isinstance(answer, str) for ref, digest in answer.items()}
        plan = decide(replace(world, images=found))
        why = {each.name: answer for each, answer in zip(waiting, answers, strict=True) if isinstance(answer, str)}
        unknown = {each.name: why[each.name] for each in plan.refusals if each.waits_for and each.name in why}
        known = tuple(each for each in plan.refusals if each.name not in unknown)
        return replace(world, images=found), hold_back(replace(plan, refusals=known), unknown)

    def _ask(self, refusal: Refusal) -> Mapping[str, str | None] | str:
        """Return the digests that `refusal` waits for, or why they cannot be known."""
        try:
            return self.digests(refusal.waits_for)
        except RegistryError as error:
            return str(error)

    def expire(self, plan: Plan, people: Mapping[str, Sequence[Change]]) -> tuple[Plan, dict[str, str]]:
        """Refuse what has waited too long; return the plan, and since when (UTC) each environment waits.

        A comment remembers the beginning; where there is no conversation, the newest commit's time counts.
        """
        waiting = {refusal.name: refusal for refusal in plan.refusals if refusal.waits_for}
        marks = self.follower.marks({name: people[name] for name in waiting})
        began = {name: self._began(refusal, people[name], marks.get(name, {})) for name, refusal in waiting.items()}
        times = {name: moment(time) for name, time in began.items()}
        return overdue(plan, began, self.now(), timedelta(minutes=self.settings.wait_minutes)), times

    def _began(self, refusal: Refusal, changes: Sequence[Change], mark: Mark) -> datetime:
        if self.follower.conversation is None:
            text = max((change.updated_at for change in changes), default="")
        else:
            is_same = str(mark.get("summary", "")).startswith(refusal.reason)
            text = str(mark.get("since", "")) if is_same else ""
        return datetime.fromisoformat(text) if text else self.now()
