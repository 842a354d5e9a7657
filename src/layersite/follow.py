"""After the plan and its commit: wait until the cluster is as committed, and tell each change's people how it stands.

Environments proceed together, and one that fails holds back no other. Whatever was left unsaid by a run that was killed
is said by the next: nothing is remembered but in the environments repository, the cluster and the comments themselves.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from layersite.forge import Conversation, Status
from layersite.model.change import Change
from layersite.model.environment import Environment, Member, Tombstone, to_yaml
from layersite.model.errors import ForgeError, LayersiteError
from layersite.model.site import Site
from layersite.model.standing import FINAL, Standing, State, Trouble
from layersite.plan import Action, Plan
from layersite.report import comment, read_mark, status
from layersite.report.comment import Mark
from layersite.store import Committed, Snapshot, Write, directory_of

if TYPE_CHECKING:  # importing the client costs half a second, which only sites with an Argo CD need to pay
    from layersite.argocd.model import Result
    from layersite.argocd.received import Application

__all__ = ["Deploys", "Follower", "Reaps", "Stores"]

_AT_ONCE = 8
SMOKE_FAILED = "every app is healthy, but its smoke tests failed"


class Stores(Protocol):
    """The environments repository, as the bot needs it."""

    def read(self) -> Snapshot:
        """Return what is committed now."""

    def commit(self, writes: list[Write], subject: str) -> Committed:
        """Commit and push `writes` together, or nothing if they change nothing."""

    def contains(self, revision: str, commit: str) -> bool:
        """Whether `commit` is `revision` or one of its ancestors."""


class Deploys(Protocol):
    """Argo CD, as the bot needs it."""

    def applications(self) -> "Mapping[str, Application]":
        """Return every application of the project by name."""

    def nudge(self, repository: str, branch: str, before: str, after: str, paths: Sequence[str]) -> tuple[str, ...]:
        """Tell it of a push; return what did not work, for it polls anyway."""

    def await_synced(
        self, wanted: Mapping[str, str], *, deadline: float, contains: Callable[[str, str], bool]
    ) -> "Iterator[Result]":
        """Yield what became of each application (with the commit it must show), as soon as it is known."""

    def await_gone(self, names: Iterable[str], *, deadline: float) -> "Iterator[Result]":
        """Yield each application once it is gone, or when the time (seconds) is up."""


class Reaps(Protocol):
    """The site's playbooks, as the bot needs them: each answer maps a name to None, or to what did not work."""

    def reap(self, tombstones: Sequence[Tombstone]) -> dict[str, str | None]:
        """Remove what Argo CD leaves of each environment."""

    def secrets(self, environments: Sequence[Environment]) -> dict[str, str | None]:
        """Bring the declared secrets of each environment to its namespace."""


