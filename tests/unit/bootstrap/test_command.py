"""`layersite bootstrap` on a checkout: what it writes, what it says, and when it fails."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from layersite.cli import main
from tests.unit.bootstrap.test_files import GATEWAY, INGRESS


def run(site: Path, *arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, ["--site", str(site), *arguments], env=env)


def states(site: Path, *arguments: str) -> dict[str, str]:
    result = run(site, "bootstrap", "--output", "json", *arguments)
    assert result.exit_code == 0, result.output
    return {row["what"]: row["state"] for row in json.loads(result.stdout)}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    shutil.copytree(GATEWAY, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "bootstrap")
    return tmp_path


def test_it_writes_the_files_and_then_has_nothing_to_do(site: Path) -> None:
    assert states(site) == {"bootstrap/project.yaml": "new", "bootstrap/applicationset.yaml": "new"}
    assert states(site) == {"bootstrap/project.yaml": "current", "bootstrap/applicationset.yaml": "current"}
    assert run(site, "bootstrap", "--check").exit_code == 0


def test_a_dry_run_says_the_same_and_writes_nothing(site: Path) -> None:
    assert states(site, "--dry-run") == states(site, "--dry-run")
    assert not (site / "bootstrap").exists()


def test_check_names_each_file_that_is_not_current(site: Path) -> None:
    states(site)
    (site / "bootstrap" / "project.yaml").unlink()
    with (site / "bootstrap" / "applicationset.yaml").open("a") as file:
        file.write("# by hand\n")
    result = run(site, "bootstrap", "--check")
    assert result.exit_code == 3
    assert "bootstrap/project.yaml: is missing; run `layersite bootstrap`" in result.output
    assert "bootstrap/applicationset.yaml: is not what layersite.yaml says; run" in result.output
    assert not (site / "bootstrap" / "project.yaml").exists()


def test_a_file_that_is_no_longer_needed_goes_and_others_stay(site: Path) -> None:
    shutil.copytree(INGRESS / "bootstrap", site / "bootstrap")
    (site / "bootstrap" / "bot.yaml").write_text("---\nkind: ours\n")
    assert states(site)["bootstrap/repository.yaml"] == "removed"
    assert {path.name for path in (site / "bootstrap").iterdir()} == {
        "applicationset.yaml",
        "bot.yaml",
        "project.yaml",
    }


def test_check_of_the_whole_site_notices_a_stale_file(site: Path) -> None:
    assert run(site, "check").exit_code == 0
    states(site)
    assert run(site, "check").exit_code == 0
    settings = site / "layersite.yaml"
    settings.write_text(settings.read_text().replace("preview.example.com}", "preview.example.com, ingress: {}}"))
    result = run(site, "check")
    assert result.exit_code == 3
    assert "bootstrap/project.yaml: is not what layersite.yaml says" in result.output


@pytest.mark.parametrize("command", [["bootstrap"], ["bootstrap", "--check"], ["bootstrap", "--apply"]], ids=" ".join)
def test_without_an_argo_cd_it_says_what_to_add(site: Path, command: list[str]) -> None:
    settings = site / "layersite.yaml"
    settings.write_text(settings.read_text().replace('argocd: {url: "https://argocd.example.com"}\n', ""))
    result = run(site, *command)
    assert result.exit_code == 3
    assert "argocd: there is no Argo CD to set up; add `argocd: {url: https://argocd.example.com}`" in result.output


def test_a_repository_that_argo_cd_cannot_reach_is_refused(site: Path) -> None:
    settings = site / "layersite.yaml"
    settings.write_text(settings.read_text().replace("https://git.example.com/acme", "../acme"))
    result = run(site, "bootstrap")
    assert result.exit_code == 3
    assert "'../acme/environments.git' is a path on this machine" in result.output


def test_without_kubectl_it_says_what_is_needed(site: Path) -> None:
    result = run(site, "bootstrap", "--apply", env={"PATH": str(site)})
    assert result.exit_code == 7
    assert "`kubectl` is needed here and is not on PATH" in result.output


def test_half_of_the_repository_s_credentials_is_refused(site: Path) -> None:
    result = run(site, "bootstrap", "--apply", env={"PATH": str(site), "LAYERSITE_REPOSITORY_USERNAME": "bot"})
    assert result.exit_code == 2
    assert "belong together; set both, or none" in result.output
