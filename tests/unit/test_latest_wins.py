"""Whatever arrives late, twice or out of order: the newest is committed in the end, and the closed stays away."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from layersite.follow import Follower, Stores
from layersite.gate import Gate
from layersite.model.catalog import Catalog
from layersite.model.change import Change
from layersite.model.environment import Environment, to_yaml
from layersite.model.errors import LayersiteError
from layersite.model.site import Images, Site
from layersite.process import git
from layersite.reconcile import Bot
from layersite.render.layout import git_tree_id
from layersite.store import Committed, Snapshot, Store, Write
from layersite.writer import Outcome

from .plan.conftest import SHOP, make_catalog, make_site
from .store.writer import files_of

A, B, C = "a" * 40, "b" * 40, "c" * 40
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass
class Forge:
    """A forge whose listing may lag behind what it says of one change; `meanwhile` happens before it is asked for one.

    A change closes when its head becomes None.
    """

    heads: dict[int, str | None] = field(default_factory=dict)
    listed: list[dict[int, str | None]] = field(default_factory=list)
    meanwhile: list[Callable[[], object]] = field(default_factory=list)

    def changes(self) -> list[Change]:
        heads = self.listed.pop(0) if self.listed else self.heads
        return [Change("cart", number, f"b{number}", sha) for number, sha in heads.items() if sha]

    def find(self, change: Change) -> Change | None:
        if self.meanwhile:
            self.meanwhile.pop(0)()
        assert change.number is not None
        sha = self.heads.get(change.number)
        return Change("cart", change.number, f"b{change.number}", sha) if sha else None

    def resolve(self, repository: str, ref: str) -> str:
        return C

    def move(self, number: int, sha: str | None) -> Callable[[], object]:
        return lambda: self.heads.update({number: sha})


class Renders:
    def render(self, environment: Environment) -> dict[str, bytes]:
        files = files_of(environment.name)
        tree = git_tree_id({"namespace.yaml": files["manifests/namespace.yaml"]})
        lock = environment.render and environment.render.model_copy(update={"manifests": tree})
        return {**files, "environment.yaml": to_yaml(environment.model_copy(update={"render": lock})).encode()}


@dataclass
class Slow:
    """A store before whose commit something else happens."""

    store: Stores
    first: Callable[[], object]

    def read(self) -> Snapshot:
        return self.store.read()

    def known(self) -> Snapshot:
        return self.store.known()

    def commit(self, writes: list[Write], subject: str) -> Committed:
        self.first()
        return self.store.commit(writes, subject)

    def contains(self, revision: str, commit: str) -> bool:
        return self.store.contains(revision, commit)


@dataclass
class Team:
    """One environments repository and a forge; each `bot` works on a machine of its own."""

    folder: Path
    forge: Forge = field(default_factory=Forge)
    site: Site = field(default_factory=lambda: make_site(safety={"removals": 100}))
    catalog: Catalog = field(default_factory=lambda: make_catalog(**SHOP))
    now: datetime = NOW

    def bot(self, cache: str = "cache") -> Bot:
        url = str(self.folder / "environments.git")
        store = Store(url, "main", self.folder / cache, sleep=lambda seconds: None)
        follower = Follower(self.site, store, is_open=lambda change: self.forge.find(change) is not None)
        gate = Gate(Images(by_digest=False), lambda references: {}, follower, lambda: self.now, lambda step: None)
        return Bot(self.site, self.catalog, self.forge, store, Renders(), gate, follower, lambda: self.now)

    def run(self, cache: str = "cache") -> Outcome:
        self.now += timedelta(minutes=1)
        return self.bot(cache).decide().outcome

    def shown(self) -> dict[str, str]:
        """Each living environment with the commit that it shows."""
        entries = self.bot("reader").store.read().entries
        alive = {name: entry.environment for name, entry in entries.items() if entry.environment}
        return {name: environment.members[0].sha for name, environment in alive.items()}

    def generations(self) -> dict[str, int]:
        entries = self.bot("reader").store.read().entries.items()
        found = {name: entry.environment or entry.tombstone for name, entry in entries}
        return {name: each.generation for name, each in found.items() if each}


@pytest.fixture
def team(tmp_path: Path) -> Team:
    git("init", "-q", "--bare", "-b", "main", str(tmp_path / "environments.git"))
    return Team(tmp_path)


def test_a_push_during_the_run_wins(team: Team) -> None:
    team.forge.heads = {1: A}
    team.forge.meanwhile = [team.forge.move(1, B)]
    team.run()
    assert team.shown() == {"cart-1": B}


def test_a_change_that_closes_during_the_run_gets_no_environment(team: Team) -> None:
    team.forge.heads = {1: A, 2: A}
    team.forge.meanwhile = [team.forge.move(1, None)]
    team.run()
    assert team.shown() == {"cart-2": A}


def test_a_listing_that_lags_behind_never_takes_an_environment_back(team: Team) -> None:
    team.forge.heads = {1: B, 2: A}
    team.run()
    team.forge.heads = {1: B, 2: B}
    team.forge.listed = [{1: A, 2: B}] * 4
    outcome = team.run()
    assert team.shown() == {"cart-1": B, "cart-2": B}
    assert outcome.failed == ()


def test_a_change_that_moves_all_the_time_waits_for_the_next_run_and_holds_back_no_other(team: Team) -> None:
    team.forge.heads = {1: A, 2: A}
    team.forge.listed = [{1: B, 2: A}] * 4
    outcome = team.run()
    assert team.shown() == {"cart-2": A}
    assert outcome.failed == ()
    team.run()
    assert team.shown() == {"cart-1": A, "cart-2": A}


def test_a_slower_run_of_another_machine_revives_nothing(team: Team) -> None:
    team.forge.heads = {1: A}
    team.run()

    def close_and_remove() -> None:
        team.forge.heads[1] = None
        team.run("another machine")

    team.forge.heads[1] = B
    slow = team.bot("slow")
    outcome = replace(slow, store=Slow(slow.store, close_and_remove)).decide().outcome
    assert team.shown() == {}
    assert outcome.failed == ()  # it looked again, and found nothing left to do


def test_every_incarnation_has_a_higher_generation(team: Team) -> None:
    seen = []
    for sha in (A, B, None, B, None, A):
        team.forge.heads[1] = sha
        team.run()
        seen.append(team.generations()["cart-1"])
    assert seen == [1, 2, 3, 4, 5, 6]


def test_two_runs_at_once_never_pass_a_cap(team: Team) -> None:
    team.site = make_site(capacity={"environments": 2})
    team.forge.heads = {1: A}
    team.run()
    team.forge.heads = {1: A, 2: A}
    slow = team.bot("slow")

    def another_run() -> None:
        team.forge.heads = {1: A, 3: A}
        team.run("another machine")
        team.forge.heads = {1: A, 2: A, 3: A}

    outcome = replace(slow, store=Slow(slow.store, another_run)).decide().outcome
    assert sorted(team.shown()) == ["cart-1", "cart-3"]
    assert [refusal.reason.partition(":")[0] for refusal in outcome.plan.refusals] == [
        "waits for room, place 1 in the queue"
    ]
    team.forge.heads[1] = None
    team.run()
    assert sorted(team.shown()) == ["cart-2", "cart-3"]


@pytest.mark.parametrize("seed", range(6))
def test_after_the_last_event_the_newest_state_stands_whatever_the_order_of_runs(team: Team, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    history: list[dict[int, str | None]] = [{}]
    for _ in range(12):
        team.forge.heads[chance.randint(1, 3)] = chance.choice([A, B, C, None])
        history.append(dict(team.forge.heads))
        team.forge.listed = [chance.choice(history) for _ in range(chance.randint(0, 4))]
        try:
            team.run(chance.choice(["one", "two", "three"]))
        except LayersiteError as error:
            pytest.fail(str(error))
    team.forge.listed = []
    team.run("one")
    assert team.shown() == _expected(team.forge.heads.items())


def _expected(heads: Iterable[tuple[int, str | None]]) -> dict[str, str]:
    return {f"cart-{number}": sha for number, sha in heads if sha}
