"""Files at a commit, read from real repositories."""

from pathlib import Path

import pytest

from layersite.forge.tree import GitTrees
from layersite.model.errors import ForgeError
from layersite.model.site import Repository
from layersite.process import git
from tests.unit.forge.test_git import commit


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    git("init", "--quiet", "--initial-branch=main", str(folder))
    return folder


@pytest.fixture(params=["filters", "sends everything"])
def trees(shop: Path, tmp_path: Path, request: pytest.FixtureRequest) -> GitTrees:
    git("config", "uploadpack.allowFilter", str(request.param == "filters").lower(), cwd=shop)
    return GitTrees({"shop": Repository(url=f"file://{shop}")}, tmp_path / "cache")


def test_a_folder_is_read_as_it_was_at_the_commit(shop: Path, trees: GitTrees) -> None:
    first = commit(shop, "one", {"db/1.sql": "é\n", "db/deep/2.sql": "", "db-not.sql": "x", "README.md": "x"})
    second = commit(shop, "two", {"db/1.sql": "changed\n"})
    assert trees.read("shop", first, "db/") == {"db/1.sql": "é\n", "db/deep/2.sql": ""}
    assert trees.read("shop", second, "db") == {"db/1.sql": "changed\n", "db/deep/2.sql": ""}
    assert trees.read("shop", first, ".").keys() == {"db/1.sql", "db/deep/2.sql", "db-not.sql", "README.md"}


def test_links_and_what_is_no_text_are_left_aside(shop: Path, trees: GitTrees) -> None:
    (shop / "db").mkdir()
    (shop / "db" / "link.sql").symlink_to("/etc/passwd")
    (shop / "db" / "picture.png").write_bytes(b"\xff\xfe\n\n")
    sha = commit(shop, "one", {"db/1.sql": "select 1;"})
    assert trees.read("shop", sha, "db") == {"db/1.sql": "select 1;"}


def test_a_folder_that_is_not_there_is_empty(shop: Path, trees: GitTrees) -> None:
    assert trees.read("shop", commit(shop, "one", {"README.md": "x"}), "db") == {}


def test_a_commit_that_is_not_there_is_an_error(shop: Path, trees: GitTrees) -> None:
    commit(shop, "one", {"README.md": "x"})
    with pytest.raises(ForgeError, match=r"repository `shop` cannot be read at 000000000000"):
        trees.read("shop", "0" * 40, "db")
