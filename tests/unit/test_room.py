"""Where environments are placed, who makes room for whom, and that no cap is ever passed: the bot on real git."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from layersite import by_name
from layersite.keep import Keeper
from layersite.model.capacity import Requests
from layersite.model.change import Change
from layersite.model.environment import Environment, to_yaml
from layersite.process import git
from layersite.reconcile import Bot
from layersite.render.layout import git_tree_id
from layersite.writer import Outcome

from .plan.conftest import make_change, make_site
from .test_latest_wins import A, B, Slow, Team

DAY = timedelta(days=1)
TWO = {"east": {"environments": 2}, "west": {"environments": 2}}


@dataclass
class Listing:
    """A forge that lists what it is given."""

    open: list[Change] = field(default_factory=list)

    def changes(self) -> list[Change]:
        return list(self.open)

    def find(self, change: Change) -> Change | None:
        return next((each for each in self.open if each.key == change.key), None)

    def resolve(self, repository: str, ref: str) -> str:
        return A


@dataclass
class Lagging(Listing):
    """A forge whose listing does not show all that is open yet, so that each run wants room for another change."""

    shown: frozenset[int] = frozenset()

    def changes(self) -> list[Change]:
        return [change for change in self.open if change.number in self.shown]


class Renders:
    """What one environment requests: two cores, unless it sleeps."""

    def render(self, environment: Environment) -> dict[str, bytes]:
        asked = Requests(millicores=2000 if environment.state == "active" else 0, mebibytes=1024)
        manifest = environment.state.encode()
        assert environment.render is not None
        lock = environment.render.model_copy(update={"manifests": git_tree_id({"all.yaml": manifest})})
        document = environment.model_copy(update={"requests": asked, "render": lock})
        return {"environment.yaml": to_yaml(document).encode(), "manifests/all.yaml": manifest}


@dataclass
class House(Team):
    """A team whose environments request something."""

    listing: Listing = field(default_factory=Listing)

    def bot(self, cache: str = "cache") -> Bot:
        return replace(super().bot(cache), forge=self.listing, renderer=Renders())

    def limit(self, **capacity: Any) -> None:
        self.site = make_site(capacity=capacity)

    def open(self, *numbers: int, days_ago: int = 0, **more: Any) -> None:
        when = (self.now - days_ago * DAY).isoformat()
        self.listing.open += [make_change("cart", n, f"b{n}", updated_at=when, **more) for n in numbers]

    def there(self) -> dict[str, Environment]:
        entries = self.bot("reader").store.read().entries
        return {name.removeprefix("cart-"): e.environment for name, e in entries.items() if e.environment}

    def where(self) -> dict[str, str]:
        return {name: each.cluster for name, each in self.there().items()}


@pytest.fixture
def house(tmp_path: Path) -> House:
    git("init", "-q", "--bare", "-b", "main", str(tmp_path / "environments.git"))
    return House(tmp_path)


def waiting(outcome: Outcome) -> list[str]:
    return [refusal.name for refusal in outcome.plan.refusals if refusal.waits_for_room]


# Placement


def test_each_goes_where_most_room_is_left_and_stays_there(house: House) -> None:
    house.limit(clusters={"small": {"cores": 4}, "large": {"cores": 8}})
    house.open(1, 2, 3, 4)
    house.run()
    placed = house.where()
    assert placed == {"1": "large", "2": "small", "3": "large", "4": "small"}
    house.listing.open = [replace(each, sha=B) for each in house.listing.open]
    house.limit(clusters={"small": {"cores": 4}, "large": {"cores": 8}, "new": {"cores": 900}})
    house.run()
    assert house.where() == placed
    house.open(5)
    assert waiting(house.run()) == []
    assert house.where()["5"] == "new"
    assert house.run().commit is None


def test_who_fits_on_no_cluster_waits_and_hears_why(house: House) -> None:
    house.limit(clusters={"east": {"cores": 2}, "west": {"cores": 2}})
    house.open(1, 2, 3)
    (refusal,) = house.run().plan.refusals
    assert house.where() == {"1": "east", "2": "west"}
    text = "; ".join(
        f"cluster {name} has 2 of 2 cores and this needs 2 (`capacity.clusters.{name}.cores`)"
        for name in ("east", "west")
    )
    assert refusal.reason == f"waits for room, place 1 in the queue: {text}"


def test_a_cluster_is_emptied_by_letting_nothing_new_in(house: House) -> None:
    house.limit(clusters={"old": {}})
    house.open(1)
    house.run()
    house.limit(clusters={"old": {"environments": 0}, "new": {}})
    house.open(2)
    house.run()
    assert house.where() == {"1": "old", "2": "new"}


def test_a_managed_baseline_does_not_go_with_several_clusters() -> None:
    with pytest.raises(ValueError, match="a managed baseline lives in one cluster alone"):
        make_site(cluster={"baseline": {"managed": True}}, capacity={"clusters": {"east": {}}})


# Making room


def test_the_oldest_idle_one_goes_to_sleep_and_both_are_told_why(house: House) -> None:
    house.limit(cores=4, preempt="sleep")
    house.open(1, days_ago=2)
    house.open(2, days_ago=3)
    house.run()
    house.open(3)
    outcome = house.run()
    assert {name: each.state for name, each in house.there().items()} == {"1": "active", "2": "asleep", "3": "active"}
    reasons = {action.name: action.reason for action in outcome.plan.actions}
    assert reasons["cart-2"] == "nothing happened on its changes since 2025-12-30, and cart-3 needs the room"
    assert house.run().commit is None
    assert house.there()["2"].call is not None


def test_who_waits_for_a_place_gets_it_only_where_idle_ones_are_torn_down(house: House) -> None:
    house.limit(environments=1, preempt="sleep")
    house.open(1, days_ago=2)
    house.run()
    house.open(2)
    assert waiting(house.run()) == ["cart-2"]
    house.limit(environments=1, preempt="teardown")
    house.run()
    assert [*house.there()] == ["2"]
    assert house.run().commit is None  # the other stays away until it gets a new commit


def test_no_more_go_than_it_takes_and_one_newcomer_a_run(house: House) -> None:
    house.limit(environments=4, per_author=2, preempt="teardown")
    house.open(1, days_ago=9, author="ann")
    house.open(2, days_ago=8, author="bob")
    house.open(3, days_ago=7, author="bob")
    house.run()
    house.open(4, 5, author="bob")
    assert waiting(house.run()) == ["cart-5"]
    assert sorted(house.there()) == ["1", "3", "4"]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"days_ago": 0}, id="at work"),
        pytest.param({"days_ago": 9, "labels": ("layersite/awake",)}, id="kept awake by its label"),
    ],
)
def test_who_is_not_idle_gives_no_room(house: House, more: dict[str, Any]) -> None:
    house.limit(cores=2, preempt="teardown")
    house.open(1, **more)
    house.run()
    house.open(2)
    assert waiting(house.run()) == ["cart-2"]


@pytest.mark.parametrize("what", ["pin", "wake"])
def test_what_people_keep_gives_no_room(house: House, what: str) -> None:
    house.limit(cores=2, preempt="teardown")
    house.open(1, days_ago=9)
    house.run()
    if what == "pin":
        Keeper(house.site, house.bot().store, lambda: house.now).pin("cart-1", "ann", "pen test")
    else:
        by_name.call(house.bot(), "cart-1", "active", 4, "ann")
    house.open(2)
    assert waiting(house.run()) == ["cart-2"]


def test_without_the_setting_nobody_makes_room(house: House) -> None:
    house.limit(cores=2)
    house.open(1, days_ago=900)
    house.run()
    house.open(2)
    assert waiting(house.run()) == ["cart-2"]


# Hours


def test_each_sleeps_by_the_hours_that_its_label_names(house: House) -> None:
    hours = {"timezone": "Europe/Berlin", "days": ["friday"]}
    house.site = make_site(working_hours=hours, named_hours={"america": {**hours, "timezone": "America/New_York"}})
    house.open(1)
    house.open(2, labels=("layersite/hours:america",))

    def states() -> dict[str, str]:
        house.run()
        return {name: each.state for name, each in house.there().items()}

    house.now += timedelta(hours=15)
    assert states() == {"1": "active", "2": "active"}
    house.now += timedelta(hours=6)
    assert states() == {"1": "asleep", "2": "active"}
    assert house.run().commit is None
    house.now += timedelta(hours=6)
    assert states() == {"1": "asleep", "2": "asleep"}


# At once


def test_of_two_runs_at_once_one_looks_again_in_the_same_run(house: House) -> None:
    house.limit(cores=4, clusters={"east": {"cores": 2}, "west": {"cores": 2}})
    house.open(1)
    slow = house.bot("slow")

    def another_run() -> None:
        if not house.there():
            house.listing.open = []
            house.open(2)
            house.run("another machine")
            house.open(1)

    outcome = replace(slow, store=Slow(slow.store, another_run)).decide().outcome
    assert (house.where(), outcome.failed) == ({"1": "west", "2": "east"}, ())


@pytest.mark.parametrize(
    "caps",
    [
        pytest.param({"cores": 6, "clusters": TWO}, id="of the site"),
        pytest.param({"cores": 6, "clusters": TWO, "preempt": "teardown"}, id="with room that idle ones make"),
        pytest.param({"teams": {"shop": {"authors": ["ann", "bob"], "cores": 6}}}, id="of a team"),
    ],
)
def test_four_runs_at_once_never_pass_a_cap(house: House, caps: dict[str, Any]) -> None:
    house.limit(**caps)
    house.open(*range(1, 3), days_ago=5, author="ann")
    house.run()
    house.open(*range(3, 7), author="bob")
    lists = [Lagging(house.listing.open, frozenset({1, 2, number})) for number in range(3, 7)]
    bots = [replace(house.bot(f"machine-{number}"), forge=each) for number, each in enumerate(lists)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda bot: bot.decide(), bots))
    store = house.folder / "environments.git"
    for commit in git("rev-list", "main", cwd=store).splitlines():
        names = git("ls-tree", "-r", "--name-only", commit, cwd=store).splitlines()
        assert sum(name.endswith("/environment.yaml") for name in names) <= 3
    assert len(house.there()) == 3
