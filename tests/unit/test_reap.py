"""What is left in the cluster without an environment goes, and nothing that lives ever does."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from layersite.cluster.listing import labelled
from layersite.model.environment import Tombstone
from layersite.model.errors import ArgoCDError, LayersiteError, PartialError
from layersite.reap import Reaper
from layersite.store import Entry, Snapshot

from .cluster.fake import FakeCluster
from .plan.conftest import make_site
from .test_follow import environment


@dataclass
class World:
    """A repository, an Argo CD and a cluster, of which each may answer wrongly."""

    committed: tuple[str, ...] = ("web-1", "web-2", "web-3")
    applications_of: tuple[str, ...] = ("web-1", "web-2", "web-3")
    namespaces: dict[str, str] = field(default_factory=lambda: {f"env-web-{n}": f"web-{n}" for n in (1, 2, 3)})
    is_down: bool = False
    problem: str | None = None
    reaped: list[str] = field(default_factory=list)

    def read(self) -> Snapshot:
        return Snapshot("c" * 40, {name: Entry(environment(name), None, "t", "m") for name in self.committed})

    def applications(self) -> list[str]:
        if self.is_down:
            raise ArgoCDError("Argo CD is down")
        return [f"env-{name}" for name in self.applications_of]

    def reap(self, tombstones: Sequence[Tombstone]) -> dict[str, str | None]:
        self.reaped += [stone.namespace for stone in tombstones]
        return {stone.name: self.problem for stone in tombstones}

    def run(self, *, dry_run: bool = False, yes: bool = False) -> dict[str, str]:
        site = make_site(argocd={"url": "https://argocd.example.com"})
        reaper = Reaper(site, self.read, self.applications, lambda: self.namespaces, self.reap)
        return {orphan.name: outcome for orphan, outcome in reaper.reap(dry_run=dry_run, yes=yes)}


def with_orphans(*names: str, **more: object) -> World:
    world = World(**more)  # type: ignore[arg-type]
    world.namespaces |= {f"env-{name}": name for name in names}
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
