"""The whole offline path on a real shop: adopt, slice, render, and nothing leaves the namespace."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from layersite.cli import main
from layersite.model.catalog import load_catalog
from layersite.model.site import load_site
from layersite.model.yaml import dump, load_all
from layersite.plan import decide_slice

BOUTIQUE = Path(__file__).parents[3] / "shared" / "samples" / "online-boutique"
pytestmark = pytest.mark.skipif(not BOUTIQUE.is_dir(), reason="the Online Boutique samples are not beside the checkout")
SITE = {
    "organization": "acme",
    "environments": {"url": "environments.git"},
    "cluster": {"baseline": {"namespace": "staging"}},
    "exposure": {"domain": "preview.example.com"},
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "layersite.yaml").write_text(dump(SITE))
    source = BOUTIQUE / "release" / "kubernetes-manifests.yaml"
    result = CliRunner().invoke(main, ["--site", str(tmp_path), "adopt", str(source), "--output", "json"])
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["apps"]) >= 11
    return tmp_path


def test_a_change_to_the_cart_isolates_what_leads_to_it(site: Path) -> None:
    settings, _ = load_site(site)
    slots = decide_slice({"cartservice": "shop#1"}, settings, load_catalog(site, settings))
    assert {app: slot.reason for app, slot in slots.items() if slot.provision == "isolated"} == {
        "cartservice": "it changed in shop#1",
        "checkoutservice": "it calls `cartservice`, which changed in shop#1",
        "frontend": "it calls `cartservice`, which changed in shop#1",
    }
    assert {
        slot.provision for app, slot in slots.items() if app not in {"cartservice", "checkoutservice", "frontend"}
    } == {"shared"}


def test_it_passes_every_check_and_stays_in_its_namespace(site: Path) -> None:
    assert CliRunner().invoke(main, ["--site", str(site), "check"]).exit_code == 0
    out = site / "out"
    result = CliRunner().invoke(main, ["--site", str(site), "render", "--app", "cartservice", "--directory", str(out)])
    assert result.exit_code == 0, result.output
    objects = [item for path in sorted(out.glob("manifests/*.yaml")) for item in load_all(path.read_text(), path.name)]
    assert {item["metadata"]["namespace"] for item in objects if item["kind"] != "Namespace"} == {"env-render"}
