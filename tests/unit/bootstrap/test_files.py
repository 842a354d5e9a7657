"""What `bootstrap/` holds: byte for byte as in sites/, and nothing that an environment could abuse.

Renew it with `layersite --site tests/unit/bootstrap/sites/<site> bootstrap`, and read the difference.
"""

from pathlib import Path

import pytest
from click.testing import CliRunner

from layersite.bootstrap import files
from layersite.cli import main
from layersite.model.site import load_site
from layersite.model.yaml import Yaml, load_all

SITES = Path(__file__).parent / "sites"
GATEWAY, INGRESS = SITES / "gateway", SITES / "ingress-and-store"


def rendered(folder: Path, name: str) -> Yaml:
    (document,) = load_all((folder / "bootstrap" / name).read_text(), name)
    return document


@pytest.mark.parametrize("folder", [GATEWAY, INGRESS], ids=lambda folder: folder.name)
def test_the_files_are_these(folder: Path) -> None:
    wanted = files(load_site(folder)[0])
    assert {path.name: path.read_bytes() for path in (folder / "bootstrap").iterdir()} == wanted


@pytest.mark.parametrize("folder", [GATEWAY, INGRESS], ids=lambda folder: folder.name)
def test_an_application_is_called_as_the_bot_expects_it(folder: Path) -> None:
    site, _ = load_site(folder)
    template = rendered(folder, "applicationset.yaml")["spec"]["template"]
    name = template["metadata"]["name"].replace("{{ .path.basename }}", "web-42")
    assert name == site.application("web-42")
    assert template["spec"]["destination"]["namespace"] == template["metadata"]["name"]


def test_only_the_cluster_comes_from_what_an_environment_says_itself() -> None:
    text = (GATEWAY / "bootstrap" / "applicationset.yaml").read_text()
    taken = {part.split("}}")[0].strip() for part in text.split("{{")[1:]}
    assert taken == {".path.basename", ".path.path", ".cluster"}


def test_everything_that_the_bot_renders_is_allowed(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--site", str(GATEWAY), "render", "--app", "web", "--directory", str(tmp_path)])
    assert result.exit_code == 0, result.output
    objects = [item for path in tmp_path.glob("manifests/*.yaml") for item in load_all(path.read_text(), path.name)]
    kinds = {(item["apiVersion"].rpartition("/")[0], item["kind"]) for item in objects}
    allowed = rendered(GATEWAY, "project.yaml")["spec"]["namespaceResourceWhitelist"]
    assert {kind for kind in kinds if kind[1] in {"EndpointSlice", "HTTPRoute", "ExternalSecret"}}
    assert kinds - {(each["group"], each["kind"]) for each in allowed} == {("", "Namespace")}


def test_no_kind_that_policy_refuses_gets_into_the_project() -> None:
    allowed = {each["kind"] for each in rendered(INGRESS, "project.yaml")["spec"]["namespaceResourceWhitelist"]}
    assert "ServiceMonitor" in allowed
    assert not allowed & {"Secret", "Application", "HTTPRoute", "*"}
