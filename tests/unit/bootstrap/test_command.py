"""`layersite bootstrap` and `doctor` on a checkout: what they write, what they say, and when they fail."""

import json
import shutil
import subprocess
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


@pytest.fixture
def plain(site: Path) -> Path:
    """Return a site without Argo CD, whose repository is a folder."""
    settings = site / "layersite.yaml"
    text = settings.read_text().replace("https://git.example.com/acme", "remote")
    settings.write_text(text.replace('argocd: {url: "https://argocd.example.com"}\n', ""))
    remote = site / "remote" / "environments.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(remote)], check=True)
    made = subprocess.run(
        ["git", "-C", str(remote), "hash-object", "-w", "-t", "tree", "/dev/null"], capture_output=True, check=True
    )
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    argv = ["git", "-C", str(remote), *who, "commit-tree", made.stdout.decode().strip(), "-m", "first"]
    commit = subprocess.run(argv, capture_output=True, check=True).stdout.decode().strip()
    subprocess.run(["git", "-C", str(remote), "update-ref", "refs/heads/main", commit], check=True)
    return site


def findings(site: Path, code: int) -> dict[str, tuple[str, str, str]]:
    result = run(site, "doctor", "--output", "json")
    assert result.exit_code == code, result.output
    return {row["what"]: (row["state"], row["text"], row["mend"]) for row in json.loads(result.stdout)}


def test_the_doctor_finds_nothing_wrong(plain: Path) -> None:
    found = findings(plain, 0)
    assert found["environments repository"][0] == found["right to push"][0] == "ok"
    assert found["Argo CD"] == ("skipped", "layersite.yaml names none", "add `argocd` to it")


def test_the_doctor_names_what_is_wrong_and_ends_with_its_own_code(plain: Path) -> None:
    shutil.rmtree(plain / "remote")
    state, text, _ = findings(plain, 12)["environments repository"]
    assert (state, "correct `environments.url` in layersite.yaml" in text) == ("wrong", True)
    result = run(plain, "doctor", "--probe")
    assert "what is wrong comes first" in result.stdout
    assert "1 of 4 are wrong: environments repository" in result.stderr