@dataclass(frozen=True)
class Follower:
    """Everything that is spoken to after the commit; what a site does not have is None.

    `is_open` asks the forge about one change; `smoke` runs the smoke tests of an environment and returns whether they
    passed and what they said.
    """

    site: Site
    store: Stores
    is_open: Callable[[Change], bool]
    argocd: Deploys | None = None
    conversation: Conversation | None = None
    playbooks: Reaps | None = None
    smoke: Callable[[str], tuple[bool, str]] | None = None
    tell: Callable[[str], None] = lambda step: None
    _newest: dict[str, int] = field(default_factory=dict)
    _active: dict[str, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def marks(self, people: Mapping[str, Sequence[Change]]) -> dict[str, Mark]:
        """Return what the comment of each environment remembers. Raises ForgeError."""
        if self.conversation is None:
            return {}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            talk = self.conversation
            bodies = pool.map(lambda item: talk.comment(item[1][0], item[0]) if item[1] else None, people.items())
            return {name: read_mark(body) for name, body in zip(people, bodies, strict=True)}

    def is_well(self, names: Iterable[str]) -> dict[str, bool]:
        """Return for each environment whether Argo CD calls its application synced and healthy, if it can be asked."""
        if self.argocd is None:
            return {}
        found = self.argocd.applications()
        return {name: _is_well(found.get(self.site.application(name))) for name in names}

    def nudge(self, before: str | None, after: str, names: Iterable[str]) -> None:
        """Tell Argo CD that `names` changed; without it, it looks by itself every three minutes."""
        if self.argocd is not None:
            paths = [f"{directory_of(name)}/environment.yaml" for name in names]
            where = self.site.environments
            for problem in self.argocd.nudge(where.url, where.branch, before or "0" * 40, after, paths):
                self.tell(f"Argo CD was not told, and will look by itself: {problem}")

    def follow(
        self, standings: Mapping[str, Standing], commit: str | None, people: Mapping[str, Sequence[Change]]
    ) -> list[Standing]:
        """See every one of `standings` to its end at `commit` and tell its `people`; return how each ended.

        What another thread follows already at the same generation is left to it.
        """
        mine = self._take(standings)
        try:
            with ThreadPoolExecutor(_AT_ONCE) as voices, ThreadPoolExecutor(3) as work:
                run = _Run(self, people, voices)
                for standing in mine.values():
                    run.say(standing if self.argocd or standing.state != "deploying" else _committed(standing))
                if self.argocd is not None and commit is not None:
                    alive = {name: each for name, each in mine.items() if each.state == "deploying"}
                    going = {name: each for name, each in mine.items() if each.state == "leaving"}
                    secrets = work.submit(self._bring_secrets, alive)
                    deployed = work.submit(self._deploy, run, alive, commit, secrets)
                    work.submit(self._reap, run, going).result()
                    deployed.result()
                return [run.ended[name] for name in mine]
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

    def _bring_secrets(self, alive: Mapping[str, Standing]) -> dict[str, str | None]:
        environments = [s.environment for s in alive.values() if isinstance(s.environment, Environment)]
        if self.playbooks is None or not environments:
            return {}
        try:
            return self.playbooks.secrets(environments)
        except LayersiteError as error:
            return dict.fromkeys(alive, str(error))

    def _deploy(
        self, run: "_Run", alive: Mapping[str, Standing], commit: str, secrets: "Future[dict[str, str | None]]"
    ) -> None:
        assert self.argocd is not None  # noqa: S101  it is only called where there is one
        names = {self.site.application(name): name for name in alive}
        if not names:
            return
        self.tell(f"waiting until {len(names)} environments are healthy")
        with ThreadPoolExecutor(_AT_ONCE) as judges:
            judged = []
            for result in self.argocd.await_synced(
                dict.fromkeys(names, commit),
                deadline=self.site.argocd.timeout_minutes * 60 if self.site.argocd else 0,
                contains=self.store.contains,
            ):
                name = names[result.name]
                self.tell(f"{name} is {result.outcome}{f': {result.reason}' if result.reason else ''}")
                judged.append(judges.submit(self._judge, run, alive[name], result, secrets))
            for future in judged:
                future.result()

    def _judge(
        self, run: "_Run", standing: Standing, result: "Result", secrets: "Future[dict[str, str | None]]"
    ) -> None:
        if result.outcome == "healthy":
            passed, said = self.smoke(standing.name) if self.smoke else (True, "")
            summary = "every app is healthy" if passed else SMOKE_FAILED
            ended = replace(standing, state="ready" if passed else "failed", summary=summary, smoke=said)
        else:
            missing = secrets.result().get(standing.name)
            late = (
                f"it did not become healthy within {self.site.argocd.timeout_minutes} minutes"
                if self.site.argocd
                else ""
            )
            summary = missing or (late if result.outcome == "late" else "it does not become healthy")
            troubles = tuple(Trouble(t.kind, t.name, t.reason, t.message, t.log) for t in result.troubles)
            ended = replace(standing, state="failed", summary=summary, troubles=troubles)
        run.say(ended)

    def _reap(self, run: "_Run", going: Mapping[str, Standing]) -> None:
        """Wait until applications are gone, remove what they leave, and then the tombstones, all that went together."""
        assert self.argocd is not None  # noqa: S101  it is only called where there is one
        names = {self.site.application(name): name for name in going}
        if not names:
            return
        self.tell(f"waiting until {len(names)} environments are gone")
        seconds = self.site.argocd.timeout_minutes * 60 if self.site.argocd else 0
        gone = []
        for result in self.argocd.await_gone(names, deadline=seconds):
            if result.outcome == "gone":
                gone.append(names[result.name])
            else:
                text = result.reason or "its Application is still there"
                run.say(replace(going[names[result.name]], state="stuck", summary=text))
        if gone and self.playbooks is not None:
            self._bury(run, {name: going[name] for name in gone}, self.playbooks)

    def _bury(self, run: "_Run", gone: Mapping[str, Standing], playbooks: Reaps) -> None:
        """Reap, tell, and only then remove the tombstones: they remind the next run of what was left undone."""
        stones = {n: s.environment for n, s in gone.items() if isinstance(s.environment, Tombstone)}
        try:
            left = playbooks.reap(list(stones.values()))
        except LayersiteError as error:
            left = dict.fromkeys(stones, str(error))
        told = {}
        for name, standing in gone.items():
            if left.get(name, "it was not reaped") is None:
                summary = f"nothing is left of it: {standing.summary}"
                told[name] = run.say(replace(standing, state="gone", summary=summary))
            else:
                run.say(replace(standing, state="stuck", summary=str(left.get(name))))
        self._commit_ends({name: stones[name] for name, heard in told.items() if heard.result()})

    def _commit_ends(self, stones: Mapping[str, Tombstone]) -> None:
        """Remove the tombstones; one set by hand stays, with nothing left to reap, while its change is open."""
        entries = self.store.read().entries
        writes = []
        for name, stone in stones.items():
            entry = entries.get(name)
            if entry is None or entry.tombstone is None or entry.tombstone.generation != stone.generation:
                continue
            stays = stone.cause == "teardown" and any(self.is_open(change) for change in changes_of(stone.members))
            files = {"tombstone.yaml": to_yaml(stone.model_copy(update={"reap": ()})).encode()} if stays else None
            writes.append(Write(name, files, entry.tree, f"{name} generation {stone.generation} reaped"))
        if writes:
            self.store.commit(writes, f"reap {', '.join(write.name for write in writes)}"[:72])


@dataclass(frozen=True)
class _Run:
    """One run's voice: what it said last of each environment, one after the other per environment."""

    follower: Follower
    people: Mapping[str, Sequence[Change]]
    voices: ThreadPoolExecutor
    ended: dict[str, Standing] = field(default_factory=dict)
    _spoken: dict[str, "Future[bool]"] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def say(self, standing: Standing) -> "Future[bool]":
        """Tell the environment's people, after what was said of it before; the answer is whether all were told."""
        with self._lock:
            self.ended[standing.name] = standing
            before = self._spoken.get(standing.name)
            self._spoken[standing.name] = spoken = self.voices.submit(self._say, standing, before)
            return spoken

    def _say(self, standing: Standing, before: "Future[bool] | None") -> bool:
        if before is not None:
            before.result()
        talk, all_told = self.follower.conversation, True
        if talk is None or not self.follower.is_newest(standing):
            return True
        for change in self.people.get(standing.name, ()):
            try:
                if standing.state != "skipped":
                    talk.say(change, standing.name, comment(standing))
                talk.set_status(change, Status(*status(standing)))
            except ForgeError as error:
                all_told = False
                self.follower.tell(f"{change} was not told, the next run does it: {error}")
        return all_told


def changes_of(members: Iterable[Member]) -> list[Change]:
    """Return the changes that the members of an environment come from."""
    return [Change(m.repository, m.number, m.branch, m.sha) for m in members if m.change]


def _committed(standing: Standing) -> Standing:
    return replace(standing, state="ready", summary="its manifests are committed, and Argo CD is not asked about them")


def _is_well(application: "Application | None") -> bool:
    if application is None:
        return False
    return application.status.sync.status == "Synced" and application.status.health.status == "Healthy"


def first_standings(
    plan: Plan, snapshot: Snapshot, marks: Mapping[str, Mark], since: Mapping[str, str], well: Mapping[str, bool]
) -> dict[str, Standing]:
    """Return how each environment stands right after the commit; those that have been told everything are left out.

    `marks` is what their comments remember, `since` when the waiting ones began to, `well` what Argo CD says of them.
    """
    standings = {action.name: found for action in plan.actions if (found := _standing(action, snapshot, marks, well))}
    for refusal in plan.refusals:
        state: State = (
            "waiting" if refusal.waits_for and not refusal.is_error else "refused" if refusal.is_error else "skipped"
        )
        entry = snapshot.entries.get(refusal.name)
        environment = entry.environment if entry else None
        began = since.get(refusal.name, "") if refusal.waits_for else ""
        standings[refusal.name] = Standing(refusal.name, state, refusal.reason, environment, since=began)
    return standings


def _standing(
    action: Action, snapshot: Snapshot, marks: Mapping[str, Mark], well: Mapping[str, bool]
) -> Standing | None:
    entry = snapshot.entries.get(action.name)
    found = action.result or (entry.environment or entry.tombstone if entry else None)
    if isinstance(found, Tombstone):
        return Standing(action.name, "leaving", found.reason, found) if found.reap else None
    if found is None:
        return None
    mark = marks.get(action.name, {})
    if action.verb == "leave" and mark.get("generation") == found.generation and mark.get("state") in FINAL:
        is_told = well.get(action.name, False) == (mark.get("state") == "ready")
        if is_told or mark.get("summary") == SMOKE_FAILED:
            return None
    return Standing(action.name, "deploying", action.reason, found, plan=(f"{action.verb}: {action.reason}",))
