"""What is left in the cluster without an environment goes, and nothing that lives ever does."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from layersite.cluster.listing import labelled
from layersite.data.sweep import Held
from layersite.database.clone import Taken
from layersite.model.database import Data, Delivery
from layersite.model.environment import Tombstone
from layersite.model.errors import ArgoCDError, DatabaseError, LayersiteError, PartialError
from layersite.reap import Reaper
from layersite.store import Entry, Snapshot

from .cluster.fake import FakeCluster
from .plan.conftest import make_site
from .test_follow import environment


@dataclass
class World:
    """A repository, an Argo CD, clusters and a database server, of which each may answer wrongly."""

    committed: tuple[str, ...] = ("web-1", "web-2", "web-3")
    applications_of: tuple[str, ...] = ("web-1", "web-2", "web-3")
    namespaces: dict[str, str] = field(default_factory=lambda: {f"env-web-{n}": f"web-{n}" for n in (1, 2, 3)})
    is_down: bool = False
    problem: str | None = None
    reaped: list[str] = field(default_factory=list)
    clones: dict[str, str | None] = field(default_factory=dict)
    west: dict[str, str] = field(default_factory=dict)
    has_argocd: bool = True
    with_data: bool = False
    state: str = "active"
    back: tuple[str, ...] = ()
    is_unasked: bool = False
    made: list[str] = field(default_factory=list)
    down: tuple[str, ...] = ()

    def read(self) -> Snapshot:
        data = {name: {"shop": Data(name=f"env_{name}__shop")} if self.with_data else None for name in self.committed}
        found = {
            name: environment(name).model_copy(update={"data": data[name], "state": self.state})
            for name in self.committed
        }
        return Snapshot("c" * 40, {name: Entry(each, None, "t", "m") for name, each in found.items()})

    def applications(self) -> list[str]:
        if self.is_down:
            raise ArgoCDError("Argo CD is down")
        return [f"env-{name}" for name in self.applications_of]

    def reap(self, tombstones: Sequence[Tombstone]) -> dict[str, str | None]:
        self.reaped += [stone.namespace for stone in tombstones]
        self.committed += self.back
        return {stone.name: self.problem for stone in tombstones}

    def look(self) -> Held:
        found = [
            Taken(f"env_{name}__shop", name, "shop", built, is_down=name in self.down)
            for name, built in self.clones.items()
        ]
        return Held([] if self.is_unasked else found, {"shop": "no route to host"} if self.is_unasked else {})

    def make(self, names: Collection[str]) -> dict[str, Delivery]:
        if self.problem:
            raise DatabaseError(self.problem)
        self.made += names
        return {name: Delivery(is_made=True) for name in names}

    def drop(self, found: Taken) -> None:
        if self.problem:
            raise DatabaseError(self.problem)
        self.reaped.append(found.name)

    def run(self, *, dry_run: bool = False, yes: bool = False) -> dict[str, str]:
        databases = {"shop": {"host": "postgres.databases.svc"}}
        site = make_site(argocd={"url": "https://argocd.example.com"}, databases=databases)
        clusters = {"in-cluster": lambda: self.namespaces, "west": lambda: self.west} if self.has_argocd else {}
        reaper = Reaper(site, self.read, self.applications, clusters, self.reap, self, self.make)
        found = reaper.reap(dry_run=dry_run, yes=yes)
        return {each.what.removeprefix("environment "): each.outcome for each in found}


def with_orphans(*names: str, **more: Any) -> World:
    world = World(**more)
    world.namespaces |= {f"env-{name}": name for name in names}
    return world


OLD = "2026-01-01T00:00:00Z"


def agreeing(names: tuple[str, ...]) -> dict[str, Any]:
    """Return a repository that holds `names`, and Argo CD and a cluster that say the same."""
    return {"committed": names, "applications_of": names, "namespaces": {f"env-{name}": name for name in names}}


def with_clones(*names: str, **more: Any) -> World:
    """Return a world in which the environments that are committed and `names` have each a clone."""
    world = World(**more)
    world.clones |= dict.fromkeys([*world.committed, *names], OLD)
    return world


def test_where_all_agree_nothing_happens() -> None:
    world = World()
    assert world.run() == {}
    assert world.reaped == []


def test_a_namespace_whose_directory_vanished_goes() -> None:
    world = with_orphans("old-7")
    assert world.run() == {"old-7": "was removed"}
    assert world.reaped == ["env-old-7"]


def test_a_dry_run_names_the_same_and_removes_nothing() -> None:
    world = with_orphans("old-7")
    assert world.run(dry_run=True) == {"old-7": "would be removed"}
    assert world.reaped == []


def test_what_argocd_still_has_is_left_to_it() -> None:
    world = with_orphans("old-7", applications_of=("web-1", "web-2", "web-3", "old-7"))
    assert world.run() == {"old-7": "is left"}
    assert world.reaped == []


def test_a_directory_without_an_application_is_named_and_stays() -> None:
    world = World(applications_of=("web-1", "web-2"))
    assert world.run() == {"web-3": "is left"}


def test_what_only_looks_like_an_environment_stays() -> None:
    world = World()
    world.namespaces |= {"env-other": "web-9", "kube-system": "kube-system"}
    assert world.run() == {}


def test_why_something_stays_is_told() -> None:
    assert with_orphans("old-7", problem="finalizer x hangs").run() == {"old-7": "finalizer x hangs"}


@pytest.mark.parametrize(
    ("world", "text"),
    [
        pytest.param(with_orphans("old-7", is_down=True), "Argo CD is down", id="a listing fails"),
        pytest.param(with_orphans("old-7", applications_of=()), "Applications of 0 of 3", id="no Applications"),
        pytest.param(
            with_orphans("old-7", applications_of=("web-1",)), "Applications of 1 of 3", id="half of them are missing"
        ),
        pytest.param(with_orphans("old-7", committed=()), "holds no environment", id="an empty repository"),
        pytest.param(with_orphans(*(f"old-{n}" for n in range(11))), "more than the cap of 10", id="too many"),
    ],
)
def test_a_listing_that_lost_something_removes_nothing(world: World, text: str) -> None:
    with pytest.raises(LayersiteError, match=text):
        world.run()
    assert world.reaped == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_cluster_that_shows_nothing_of_what_is_committed_is_not_believed(count: int) -> None:
    names = tuple(f"web-{n + 1}" for n in range(count))
    world = with_orphans("old-7", committed=names, namespaces={})
    with pytest.raises(PartialError, match=f"namespaces of 0 of {count}"):
        world.run(yes=True)
    assert world.reaped == []


def test_a_first_environment_that_is_about_to_come_is_no_reason_for_doubt() -> None:
    assert World(committed=("web-1",), applications_of=(), namespaces={}).run() == {"web-1": "is left"}


def test_the_cap_counts_what_goes_in_all_clusters_and_servers_together() -> None:
    def world() -> World:
        found = with_clones(*(f"gone-{n}" for n in range(3)))
        found.namespaces |= {f"env-old-{n}": f"old-{n}" for n in range(8)}
        return found

    with pytest.raises(PartialError, match="what is left of 11 environments would go in one run, more than the cap of"):
        world().run()
    assert len(world().run(yes=True)) == 11


def test_a_clone_without_an_environment_goes() -> None:
    world = with_clones("old-7")
    assert world.run(dry_run=True) == {"clone env_old-7__shop": "would be removed"}
    assert world.reaped == []
    assert world.run() == {"clone env_old-7__shop": "was removed"}
    assert world.reaped == ["env_old-7__shop"]


def test_a_clone_goes_after_its_namespace_and_stays_with_it() -> None:
    def world(**more: Any) -> World:
        found = with_clones("old-7", **more)
        found.namespaces["env-old-7"] = "old-7"
        return found

    assert world().run(dry_run=True) == dict.fromkeys(["old-7", "clone env_old-7__shop"], "would be removed")
    going = world()
    assert going.run() == dict.fromkeys(["old-7", "clone env_old-7__shop"], "was removed")
    assert going.reaped == ["env-old-7", "env_old-7__shop"]
    hangs = world(problem="finalizer x hangs")
    assert hangs.run() == {"old-7": "finalizer x hangs", "clone env_old-7__shop": "is left"}
    assert hangs.reaped == ["env-old-7"]


def test_a_clone_stays_if_its_environment_comes_back_while_its_namespace_goes() -> None:
    world = with_clones("old-7", back=("old-7",))
    world.namespaces["env-old-7"] = "old-7"
    assert world.run() == {"old-7": "was removed", "clone env_old-7__shop": "is left"}
    assert world.reaped == ["env-old-7"]


def test_what_is_young_stays_and_speaks_against_no_remains() -> None:
    young = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    world = World(clones={"old-7": None, "new-8": young}, **agreeing(()))
    assert world.run() == {"clone env_old-7__shop": "was removed"}


def test_a_clone_stays_while_its_application_lives() -> None:
    world = with_clones("old-7", applications_of=("web-1", "web-2", "web-3", "old-7"))
    assert world.run(yes=True) == {"clone env_old-7__shop": "is left"}
    assert world.reaped == []


@pytest.mark.parametrize(
    ("committed", "lost", "text"),
    [
        pytest.param((), 1, "of 0 of 1 clones", id="an empty repository"),
        pytest.param(("web-1",), 2, "of 1 of 3 clones", id="a repository that lost half"),
        pytest.param((), 60, "of 0 of 60 clones", id="an empty repository of many"),
    ],
)
@pytest.mark.parametrize("has_argocd", [True, False])
def test_a_repository_that_lost_its_environments_costs_no_clone(
    committed: tuple[str, ...], lost: int, text: str, has_argocd: bool
) -> None:
    world = with_clones(*(f"a-{n}" for n in range(lost)), has_argocd=has_argocd, **agreeing(committed))
    for dry_run in (True, False):
        with pytest.raises(PartialError, match=text):
            world.run(dry_run=dry_run)
    assert world.reaped == []
    assert len(world.run(yes=True)) == len(world.reaped) == lost  # somebody looked at the repository, and says so


def test_half_of_the_clones_may_go() -> None:
    world = with_clones("old-7", **agreeing(("web-1",)))
    assert world.run() == {"clone env_old-7__shop": "was removed"}


def test_remains_of_killed_runs_are_no_clones_that_speak_for_environments() -> None:
    world = World(clones={"old-7": None}, **agreeing(()))
    assert world.run() == {"clone env_old-7__shop": "was removed"}


def test_a_clone_that_cannot_be_dropped_is_told_with_its_reason() -> None:
    assert with_clones("old-7", problem="the server is full").run() == {"clone env_old-7__shop": "the server is full"}


def test_a_clone_that_somebody_dropped_is_made_again() -> None:
    world = with_clones(with_data=True)
    del world.clones["web-2"]
    assert world.run(dry_run=True) == {"clone env_web-2__shop": "would be made"}
    assert world.made == []
    assert world.run() == {"clone env_web-2__shop": "was made"}
    assert (world.made, world.reaped) == (["web-2"], [])


def test_what_sleeps_keeps_its_clone_and_gets_one_that_is_gone() -> None:
    world = with_clones(with_data=True, state="asleep")
    assert world.run(yes=True) == {}
    del world.clones["web-2"]
    assert world.run() == {"clone env_web-2__shop": "was made"}
    assert world.reaped == []


def test_remains_are_no_clone() -> None:
    world = with_clones(with_data=True)
    world.clones["web-2"] = None
    assert world.run() == {"clone env_web-2__shop": "was made"}


def test_servers_of_clones_own_that_do_not_run_are_started_however_many_they_are() -> None:
    names = tuple(f"web-{n}" for n in range(11))
    world = with_clones(with_data=True, down=names, **agreeing(names))
    assert set(world.run().values()) == {"was made"}
    assert world.made == list(names)


def test_why_a_clone_cannot_be_made_is_told() -> None:
    world = with_clones(with_data=True, problem="there is no such golden")
    del world.clones["web-2"]
    assert world.run() == {"clone env_web-2__shop": "there is no such golden"}


def test_a_server_that_cannot_be_asked_lacks_nothing_and_holds_up_nothing_else() -> None:
    world = with_orphans("old-7", with_data=True, is_unasked=True)
    assert world.run() == {"old-7": "was removed", "database shop": "was not looked at"}
    assert world.made == []


def test_a_server_that_lost_more_than_the_cap_is_not_filled_by_itself() -> None:
    world = World(with_data=True, **agreeing(tuple(f"web-{n}" for n in range(11))))
    with pytest.raises(
        PartialError, match="clones of 11 environments would be made in one run, more than the cap of 10"
    ):
        world.run()
    assert world.made == []
    assert set(world.run(yes=True).values()) == {"was made"}


def test_a_yes_lifts_the_cap_but_believes_no_broken_listing() -> None:
    many = with_orphans(*(f"old-{n}" for n in range(11)))
    assert len(many.run(yes=True)) == 11
    lost = with_orphans("old-7", namespaces={"env-web-1": "web-1"})
    with pytest.raises(PartialError, match="namespaces of 1 of 3"):
        lost.run(yes=True)


def test_namespaces_are_known_by_their_labels() -> None:
    cluster = FakeCluster()
    for name, labels in {
        "env-web-1": {"app.kubernetes.io/managed-by": "layersite", "layersite.dev/environment": "web-1"},
        "env-web-2": {"layersite.dev/environment": "web-2"},
        "kube-system": None,
    }.items():
        cluster.put({"kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    assert labelled(cluster) == {"env-web-1": "web-1"}
