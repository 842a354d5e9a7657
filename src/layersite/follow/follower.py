"""See environments to their end after a commit: wait for Argo CD, run smoke tests, reap what is gone."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from threading import Lock, Timer
from typing import TYPE_CHECKING

from layersite.follow.arrival import Arrival, is_asleep
from layersite.follow.bring import bring
from layersite.follow.burial import Burial
from layersite.follow.protocols import Deploys, Reaps, Stores
from layersite.follow.voice import Voice
from layersite.forge import Conversation
from layersite.model.change import Change
from layersite.model.command import Asked
from layersite.model.database import Brought as Database
from layersite.model.errors import ForgeError
from layersite.model.site import Site
from layersite.model.standing import FINAL, Standing
from layersite.report import read_mark
from layersite.report.comment import Mark
from layersite.store import directory_of

if TYPE_CHECKING:
    from layersite.argocd.received import Application

__all__ = ["Follower"]

_AT_ONCE = 8


@dataclass(frozen=True)
class Follower:
    """Everything that is spoken to after the commit; what a site does not have is None.

    `is_open` asks the forge about one change; `smoke` runs the smoke tests of an environment and returns whether they
    passed and what they said; `complete` fills a database that was made empty, and returns it with its rows. What is
    healthy within `hold` seconds gets one comment that says so, for that is what people are notified of; until then its
    commit status says that it comes.
    """

    site: Site
    store: Stores
    is_open: Callable[[Change], bool]
    argocd: Deploys | None = None
    conversation: Conversation | None = None
    playbooks: Reaps | None = None
    smoke: Callable[[str], tuple[bool, str]] | None = None
    complete: Callable[[Database], Database] | None = None
    tell: Callable[[str], None] = lambda step: None
    hold: float = 5
    _newest: dict[str, int] = field(default_factory=dict)
    _active: dict[str, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def marks(self, people: Mapping[str, Sequence[Change]]) -> dict[str, Mark]:
        """Return what the comments of each environment remember, nothing where they differ. Raises ForgeError."""
        if self.conversation is None:
            return {}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            asked = {
                name: [pool.submit(self.conversation.comment, change, name) for change in changes]
                for name, changes in people.items()
            }
            return {name: _common(read_mark(body.result()) for body in bodies) for name, bodies in asked.items()}

    def asked(self, people: Mapping[str, Sequence[Change]]) -> dict[str, list[Asked]]:
        """Return what is asked for by comments, by environment; what cannot be read waits for the next run."""
        if self.conversation is None:
            return {}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            asked = {name: pool.map(self._asked, changes) for name, changes in people.items()}
            found = {name: list(chain.from_iterable(each)) for name, each in asked.items()}
        return {name: each for name, each in found.items() if each}

    def _asked(self, change: Change) -> list[Asked]:
        try:
            return self.conversation.asked(change) if self.conversation else []
        except ForgeError as error:
            self.tell(f"what is asked on {change} cannot be read, the next run looks again: {error}")
            return []

    def look(self, left: Mapping[str, Sequence[Change]]) -> tuple[dict[str, Mark], dict[str, str]]:
        """Return what the comments of environments that are left alone remember, and the state that Argo CD shows.

        Raises LayersiteError if either cannot be asked.
        """
        if self.argocd is None or not left:
            return {}, {}
        found = self.argocd.applications()
        return self.marks(left), {name: _seen(found.get(self.site.application(name))) for name in left}

    def nudge(self, before: str | None, after: str, names: Iterable[str]) -> None:
        """Tell Argo CD that `names` changed; without it, it looks by itself every three minutes."""
        if self.argocd is not None:
            paths = [f"{directory_of(name)}/environment.yaml" for name in names]
            where = self.site.environments
            for problem in self.argocd.nudge(where.url, where.branch, before or "0" * 40, after, paths):
                self.tell(f"Argo CD was not told, and will look by itself: {problem}")

    def follow(
        self,
        standings: Mapping[str, Standing],
        commit: str | None,
        people: Mapping[str, Sequence[Change]],
        left: Collection[str] = (),
    ) -> list[Standing]:
        """See every one of `standings` to its end at `commit` and tell its `people`; return how each ended.

        What another thread follows already at the same generation is left to it. Those of `left` were committed by an
        earlier run, of which Argo CD may not have heard.
        """
        mine = self._take(standings)
        try:
            if commit is not None and (unheard := [n for n in mine if n in left and mine[n].state not in FINAL]):
                self.nudge(None, commit, unheard)
            with ThreadPoolExecutor(_AT_ONCE) as voices, ThreadPoolExecutor(4) as work:
                voice = Voice(self.conversation, self.is_newest, self.tell, people, voices)
                alive = {name: each for name, each in mine.items() if each.state == "deploying"}
                going = {name: each for name, each in mine.items() if each.state == "leaving"}
                if self.argocd is None or commit is None:
                    mine |= {name: _committed(each) for name, each in alive.items()}
                    alive = going = {}
                for standing in mine.values():
                    voice.say(standing, briefly=standing.name in alive)
                if self.argocd is not None and commit is not None:
                    brought = bring(work, self.store, self.playbooks, alive, self.tell)
                    burial = Burial(self.site, self.store, self.is_open, self.argocd, self.playbooks, voice, self.tell)
                    arrival = Arrival(
                        self.site, self.store, self.argocd, brought, self.smoke, self.complete, voice, self.tell
                    )
                    with _later(self.hold, lambda: voice.comment_on(alive.values())):
                        deployed = work.submit(arrival.see, alive, commit)
                        burial.see(going)
                        deployed.result()
                return [voice.end(name) for name in mine]
        finally:
            self._give_back(mine)

    def _take(self, standings: Mapping[str, Standing]) -> dict[str, Standing]:
        with self._lock:
            mine = {
                name: standing
                for name, standing in standings.items()
                if standing.state in FINAL or self._active.get(name) != standing.generation
            }
            self._newest.update({name: standing.generation for name, standing in mine.items()})
            self._active.update({n: each.generation for n, each in mine.items() if each.state not in FINAL})
            return mine

    def _give_back(self, mine: Mapping[str, Standing]) -> None:
        with self._lock:
            for name, standing in mine.items():
                if self._active.get(name) == standing.generation:
                    del self._active[name]

    def is_newest(self, standing: Standing) -> bool:
        """Whether nothing newer has been committed for the environment meanwhile."""
        with self._lock:
            return self._newest.get(standing.name, standing.generation) == standing.generation


@contextmanager
def _later(seconds: float, call: Callable[[], None]) -> Iterator[None]:
    """Do `call` after `seconds`, unless the context has ended by then."""
    timer = Timer(seconds, call)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _committed(standing: Standing) -> Standing:
    text = "its manifests are committed, and Argo CD is not asked about them"
    return replace(standing, state="asleep" if is_asleep(standing) else "ready", summary=text)


def _common(marks: Iterable[Mark]) -> Mark:
    first, *others = [*marks] or [{}]
    return first if all(mark == first for mark in others) else {}


def _seen(application: "Application | None") -> str:
    """Return the state that Argo CD shows, nothing where it has not looked at the application yet."""
    if application is None or not application.status.sync.status:
        return ""
    return "ready" if application.is_well else "failed"
