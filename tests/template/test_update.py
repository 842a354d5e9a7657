"""Rule 5: a site with local edits moves from the previous version to this one without a conflict.

The previous version is made up, so that every kind of difference occurs; the last test takes the real one from history.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import copier
import pytest

from layersite.model.site import load_site
from tests.template.helpers import PRODUCT_ONLY, ROOT, commit_all, contents, copy_work_tree, generate, git


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def update(site: Path) -> None:
    copier.run_update(site, defaults=True, overwrite=True, unsafe=False, quiet=True, vcs_ref="v0.0.2")


@pytest.fixture(scope="module")
def versions(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with an older version, v0.0.1, that lacks some of what v0.0.2 has."""
    folder = tmp_path_factory.mktemp("versions") / "template"
    shutil.copytree(shipped, folder)
    git(folder, "tag", "--delete", "v0.0.2")
    edit(folder / "layersite.yaml.jinja", "safety:\n  removals: 10\n  percent: 5\n", "")
    edit(folder / "README.md.jinja", "## Updates\n", "## Upgrades\n")
    edit(folder / "noxfile.py", "Show the environments", "List the environments")
    (folder / "apps/hello-web/overlays/web.yaml.j2").unlink()
    (folder / "environments/OLD.md").write_text("Gone in the next version.\n", encoding="utf-8")
    commit_all(folder, "chore: an older version")
    git(folder, "tag", "v0.0.1")
    git(folder, "revert", "--no-edit", "HEAD")
    git(folder, "tag", "v0.0.2")
    return folder


@pytest.fixture(scope="module")
def old_site(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of v0.0.1 with the edits of its team and an environment of its bot."""
    folder = generate(versions, tmp_path_factory.mktemp("old") / "site", vcs_ref="v0.0.1", organization="Acme")
    git(folder, "init", "--quiet")
    commit_all(folder, "feat: a new site")
    edit(
        folder / "layersite.yaml", "repositories: {}", "repositories:\n  web:\n    url: https://git.example.com/web.git"
    )
    edit(folder / "layersite.yaml", "lease_hours: 72", "lease_hours: 24")
    edit(folder / "README.md", "# Environments", "# Acme's environments")
    edit(folder / "apps/hello-web/app.yaml", "base:\n", "repository: web\nbase:\n")
    shutil.rmtree(folder / "apps/hello-api")
    environment = folder / "environments/3f/web-42/environment.yaml"
    environment.parent.mkdir(parents=True)
    environment.write_text("---\nname: web-42\n", encoding="utf-8")
    commit_all(folder, "feat: our own")
    return folder


@pytest.fixture(scope="module")
def before(old_site: Path) -> Mapping[str, bytes]:
    """What the site held before its update."""
    return contents(old_site)


@pytest.fixture(scope="module")
def site(old_site: Path, before: Mapping[str, bytes]) -> Path:
    """The same site after its update, nothing committed yet."""
    update(old_site)
    return old_site


def test_an_update_leaves_no_conflict(site: Path) -> None:
    assert git(site, "ls-files", "--unmerged") == ""
    assert git(site, "diff", "--check") == ""
    assert not [path for path in contents(site) if path.endswith((".rej", ".orig"))]


def test_an_update_keeps_what_the_team_wrote(site: Path) -> None:
    settings, _ = load_site(site)
    assert (settings.organization, settings.lease_hours, list(settings.repositories)) == ("Acme", 24, ["web"])
    assert (site / "README.md").read_text("utf-8").startswith("# Acme's environments")
    assert "repository: web" in (site / "apps/hello-web/app.yaml").read_text("utf-8")


def test_an_update_brings_what_is_new(site: Path) -> None:
    assert "safety:" in (site / "layersite.yaml").read_text("utf-8")
    assert "## Updates" in (site / "README.md").read_text("utf-8")
    assert "Show the environments" in (site / "noxfile.py").read_text("utf-8")


def test_an_update_adds_and_removes_files_but_no_environment(site: Path, before: Mapping[str, bytes]) -> None:
    after = contents(site)
    assert after.keys() - before.keys() == {"apps/hello-web/overlays/web.yaml.j2"}
    assert before.keys() - after.keys() == {"environments/OLD.md"}


def test_an_update_moves_the_bot_to_the_new_commit(site: Path, versions: Path) -> None:
    assert git(versions, "rev-parse", "v0.0.2").strip() in (site / "requirements/layersite.txt").read_text("utf-8")
    assert "_commit: v0.0.2" in (site / ".copier-answers.yml").read_text("utf-8")


def test_a_second_update_changes_nothing(site: Path, tmp_path: Path) -> None:
    again = shutil.copytree(site, tmp_path / "again")
    commit_all(again, "chore: update")
    update(again)
    assert git(again, "status", "--porcelain") == ""


SHIPPED = ("copier.yml", "*.jinja", "noxfile.py", "apps", "environments", "requirements", "schemas", "tests/smoke")


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a site consists of: the last commit that shipped something else as v0.0.1, and the work tree as v0.0.2."""
    history = git(ROOT, "rev-list", "--first-parent", "HEAD", "--", *SHIPPED).split()
    older = [commit for commit in history if git(ROOT, "diff", "--name-only", commit, "--", *SHIPPED)]
    if not older:
        pytest.skip("this clone has no commit that shipped something else; fetch the whole history")
    folder = tmp_path_factory.mktemp("releases") / "template"
    git(ROOT, "clone", "--quiet", "--no-checkout", f"file://{ROOT}", str(folder))
    git(folder, "checkout", "--quiet", "-B", "main", older[0])
    git(folder, "rm", "-r", "--quiet", "--ignore-unmatch", "--", *PRODUCT_ONLY, ":!tests/smoke")
    commit_all(folder, "feat: what there was")
    git(folder, "tag", "--force", "v0.0.1")
    git(folder, "rm", "-r", "--quiet", ".")
    copy_work_tree(folder, PRODUCT_ONLY)
    commit_all(folder, "feat: what comes next")
    git(folder, "tag", "--force", "v0.0.2")
    return folder


def test_an_update_from_the_previous_commit_of_the_template_leaves_no_conflict(releases: Path, tmp_path: Path) -> None:
    site = generate(releases, tmp_path / "site", vcs_ref="v0.0.1", organization="Acme")
    git(site, "init", "--quiet")
    commit_all(site, "feat: a new site")
    edit(site / "layersite.yaml", "lease_hours: 72", "lease_hours: 24")
    edit(site / "README.md", "# Environments", "# Acme's environments")
    edit(site / "apps/hello-web/app.yaml", "base:\n", "replicas: 2\nbase:\n")
    commit_all(site, "feat: our own")
    update(site)
    assert git(site, "ls-files", "--unmerged") == ""
    assert git(site, "diff", "--check") == ""
    assert load_site(site)[0].lease_hours == 24
    assert (site / "README.md").read_text("utf-8").startswith("# Acme's environments")
    assert "replicas: 2" in (site / "apps/hello-web/app.yaml").read_text("utf-8")
    assert (site / "noxfile.py").read_bytes() == (ROOT / "noxfile.py").read_bytes()
