"""After the commit: what the people of a change are told, and what is removed when, whatever fails on the way."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event
from typing import Any

from layersite.argocd.model import Result
from layersite.argocd.received import Application
from layersite.database.fit import choose, read_history
from layersite.follow import Follower, first_standings
from layersite.follow.bring import deliver
from layersite.follow.standings import SMOKE_FAILED
from layersite.forge import Status
from layersite.model.change import Change
from layersite.model.command import Answer, Asked
from layersite.model.database import Brought, Data, Delivery, Golden
from layersite.model.environment import Environment, Lease, Member, RenderLock, Slot, Tombstone, to_yaml
from layersite.model.errors import DatabaseError, ForgeError, StoreError, ToolError
from layersite.model.site import Site
from layersite.model.standing import Standing, Trouble
from layersite.plan import Action, Plan, Refusal
from layersite.report import comment, read_mark
from layersite.store import Committed, Entry, Snapshot, Write

SHA = "8f3a1c5e9b7d2046a8c4e6f0123456789abcdef0"
COMMIT = "c" * 40
SITE = Site.model_validate(
    {
        "organization": "acme",
        "environments": {"url": "https://git.example.com/acme/environments.git"},
        "forge": {"kind": "gitea", "url": "https://git.example.com"},
        "cluster": {"baseline": {"namespace": "staging"}},
        "argocd": {"url": "https://argocd.example.com"},
        "exposure": {"domain": "preview.example.com"},
    }
)
CHANGE = Change("web", 42, "new-look", SHA)


def environment(name: str = "web-42", generation: int = 1) -> Environment:
    return Environment(
        name=name,
        cluster="in-cluster",
        namespace=f"env-{name}",
        generation=generation,
        members=(Member(repository="web", number=42, branch="new-look", sha=SHA, apps=("web",)),),
        slice={"web": Slot(provision="isolated", reason="it changed")},
    )


def tombstone(cause: str = "closed") -> Tombstone:
    members = environment().members
    return Tombstone.model_validate(
        {
            "name": "web-42",
            "cluster": "c",
            "namespace": "env-web-42",
            "generation": 2,
            "cause": cause,
            "reason": "closed",
        }
    ).model_copy(update={"members": members})


@dataclass
class Talk:
    """A forge that remembers what it was told, or is down."""

    bodies: dict[str, str] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    thumbs: list[tuple[int, bool]] = field(default_factory=list)
    is_down: bool = False

    def comment(self, change: Change, key: str) -> str | None:
        return self.bodies.get(key)

    def say(self, change: Change, key: str, body: str) -> None:
        if self.is_down:
            raise ForgeError("the forge is down")
        self.bodies[key] = body

    def asked(self, change: Change) -> list[Asked]:
        return []

    def answer(self, asked: Asked, is_done: bool) -> None:
        self.thumbs.append((asked.comment, is_done))

    def set_status(self, change: Change, status: Status) -> None:
        self.statuses.append(status)

    def may_write(self, repository: str) -> bool:
        return not self.is_down


@dataclass
class Cluster:
    """An Argo CD that answers as it is told to, and at a second time that all is well if it `recovers`."""

    results: Mapping[str, Result] = field(default_factory=dict)
    nudged: list[Sequence[str]] = field(default_factory=list)
    recovers: bool = False

    def applications(self) -> Mapping[str, Application]:
        return {}

    def nudge(self, repository: str, branch: str, before: str, after: str, paths: Sequence[str]) -> tuple[str, ...]:
        self.nudged.append(paths)
        return ()

    def await_synced(
        self,
        wanted: Mapping[str, str],
        *,
        deadline: float,
        contains: Callable[[str, str], bool],
        tell: Callable[[str], None],
    ) -> Iterator[Result]:
        found = [self.results.get(name, Result(name, "healthy")) for name in wanted]
        self.results = {} if self.recovers else self.results
        yield from found

    def await_gone(self, names: Iterable[str], *, deadline: float, tell: Callable[[str], None]) -> Iterator[Result]:
        yield from (self.results.get(name, Result(name, "gone")) for name in names)


@dataclass
class Books:
    """Playbooks that do what they are told to; `meanwhile` happens when databases were made."""

    left: str | None = None
    is_broken: bool = False
    delivery: Delivery = field(default_factory=Delivery)
    held: set[str] = field(default_factory=set)
    meanwhile: Callable[[], None] = lambda: None

    def reap(self, tombstones: Sequence[Tombstone]) -> dict[str, str | None]:
        if self.is_broken:
            raise ToolError("ansible-playbook is missing")
        return {each.name: self.left for each in tombstones}

    def secrets(self, environments: Sequence[Environment]) -> dict[str, str | None]:
        return {}

    def databases(self, environments: Sequence[Environment], *, reset: bool = False) -> dict[str, Delivery]:
        self.held |= {each.name for each in environments}
        self.meanwhile()
        return {each.name: self.delivery for each in environments}

    def drop(self, environments: Sequence[Environment]) -> dict[str, str | None]:
        self.held -= {each.name for each in environments}
        return {each.name: self.left for each in environments}


@dataclass
class Shelf:
    """An environments repository with one entry."""

    entry: Entry | None = None
    written: list[Write] = field(default_factory=list)
    is_down: bool = False

    def read(self) -> Snapshot:
        if self.is_down:
            raise StoreError("the repository is down")
        return Snapshot(COMMIT, {"web-42": self.entry} if self.entry else {})

    def known(self) -> Snapshot:
        return self.read()

    def commit(self, writes: list[Write], subject: str) -> Committed:
        self.written += writes
        return Committed(COMMIT, tuple(write.name for write in writes), ())

    def contains(self, revision: str, commit: str) -> bool:
        return True


@dataclass
class Scene:
    """One environment, everything around it, and what came of following it."""

    talk: Talk = field(default_factory=Talk)
    cluster: Cluster = field(default_factory=Cluster)
    books: Books = field(default_factory=Books)
    shelf: Shelf = field(default_factory=Shelf)
    is_open: bool = False
    smoke: Callable[[str], tuple[bool, str]] | None = None
    complete: Callable[[Brought], Brought] | None = None

    @property
    def follower(self) -> Follower:
        around = (self.cluster, self.talk, self.books, self.smoke, self.complete)
        return Follower(SITE, self.shelf, lambda change: self.is_open, *around)

    def follow(self, *standings: Standing, left: Collection[str] = ()) -> list[Standing]:
        return self.follower.follow({each.name: each for each in standings}, COMMIT, {"web-42": [CHANGE]}, left)


DEPLOYING = Standing("web-42", "deploying", "web#42 needs an environment", environment())
LEAVING = Standing("web-42", "leaving", "web#42 is no longer open", tombstone())


def buried(cause: str = "closed") -> Shelf:
    return Shelf(Entry(None, tombstone(cause), "t" * 40, None))


def alive(environment: Environment) -> Shelf:
    return Shelf(Entry(environment, None, "t" * 40, None))


@dataclass
class Slow(Cluster):
    """An Argo CD that needs until people have been told in full that it works on it."""

    is_told: Event = field(default_factory=Event)

    def await_synced(
        self,
        wanted: Mapping[str, str],
        *,
        deadline: float,
        contains: Callable[[str, str], bool],
        tell: Callable[[str], None],
    ) -> Iterator[Result]:
        assert self.is_told.wait(10)
        yield from super().await_synced(wanted, deadline=deadline, contains=contains, tell=tell)


@dataclass
class Diary(Talk):
    """A forge that keeps the state that each comment told."""

    states: list[str] = field(default_factory=list)
    heard: Event = field(default_factory=Event)

    def say(self, change: Change, key: str, body: str) -> None:
        super().say(change, key, body)
        self.states.append(str(read_mark(body)["state"]))
        self.heard.set()


def test_what_is_soon_healthy_has_one_comment_that_says_so() -> None:
    scene = Scene(talk=Diary())
    scene.follow(DEPLOYING)
    assert isinstance(scene.talk, Diary)
    assert scene.talk.states == ["ready"]
    assert [status.state for status in scene.talk.statuses] == ["pending", "success"]


def test_what_takes_longer_is_told_of_meanwhile() -> None:
    talk = Diary()
    scene = Scene(talk=talk, cluster=Slow(is_told=talk.heard))
    replace(scene.follower, hold=0).follow({"web-42": DEPLOYING}, COMMIT, {"web-42": [CHANGE]})
    assert talk.states == ["deploying", "ready"]


def test_a_healthy_environment_is_ready_and_its_people_know() -> None:
    scene = Scene()
    assert [each.state for each in scene.follow(DEPLOYING)] == ["ready"]
    assert "is ready" in scene.talk.bodies["web-42"]
    assert [each.state for each in scene.talk.statuses] == ["pending", "success"]


def test_people_are_warned_once_of_each_end_by_a_comment_of_its_own() -> None:
    scene, ends = Scene(), ("2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z")
    for until in (ends[0], ends[0], ends[1]):
        lease = Lease(until=until, warned=True, by="@qa", reason="demo")
        leased = environment().model_copy(update={"lease": lease})
        scene.follow(replace(DEPLOYING, environment=leased))
    assert list(scene.talk.bodies) == [f"web-42 ends {ends[0]}", "web-42", f"web-42 ends {ends[1]}"]
    assert f"It lives until {ends[1]} (asked by `@qa`: `demo`)" in scene.talk.bodies["web-42"]


WITH_DATA = environment().model_copy(update={"data": {"shop": Data(name="env_web_42__shop", golden="golden_shop_1")}})
SHOP = Brought(
    database="shop",
    name="env_web_42__shop",
    golden="golden_shop_1",
    golden_built="2026-01-02T03:04:05Z",
    rows=46_271,
    method="reflink",
    seconds=0.31,
)


def test_its_people_learn_what_its_database_was_made_from() -> None:
    scene = Scene(shelf=alive(WITH_DATA), books=Books(delivery=Delivery(None, (SHOP,))))
    assert [each.state for each in scene.follow(replace(DEPLOYING, environment=WITH_DATA))] == ["ready"]
    text = "- Database `shop` from `golden_shop_1`, built 2026-01-02T03:04:05Z with 46,271 rows"
    assert f"{text}; cloned by reflink in 0.31 s" in scene.talk.bodies["web-42"]


def test_pods_that_had_to_begin_again_are_waited_for_anew() -> None:
    trouble = Trouble("Pod", "web-1", "CrashLoopBackOff", "no such revision")
    scene = Scene(shelf=alive(WITH_DATA), books=Books(delivery=Delivery(None, (SHOP,), is_renewed=True)))
    scene.cluster = Cluster({"env-web-42": Result("env-web-42", "failed", troubles=(trouble,))}, recovers=True)
    assert [each.state for each in scene.follow(replace(DEPLOYING, environment=WITH_DATA))] == ["ready"]


def test_what_was_made_empty_is_filled_before_the_smoke_tests() -> None:
    seen: list[str] = []
    empty = SHOP.model_copy(update={"golden": None, "golden_built": "", "rows": 0, "method": "empty"})

    def complete(brought: Brought) -> Brought:
        seen.append("filled")
        return brought.model_copy(update={"rows": 150})

    def smoke(name: str) -> tuple[bool, str]:
        seen.append("smoke")
        return True, ""

    scene = Scene(
        shelf=alive(WITH_DATA), books=Books(delivery=Delivery(None, (empty,))), smoke=smoke, complete=complete
    )
    assert [each.state for each in scene.follow(replace(DEPLOYING, environment=WITH_DATA))] == ["ready"]
    text = "- Database `shop` without a golden, made empty in 0.31 s, with 150 made-up rows"
    assert (seen, text in scene.talk.bodies["web-42"]) == (["filled", "smoke"], True)


def test_a_database_that_cannot_be_filled_fails_its_environment() -> None:
    def refuse(brought: Brought) -> Brought:
        raise DatabaseError("fixtures cannot fill `item`")

    empty = SHOP.model_copy(update={"golden": None})
    scene = Scene(shelf=alive(WITH_DATA), books=Books(delivery=Delivery(None, (empty,))), complete=refuse)
    (ended,) = scene.follow(replace(DEPLOYING, environment=WITH_DATA))
    assert (ended.state, ended.summary) == ("failed", "fixtures cannot fill `item`")


def test_its_people_learn_what_its_migrations_may_do() -> None:
    note = "`db/2.sql:1`: Dropping <b>a</b> table (ban-drop-table)"
    data = {"shop": Data(name="env_web_42__shop", golden="golden_shop_1", notes=(note,))}
    scene = Scene()
    list(scene.follow(replace(DEPLOYING, environment=environment().model_copy(update={"data": data}))))
    text = "- `shop`: `db/2.sql:1`: Dropping `<b>a</b>` table (ban-drop-table)"
    assert text in scene.talk.bodies["web-42"]


def test_an_environment_without_its_database_has_failed_though_it_is_healthy() -> None:
    why = "the variable LAYERSITE_DATABASE_SHOP_SERVER is not set"
    scene = Scene(shelf=alive(WITH_DATA), books=Books(delivery=Delivery(why)))
    (ended,) = scene.follow(replace(DEPLOYING, environment=WITH_DATA))
    assert (ended.state, ended.summary) == ("failed", why)


def test_what_another_run_has_removed_gets_no_database() -> None:
    for shelf in (Shelf(), buried()):
        scene = Scene(shelf=shelf)
        (ended,) = scene.follow(replace(DEPLOYING, environment=WITH_DATA))
        assert (ended.state, ended.summary) == ("failed", "it was removed meanwhile, so it has no database")
        assert scene.books.held == set()


def test_a_database_made_while_another_run_removed_its_environment_goes_again() -> None:
    for is_made in (True, False):  # one that was there before is the other run's to remove
        scene = Scene(shelf=alive(WITH_DATA), books=Books(delivery=Delivery(is_made=is_made)))
        scene.books.meanwhile = partial(setattr, scene.shelf, "entry", None)
        assert [each.state for each in scene.follow(replace(DEPLOYING, environment=WITH_DATA))] == ["failed"]
        assert scene.books.held == (set() if is_made else {"web-42"})


def test_what_a_newer_commit_wants_of_a_database_is_what_a_slower_run_brings() -> None:
    newer = WITH_DATA.model_copy(update={"data": {"shop": Data(name="env_web_42__shop", golden="golden_shop_2")}})
    scene, brought = Scene(shelf=alive(WITH_DATA)), list[Any]()

    def bring(environments: Sequence[Environment]) -> dict[str, Delivery]:
        brought.extend(each.data["shop"].golden for each in environments if each.data)
        scene.shelf.entry = Entry(newer, None, "t" * 40, None)
        return {each.name: Delivery() for each in environments}

    assert deliver(scene.shelf, ["web-42"], bring, scene.books.drop) == {"web-42": Delivery()}
    assert brought == ["golden_shop_1", "golden_shop_2"]


def test_a_failure_names_what_is_wrong() -> None:
    trouble = Trouble("Pod", "web-1", "ImagePullBackOff", "no such image")
    scene = Scene(cluster=Cluster({"env-web-42": Result("env-web-42", "failed", troubles=(trouble,))}))
    assert [each.state for each in scene.follow(DEPLOYING)] == ["failed"]
    assert "`ImagePullBackOff`" in scene.talk.bodies["web-42"]
    assert scene.talk.statuses[-1].state == "failure"


def test_an_argo_cd_that_does_not_answer_is_no_failure_of_the_environment() -> None:
    scene = Scene(cluster=Cluster({"env-web-42": Result("env-web-42", "unseen", "argocd cannot be reached")}))
    assert [(each.state, each.summary) for each in scene.follow(DEPLOYING)] == [("unseen", "argocd cannot be reached")]
    assert "could not be watched" in scene.talk.bodies["web-42"]
    assert follow_up(dict(read_mark(scene.talk.bodies["web-42"])) | {"generation": 3}, "failed") == ["web-42"]


def test_argo_cd_hears_again_of_what_an_earlier_run_left_unfinished() -> None:
    scene = Scene()
    scene.follow(DEPLOYING, left=["web-42"])
    assert [path.rpartition("web-42/")[2] for paths in scene.cluster.nudged for path in paths] == ["environment.yaml"]


def test_whether_its_people_could_be_told_is_part_of_the_end() -> None:
    assert [each.is_told for each in Scene().follow(DEPLOYING)] == [True]
    assert [each.is_told for each in Scene(talk=Talk(is_down=True)).follow(DEPLOYING)] == [False]


def test_one_that_fails_does_not_hold_back_another() -> None:
    scene = Scene(cluster=Cluster({"env-web-42": Result("env-web-42", "late")}))
    other = replace(DEPLOYING, name="api-1", environment=environment("api-1"))
    assert {each.name: each.state for each in scene.follow(DEPLOYING, other)} == {"web-42": "failed", "api-1": "ready"}


def test_smoke_tests_have_the_last_word() -> None:
    scene = Scene(smoke=lambda name: (False, f"FAILED {name} answers 500"))
    assert [each.state for each in scene.follow(DEPLOYING)] == ["failed"]
    assert "FAILED web-42 answers 500" in scene.talk.bodies["web-42"]


def smoked(smoke: str | None) -> Environment:
    lock = RenderLock.model_validate({"layersite": "1", "inputs": "", "manifests": "", "smoke": smoke})
    return environment(generation=3).model_copy(update={"render": lock})


def test_what_smoke_tests_said_is_committed_for_the_waves_that_wait_for_it() -> None:
    for before, passed, after in (("due", True, None), ("due", False, "failed"), ("failed", True, None)):
        scene = Scene(shelf=alive(smoked(before)), smoke=lambda name, passed=passed: (passed, ""))  # type: ignore[misc]
        scene.follow(replace(DEPLOYING, environment=smoked(before)))
        assert [write.files for write in scene.shelf.written] == [{"environment.yaml": to_yaml(smoked(after)).encode()}]


def test_smoke_tests_that_say_nothing_new_or_of_what_moved_on_are_not_committed() -> None:
    for now, passed in ((smoked(None), True), (smoked("failed"), False), (environment(generation=4), False)):
        scene = Scene(shelf=alive(now), smoke=lambda name, passed=passed: (passed, ""))  # type: ignore[misc]
        scene.follow(replace(DEPLOYING, environment=now if now.render else smoked("due")))
        assert scene.shelf.written == []


def test_when_nothing_is_left_the_tombstone_goes_and_its_people_know() -> None:
    scene = Scene(shelf=buried())
    assert [each.state for each in scene.follow(LEAVING)] == ["gone"]
    assert [(write.name, write.files) for write in scene.shelf.written] == [("web-42", None)]
    assert "is gone" in scene.talk.bodies["web-42"]


def test_a_tombstone_that_cannot_be_removed_is_said() -> None:
    scene = Scene(shelf=Shelf(is_down=True))
    assert [(each.state, each.summary) for each in scene.follow(LEAVING)] == [("stuck", "the repository is down")]
    assert "hangs" in scene.talk.bodies["web-42"]


def test_a_tombstone_stays_until_its_people_know() -> None:
    scene = Scene(shelf=buried(), talk=Talk(is_down=True))
    scene.follow(LEAVING)
    assert scene.shelf.written == []


def test_a_tombstone_stays_while_something_is_left() -> None:
    for scene in (
        Scene(shelf=buried(), books=Books("finalizer x hangs")),
        Scene(shelf=buried(), books=Books(is_broken=True)),
    ):
        assert [each.state for each in scene.follow(LEAVING)] == ["stuck"]
        assert scene.shelf.written == []


def test_one_set_by_hand_remembers_it_while_its_change_is_open() -> None:
    scene = Scene(shelf=buried("teardown"), is_open=True)
    scene.follow(replace(LEAVING, environment=tombstone("teardown")))
    (write,) = scene.shelf.written
    assert write.files is not None
    assert b"reap: []" in write.files["tombstone.yaml"]


def plan(action: Action, *refusals: Refusal) -> dict[str, Standing]:
    snapshot = Snapshot(COMMIT, {"web-42": Entry(environment(generation=3), None, "t", "m")})
    return first_standings(Plan((action,), refusals), snapshot, {}, {"web-42": "2026-01-01T00:00:00Z"}, {}, {})


def told(state: str, summary: str = "x") -> dict[str, str | int]:
    return {"state": state, "generation": 3, "summary": summary}


def follow_up(mark: dict[str, str | int], seen: str) -> list[str]:
    snapshot = Snapshot(COMMIT, {"web-42": Entry(environment(generation=3), None, "t", "m")})
    leave = Plan((Action("leave", "web-42", "nothing changed"),))
    return list(first_standings(leave, snapshot, {"web-42": mark}, {}, {"web-42": seen}, {}))


def test_what_a_killed_run_left_unsaid_is_followed_again() -> None:
    assert follow_up({}, "ready") == ["web-42"]
    assert follow_up(told("deploying"), "ready") == ["web-42"]
    assert follow_up({**told("ready"), "generation": 2}, "ready") == ["web-42"]


def test_what_was_told_to_some_only_is_told_again() -> None:
    class Half(Talk):
        def comment(self, change: Change, key: str) -> str | None:
            return comment(replace(DEPLOYING, state="ready" if change == CHANGE else "deploying"))

    follower = Scene(talk=Half()).follower
    assert follower.marks({"web-42": [CHANGE]})["web-42"]["state"] == "ready"
    assert follower.marks({"web-42": [CHANGE, replace(CHANGE, number=43)]}) == {"web-42": {}}


def test_the_comment_which_the_next_run_believes_is_written_last() -> None:
    class Mute(Talk):
        def set_status(self, change: Change, status: Status) -> None:
            raise ForgeError("no more statuses")

    talk = Mute()
    Scene(talk=talk).follow(DEPLOYING)
    assert talk.bodies == {}


def test_what_was_told_is_left_alone_until_it_is_no_longer_true() -> None:
    assert follow_up(told("ready"), "ready") == []
    assert follow_up(told("failed"), "failed") == []
    assert follow_up(told("failed", SMOKE_FAILED), "ready") == []
    assert follow_up(told("failed"), "ready") == ["web-42"]
    assert follow_up(told("ready"), "failed") == ["web-42"]


def test_who_asks_for_something_hears_what_became_of_it_and_sees_a_thumb() -> None:
    done = Answer(Asked(CHANGE, 7, "mona", "/layersite pin because @all **demo**"), "it is pinned", True)
    refused = Answer(Asked(replace(CHANGE, number=43), 8, "eve", "/layersite teardown"), "only who may write", False)
    snapshot = Snapshot(COMMIT, {"web-42": Entry(environment(generation=3), None, "t", "m")})
    leave = Plan((Action("leave", "web-42", "nothing changed"),))
    mark = {"web-42": told("ready")}
    standings = first_standings(leave, snapshot, mark, {}, {"web-42": "ready"}, {"web-42": (done, refused)})
    scene = Scene()
    scene.follow(*standings.values())
    assert "- 👍 `/layersite pin because @all **demo**` by `mona`: it is pinned" in scene.talk.bodies["web-42"]
    assert "- 👎 `/layersite teardown` by `eve`: only who may write" in scene.talk.bodies["web-42"]
    assert set(scene.talk.thumbs) == {(7, True)}  # the other was said on a change that these are not the people of


def test_smoke_tests_that_a_killed_run_did_not_come_to_are_run_by_the_next() -> None:
    leave = Plan((Action("leave", "web-42", "nothing changed"),))
    for smoke, followed in ((None, []), ("due", ["web-42"]), ("failed", [])):
        snapshot = Snapshot(COMMIT, {"web-42": Entry(smoked(smoke), None, "t", "m")})
        marks = {"web-42": told("ready")}
        assert list(first_standings(leave, snapshot, marks, {}, {"web-42": "ready"}, {})) == followed


def test_what_argo_cd_has_not_looked_at_is_followed_whatever_was_told() -> None:
    assert follow_up(told("failed"), "") == ["web-42"]


def test_a_refusal_that_no_longer_holds_does_not_stay() -> None:
    assert follow_up(told("refused"), "failed") == ["web-42"]


def test_people_of_a_change_that_no_golden_fits_learn_which_migration_it_lacks() -> None:
    applied = ("0001_initial", "0009_ahead")
    digests: dict[str, Any] = {"contract": "a" * 64, "attestation": "b" * 64}
    golden = Golden(
        name="golden_shop_1",
        database="shop",
        engine="postgresql",
        built=SHOP.golden_built,
        server="18",
        migrations=applied,
        rows=1,
        **digests,
    )
    fit = choose([golden], read_history("prisma", {"db/0001_initial/migration.sql": "SELECT 1;"}))
    why = f"`shop` has no golden that shop@aaaaaaa leads on from: {fit.reason}"
    scene = Scene()
    (ended,) = scene.follow(plan(Action("leave", "web-42", why), Refusal("web-42", why))["web-42"])
    body = scene.talk.bodies["web-42"]
    assert (ended.state, read_mark(body)["state"]) == ("refused", "refused")
    assert "golden `golden_shop_1` does not fit: it has applied `0009_ahead`, which the change does not have" in body
    assert "bring the change up to date with its target branch" in body
    assert scene.talk.statuses[-1].state == "error"


def test_a_wait_for_an_image_remembers_since_when() -> None:
    refusal = Refusal("web-42", "waits for `r/web:1`", is_error=False, waits_for=("r/web:1",))
    standing = plan(Action("leave", "web-42", "waits"), refusal)["web-42"]
    assert (standing.state, standing.since) == ("waiting", "2026-01-01T00:00:00Z")
    scene = Scene()
    scene.follow(standing)
    assert read_mark(scene.talk.bodies["web-42"])["since"] == "2026-01-01T00:00:00Z"
