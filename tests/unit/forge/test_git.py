"""Plain git as a forge, with real repositories."""

from collections.abc import Callable
from pathlib import Path

import pytest

from layersite.forge import GitForge
from layersite.model.change import Change
from layersite.model.errors import ForgeError
from layersite.model.site import Repository
from layersite.process import git

Commit = Callable[..., str]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    git("init", "--quiet", "--initial-branch=main", str(folder))
    commit(folder, "start", {"web/index.html": "hello", "README.md": "shop"})
    return folder


@pytest.fixture
def forge(shop: Path, tmp_path: Path) -> GitForge:
    return GitForge({"shop": Repository(url=str(shop))}, "change/", tmp_path / "cache")


def commit(folder: Path, message: str, files: dict[str, str]) -> str:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git("add", "-A", cwd=folder)
    git("commit", "--quiet", "--allow-empty", "-m", message, cwd=folder)
    return git("rev-parse", "HEAD", cwd=folder).strip()


def branch(folder: Path, name: str, message: str = "work", files: dict[str, str] | None = None) -> str:
    git("checkout", "--quiet", "-b", f"change/{name}", "main", cwd=folder)
    sha = commit(folder, message, files or {"web/index.html": name})
    git("checkout", "--quiet", "main", cwd=folder)
    return sha


def test_branches_below_the_prefix_are_the_changes(shop: Path, forge: GitForge) -> None:
    sha = branch(shop, "new-cart")
    git("branch", "elsewhere", cwd=shop)
    (change,) = forge.changes()
    assert (change.repository, change.number, change.branch, change.sha) == ("shop", None, "new-cart", sha)
    assert change.files == ("web/index.html",)


def test_a_branch_that_is_a_number_is_the_change_of_that_number(shop: Path, forge: GitForge) -> None:
    branch(shop, "42")
    assert str(forge.changes()[0]) == "shop#42"


def test_title_and_trailers_come_from_the_head_commit(shop: Path, forge: GitForge) -> None:
    branch(shop, "x", "Add a cart\n\nBecause.\n\nLabels: ui, slow\nEnvironment: friday\n")
    (change,) = forge.changes()
    assert (change.title, change.labels, change.environment) == ("Add a cart", ("ui", "slow"), "friday")


def test_a_merge_to_the_default_branch_adds_no_file_to_a_change(shop: Path, forge: GitForge) -> None:
    branch(shop, "x", files={"web/a": "1"})
    commit(shop, "elsewhere", {"README.md": "new"})
    assert forge.changes()[0].files == ("web/a",)


def test_a_renamed_file_counts_at_both_places(shop: Path, forge: GitForge) -> None:
    git("checkout", "--quiet", "-b", "change/x", cwd=shop)
    (shop / "cart").mkdir()
    git("mv", "web/index.html", "cart/index.html", cwd=shop)
    commit(shop, "move", {})
    assert forge.changes()[0].files == ("cart/index.html", "web/index.html")


def test_a_branch_with_a_history_of_its_own_may_touch_everything(shop: Path, forge: GitForge) -> None:
    git("checkout", "--quiet", "--orphan", "change/x", cwd=shop)
    commit(shop, "anew", {"web/a": "1"})
    assert forge.changes()[0].files is None


def test_a_deleted_branch_is_a_closed_change(shop: Path, forge: GitForge) -> None:
    branch(shop, "x")
    (change,) = forge.changes()
    git("branch", "-D", "change/x", cwd=shop)
    assert forge.changes() == []
    assert forge.find(change) is None


def test_a_pushed_commit_moves_the_change(shop: Path, forge: GitForge) -> None:
    branch(shop, "x")
    (before,) = forge.changes()
    git("checkout", "--quiet", "change/x", cwd=shop)
    sha = commit(shop, "more", {"web/more": "1"})
    found = forge.find(before)
    assert found is not None
    assert found.sha == sha
    assert forge.changes()[0].sha == sha


@pytest.mark.parametrize("name", ["-rf", "Straße", "cod\u202ee", "a$(reboot)", "`id`", "x" * 180, "{{7}}", "a;b&c|d"])
def test_odd_branch_names_arrive_as_they_are(shop: Path, forge: GitForge, name: str) -> None:
    branch(shop, name)
    (change,) = forge.changes()
    assert change.branch == name
    assert forge.find(change) is not None


def test_hostile_messages_arrive_as_text(shop: Path, forge: GitForge) -> None:
    branch(shop, "x", "$(id) `id` {{ 7*7 }} \x1b[31m\n\nLabels: {{x}}, `y`\n")
    (change,) = forge.changes()
    assert change.title == "$(id) `id` {{ 7*7 }} \x1b[31m"
    assert change.labels == ("{{x}}", "`y`")


def test_one_repository_that_cannot_be_read_fails_the_whole_listing(shop: Path, tmp_path: Path) -> None:
    gone = Repository(url=str(tmp_path / "gone"))
    forge = GitForge({"shop": Repository(url=str(shop)), "gone": gone}, "change/", tmp_path / "cache")
    with pytest.raises(ForgeError, match="repository `gone` cannot be read, so nothing was decided"):
        forge.changes()


def test_a_default_branch_that_is_missing_fails_the_listing(shop: Path, tmp_path: Path) -> None:
    forge = GitForge({"shop": Repository(url=str(shop), branch="trunk")}, "change/", tmp_path / "cache")
    with pytest.raises(ForgeError, match="trunk"):
        forge.changes()


def test_a_password_in_an_address_is_not_shown(tmp_path: Path) -> None:
    url = "http://bot@127.0.0.1:1/shop.git"
    forge = GitForge({"shop": Repository(url=url)}, "change/", tmp_path / "cache")
    with pytest.raises(ForgeError) as caught:
        forge.find(Change("shop", None, "x", ""))
    assert "bot@" not in str(caught.value)


def test_refs_resolve_to_commits(shop: Path, forge: GitForge) -> None:
    head = git("rev-parse", "main", cwd=shop).strip()
    git("tag", "-a", "v1", "-m", "v1", cwd=shop)
    assert {forge.resolve("shop", ref) for ref in ("main", "v1", head)} == {head}


@pytest.mark.parametrize(("repository", "ref", "text"), [("shop", "nope", "no branch or tag `nope`"),
                                                         ("shp", "main", "did you mean `shop`")])  # fmt: skip
def test_what_does_not_resolve_is_an_error(forge: GitForge, repository: str, ref: str, text: str) -> None:
    with pytest.raises(ForgeError, match=text):
        forge.resolve(repository, ref)
