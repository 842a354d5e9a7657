"""Tell the people of each change how its environment stands, in the order in which things happened."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Lock

from layersite.forge import Conversation, Status
from layersite.model.change import Change
from layersite.model.errors import ForgeError
from layersite.model.standing import Standing
from layersite.report import comment, status, warning

__all__ = ["Voice"]


@dataclass(frozen=True)
class Voice:
    """What one run says of each environment, one thing after the other; `is_newest` keeps what is overtaken unsaid."""

    conversation: Conversation | None
    is_newest: Callable[[Standing], bool]
    tell: Callable[[str], None]
    people: Mapping[str, Sequence[Change]]
    pool: ThreadPoolExecutor
    ended: dict[str, Standing] = field(default_factory=dict)
    _spoken: dict[str, "Future[bool]"] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def unsettled(self, begun: Mapping[str, Standing]) -> list[Standing]:
        """Return those of `begun` of which nothing has been said since."""
        with self._lock:
            return [standing for name, standing in begun.items() if self.ended[name] == standing]

    def say(self, standing: Standing, *, briefly: bool = False) -> "Future[bool]":
        """Tell the environment's people, after what was said of it before; the answer is whether all were told.

        What is said `briefly` is a commit status alone.
        """
        with self._lock:
            return self._submit(standing, briefly)

    def comment_on(self, begun: Iterable[Standing]) -> None:
        """Say in full those of `begun`, said briefly, of which nothing has been said since."""
        with self._lock:
            for standing in begun:
                if self.ended[standing.name] == standing:
                    self._submit(standing, briefly=False)

    def _submit(self, standing: Standing, briefly: bool) -> "Future[bool]":
        self.ended[standing.name] = standing
        before = self._spoken.get(standing.name)
        self._spoken[standing.name] = spoken = self.pool.submit(self._say, standing, briefly, before)
        return spoken

    def end(self, name: str) -> Standing:
        """Return how an environment ended, once its people have been told or could not be."""
        return replace(self.ended[name], is_told=self._spoken[name].result())

    def _say(self, standing: Standing, briefly: bool, before: "Future[bool] | None") -> bool:
        if before is not None:
            before.result()
        talk, all_told = self.conversation, True
        if talk is None or not self.is_newest(standing):
            return True
        for change in self.people.get(standing.name, ()):
            try:
                if (ending := warning(standing)) is not None:
                    talk.say(change, *ending)
                talk.set_status(change, Status(*status(standing)))
                # last, as the next run believes what the comment remembers
                if standing.answers or not (briefly or standing.state == "skipped"):
                    talk.say(change, standing.name, comment(standing))
                for answer in standing.answers:
                    if answer.asked.change.key == change.key:
                        talk.answer(answer.asked, answer.is_done)
            except ForgeError as error:
                all_told = False
                self.tell(f"{change} was not told, the next run does it: {error}")
        return all_told
