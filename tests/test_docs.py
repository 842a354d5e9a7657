"""The documents say what the program does: generated pages are current, links lead somewhere, commands exist."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import generate  # noqa: E402  the generator lies beside the pages

from layersite.cli import main  # noqa: E402

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_the_reference_pages_are_current() -> None:
    reference = ROOT / "docs" / "reference"
    assert (reference / "cli.md").read_text(encoding="utf-8") == generate.command_page()
    assert (reference / "files.md").read_text(encoding="utf-8") == generate.file_page()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_session_that_is_named_exists(page: Path) -> None:
    known = {*re.findall(r"(?m)^    def (\w+)\(session|^def (\w+)\(session", (ROOT / "noxfile.py").read_text())}
    sessions = {name for pair in known for name in pair if name} | set(main.commands)
    named = re.findall(r"noxfile\.py -s (\w+)", page.read_text(encoding="utf-8"))
    assert set(named) <= sessions


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = "python3 noxfile.py -s tests"
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == command
