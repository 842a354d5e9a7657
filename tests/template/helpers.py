"""Generate sites from a template and look at what they consist of."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import copier

__all__ = ["PRODUCT_ONLY", "ROOT", "commit_all", "contents", "copy_work_tree", "generate", "git", "work_tree"]

ROOT = Path(__file__).parents[2]
PRODUCT_ONLY = ("src/", "docs/", "benchmarks/", "tests/", "changelog.d/", ".ci/", "pyproject.toml", "uv.lock")


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, encoding="utf-8").stdout


def commit_all(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def work_tree() -> list[str]:
    """Return the paths of this repository's files, those that are not committed yet among them."""
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return sorted(name for name in set(listed) if name and (ROOT / name).is_file())


def copy_work_tree(target: Path, without: tuple[str, ...] = ()) -> None:
    for name in work_tree():
        if name.startswith(without) and not name.startswith("tests/smoke/"):
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)


def generate(template: Path, site: Path, vcs_ref: str | None = None, **answers: Any) -> Path:
    """Answer the questions with `answers`, the others with their defaults; nothing is trusted."""
    copier.run_copy(str(template), site, data=answers, vcs_ref=vcs_ref, defaults=True, unsafe=False, quiet=True)
    return site


def contents(site: Path) -> dict[str, bytes]:
    """Return every file of `site` by its path, those of git aside."""
    files = (path for path in site.rglob("*") if path.is_file() and ".git" not in path.relative_to(site).parts)
    return {path.relative_to(site).as_posix(): path.read_bytes() for path in files}
