"""What a real Argo CD calls different, and that it goes on when one commit takes the place of the history."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from layersite.store import Store
from tests.e2e.argocd_site import Site, deployment, make_site
from tests.testbed import Bed, wait_for

PROBED = {"readinessProbe": {"httpGet": {"path": "/readyz", "port": 9898}, "periodSeconds": 1}}


@pytest.fixture(scope="module")
def site(bed: Bed) -> Iterator[Site]:
    with make_site(bed) as made:
        yield made


def podinfo(bed: Bed) -> dict[str, Any]:
    return deployment("web", f"{bed.registry}/podinfo:latest", **PROBED)


def settings(name: str, key: str, **annotations: str) -> dict[str, Any]:
    metadata = {"name": name, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {key: "x"}}


def test_what_differs_is_missing_or_no_longer_committed(site: Site, bed: Bed) -> None:
    kept = settings("kept", "key", **{"argocd.argoproj.io/sync-options": "Prune=false"})
    site.wait("drift", site.push("drift", podinfo(bed), kept))
    assert site.argocd.differences(site.name("drift")) == ()
    moved = podinfo(bed)
    moved["spec"]["selector"]["matchLabels"] = moved["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    site.push("drift", moved, settings("refused", "no key"))

    def found() -> dict[str, str]:
        return {f"{each.kind} {each.name}": each.how for each in site.argocd.differences(site.name("drift"))}

    wait_for("three differences", lambda: len(found()) == 3)
    assert found() == {
        "ConfigMap kept": "is no longer committed",
        "ConfigMap refused": "is missing in the cluster",
        "Deployment web": "differs from what was committed",
    }
    (web,) = [each for each in site.argocd.differences(site.name("drift")) if each.kind == "Deployment"]
    assert "app: other" in web.wanted
    assert "app: other" not in web.live


def test_argo_cd_and_who_waits_go_on_across_a_squash(site: Site, bed: Bed, tmp_path: Path) -> None:
    before = site.push("before", podinfo(bed))
    site.wait("before", before)
    url = site.url.replace("://", f"://{bed.gitea_user}:{bed.gitea_token}@")
    store = Store(url, "main", tmp_path / "store")
    replaced = store.squash(None)
    assert replaced == (before, site.head())
    site.argocd.nudge(site.url, "main", before, site.head(), [])
    name = site.name("before")
    wait_for("the new line", lambda: site.argocd.applications()[name].status.sync.revision == site.head())
    assert site.wait("before", before, contains=store.contains).outcome == "healthy"
    after = site.push("after", podinfo(bed))
    assert site.wait("after", after, contains=store.contains).outcome == "healthy"
