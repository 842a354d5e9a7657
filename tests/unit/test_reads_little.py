"""No command reads the files of environments that it does not change: they work with a clone that lacks these files."""

from pathlib import Path

import pytest

from layersite.process import git

from . import test_reconcile
from .test_reconcile import Run, close, committed, push

site, run = test_reconcile.site, test_reconcile.run


@pytest.fixture
def clone(site: Path, run: Run) -> Path:
    """The bot's clone of eight environments, with every object in a file of its own."""
    for number in range(1, 9):
        push(site, "cart", str(number))
    run("reconcile")
    for path in (site / ".layersite/store").iterdir():
        path.rename(site.parent / path.name)
    run("status")
    (clone,) = (site / ".layersite/store").glob("*.git")
    for pack in [*(clone / "objects/pack").glob("*.pack")]:
        moved = pack.rename(site.parent / pack.name)
        git("unpack-objects", "-q", cwd=clone, stdin=moved.read_bytes())
    for left in (clone / "objects/pack").iterdir():
        left.unlink()
    return clone


def remove_blobs(clone: Path, below: str = "") -> int:
    """Remove the contents of every file whose path holds `below`; return how many there were."""
    listing = git("ls-tree", "-r", "refs/heads/tip", cwd=clone).splitlines()
    blobs = {line.split()[2] for line in listing if below in line.partition("\t")[2]}
    for blob in blobs:
        (clone / "objects" / blob[:2] / blob[2:]).unlink()
    return len(blobs)


def test_what_was_read_before_is_never_read_again(site: Path, run: Run, clone: Path) -> None:
    assert remove_blobs(clone) > 8
    assert "cart-8" in run("status").output
    run("drift")
    assert "dry run" in run("reconcile", "--dry-run").output
    push(site, "cart", "9")
    run("reconcile")
    close(site, "cart", "1")
    run("reconcile")
    assert {path for path in committed(site) if path.startswith(("cart-1/", "cart-9/"))} > {"cart-1/tombstone.yaml"}
    assert sum(path.endswith("/environment.yaml") for path in committed(site)) == 8
    assert [*(site / ".layersite/store").glob("*.git")] == [clone]  # a clone that git cannot work with is made anew


def test_the_first_time_only_contracts_are_read(site: Path, run: Run, clone: Path) -> None:
    assert remove_blobs(clone, "/manifests/") > 8
    for known in (site / ".layersite/store").glob("*.parsed"):
        known.unlink()
    assert "cart-8" in run("status").output
    assert "dry run" in run("reconcile", "--dry-run").output
    assert [*(site / ".layersite/store").glob("*.git")] == [clone]


def test_a_torn_line_of_what_is_known_is_read_from_git_again(site: Path, run: Run, clone: Path) -> None:
    (known,) = (site / ".layersite/store").glob("*.parsed")
    before = run("status", "--output", "json").stdout
    known.write_bytes(known.read_bytes()[:-40] + b"\xff")
    assert run("status", "--output", "json").stdout == before
    remove_blobs(clone)
    assert run("status", "--output", "json").stdout == before
