"""A copy of the work tree as template, apart from the settings of the user who runs the tests."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.template.helpers import PRODUCT_ONLY, ROOT, commit_all, copy_work_tree, git


@pytest.fixture(autouse=True, scope="package")
def _isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("home")
    config = home / "gitconfig"
    config.write_text("[user]\n  name = Test\n  email = test@example.com\n[init]\n  defaultBranch = main\n")
    settings = home / "settings.yml"
    settings.write_text("{}\n")
    with pytest.MonkeyPatch.context() as patch:
        for variable, tool in (("UV_CACHE_DIR", "uv"), ("PIP_CACHE_DIR", "pip")):  # whose downloads are worth keeping
            patch.setenv(variable, os.environ.get(variable, str(Path.home() / ".cache" / tool)))
        patch.setenv("HOME", str(home))
        patch.setenv("GIT_CONFIG_GLOBAL", str(config))
        patch.setenv("COPIER_CACHE_DIR", str(home / "copier"))
        patch.setenv("COPIER_SETTINGS_PATH", str(settings))
        patch.delenv("VIRTUAL_ENV", raising=False)
        yield


@pytest.fixture(scope="package")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a folder without history."""
    folder = tmp_path_factory.mktemp("plain")
    copy_work_tree(folder)
    return folder


@pytest.fixture(scope="package")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The questions, and the one file that the answers land in; enough where nothing else matters."""
    folder = tmp_path_factory.mktemp("questions")
    for name in ("copier.yml", "layersite.yaml.jinja"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="package")
def template(tmp_path_factory: pytest.TempPathFactory, _isolated: None) -> Path:
    """The template as a git repository with one version, v0.0.2."""
    return _release(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="package")
def shipped(tmp_path_factory: pytest.TempPathFactory, _isolated: None) -> Path:
    """The same without what only the product needs, for copier renders each path, also of what it leaves out."""
    return _release(tmp_path_factory.mktemp("shipped"), PRODUCT_ONLY)


def _release(folder: Path, without: tuple[str, ...] = ()) -> Path:
    copy_work_tree(folder, without)
    git(folder, "init", "--quiet")
    commit_all(folder, "feat: everything")
    git(folder, "tag", "v0.0.2")
    return folder
