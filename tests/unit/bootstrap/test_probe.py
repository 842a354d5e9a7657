"""The probe against an Argo CD that does as it should, and against each kind that does not; nothing of it stays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from layersite.bootstrap.finding import Finding
from layersite.bootstrap.probe import Probe
from layersite.model.environment import Environment, Lease
from layersite.model.errors import StoreError
from layersite.model.yaml import Yaml, load_all
from layersite.render import Renderer
from layersite.render.layout import git_tree_id
from layersite.store import Entry
from tests.unit.bootstrap.fakes import ARGOCD, SITE, FakeCluster, Shelf, catalog

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@cache
def _renderer() -> Renderer:
    return Renderer(SITE, catalog(), Path())


@dataclass
class Site:
    """An environments repository, and an Argo CD that acts on each commit at once."""

    is_asleep: bool = False
    lets_pass: set[str] = field(default_factory=set)
    leaves_namespace: bool = False
    project: str = "layersite"
    cluster: FakeCluster = field(default_factory=FakeCluster)
    seen: list[Mapping[str, bytes] | None] = field(default_factory=list)
    nudged: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Shelf(self.sync)

    def run(self) -> dict[str, Finding]:
        return Probe(
            site=SITE,
            catalog=catalog(),
            store=self.store,
            cluster=self.cluster,
            render=_renderer().render,
            nudge=self.nudge,
            now=lambda: NOW,
            tell=lambda step: None,
            seconds=0,
        ).run()

    def nudge(self, before: str | None, after: str, names: Iterable[str]) -> None:
        self.nudged += names

    def sync(self, files: Mapping[str, bytes] | None, name: str) -> None:
        self.seen.append(files)
        place, namespace = ("application.argoproj.io", f"env-{name}", ARGOCD), ("namespace", f"env-{name}", "")
        if files is None:
            self.cluster.objects.pop(place, None)
            if not self.leaves_namespace:
                self.cluster.objects.pop(namespace, None)
        elif not self.is_asleep:
            self.cluster.objects[namespace] = {"kind": "Namespace"}
            self.cluster.objects[place] = self.application(files, name)

    def application(self, files: Mapping[str, bytes], name: str) -> Yaml:
        walls = list(load_all(files.get("manifests/walls.yaml", b"").decode(), "walls.yaml"))
        for item in walls:
            if item["kind"] in self.lets_pass:
                group = item["apiVersion"].rpartition("/")[0]
                kind = f"{item['kind'].lower()}{group and '.' + group}"
                self.cluster.objects[kind, item["metadata"]["name"], item["metadata"].get("namespace", "")] = item
        refused = [
            {"kind": item["kind"], "message": f"resource {item['kind']} is not permitted in project layersite"}
            for item in walls
            if item["kind"] not in self.lets_pass
        ]
        return {
            "spec": {"project": self.project, "destination": {"namespace": f"env-{name}"}},
            "status": {
                "sync": {"status": "OutOfSync" if refused else "Synced"},
                "health": {"status": "Healthy"},
                "operationState": {
                    "phase": "Running" if refused else "Succeeded",
                    "syncResult": {"resources": refused},
                },
            },
        }


def states(found: Mapping[str, Finding]) -> list[str]:
    return [found[name].state for name in ("probe appears", "probe stays in its walls", "probe disappears")]


def test_it_appears_is_kept_in_its_walls_and_disappears() -> None:
    site = Site()
    found = site.run()
    assert states(found) == ["ok", "ok", "ok"], found
    assert not site.store.entries
    assert not site.cluster.objects
    assert len(set(site.nudged)) == 1


def test_it_tries_what_no_environment_may_contain() -> None:
    site = Site()
    site.run()
    (walls,) = {files["manifests/walls.yaml"] for files in site.seen if files and "manifests/walls.yaml" in files}
    outside = {item["kind"]: item for item in load_all(walls.decode(), "walls.yaml")}
    assert outside.keys() == {"ClusterRole", "Namespace", "ConfigMap", "Application"}
    assert not outside["Namespace"]["metadata"]["name"].startswith("env-")
    assert outside["ConfigMap"]["metadata"]["namespace"] == "default"
    assert outside["Application"]["spec"]["project"] == "default"


def test_each_commit_is_locked_so_that_the_bot_leaves_it_alone() -> None:
    site = Site()
    site.run()
    for files in filter(None, site.seen):
        (document,) = load_all(files["environment.yaml"].decode(), "environment.yaml")
        environment = Environment.model_validate(document)
        manifests = {path.removeprefix("manifests/"): data for path, data in files.items() if "/" in path}
        assert environment.render is not None
        assert environment.render.manifests == git_tree_id(manifests)
        assert environment.lease is not None
        assert environment.lease.until == "2026-01-02T04:04:05Z"


def test_an_argo_cd_that_makes_nothing_of_it() -> None:
    site = Site(is_asleep=True)
    found = site.run()
    assert states(found) == ["wrong", "skipped", "ok"]
    assert found["probe appears"].text == "after 0 s there was no application of it"
    assert "see it in Argo CD" in found["probe appears"].mend
    assert not site.store.entries


@pytest.mark.parametrize("kind", ["ClusterRole", "Namespace", "ConfigMap", "Application"])
def test_a_project_that_lets_something_pass(kind: str) -> None:
    found = Site(lets_pass={kind}).run()["probe stays in its walls"]
    assert found.state == "wrong"
    assert found.text.startswith(f"Argo CD made {kind} ")
    assert found.mend == "see the AppProject `layersite`"


def test_an_application_of_another_project() -> None:
    found = Site(project="default").run()
    assert found["probe appears"].text == "its application is in another project or namespace"
    assert found["probe appears"].mend == "run `layersite bootstrap --apply`"


def test_a_namespace_that_stays() -> None:
    found = Site(leaves_namespace=True).run()["probe disappears"]
    assert found.state == "wrong"
    assert found.text.startswith("after 0 s there still is the namespace `env-layersite-probe-")


def test_what_a_killed_probe_left_goes_and_nothing_else() -> None:
    site = Site()
    for name, by in (("layersite-probe-0a1b2c", "layersite doctor --probe"), ("layersite-probe-demo", "alice")):
        lease = Lease(until="2026-01-02T04:00:00Z", by=by)
        left = Environment(name=name, cluster="in-cluster", namespace=f"env-{name}", slice={}, lease=lease)
        site.store.entries[name] = Entry(left, None, "tree", None)
    site.run()
    assert set(site.store.entries) == {"layersite-probe-demo"}


def test_a_repository_that_somebody_else_changes() -> None:
    site = Site()
    site.store.is_contended = True
    with pytest.raises(StoreError, match="somebody else changed layersite-probe-"):
        site.run()
