"""How much the branch's history costs, and how one commit takes its place: by compare-and-swap, with nothing lost.

The old line stays on the host under a ref of its own, so that whoever waits for a commit of it can still be answered.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pygit2

from layersite.folder import private_folder
from layersite.model.errors import StoreError
from layersite.process import CommandError, git, redact
from layersite.store.clone import ARCHIVE, Clone
from layersite.store.graft import write_commit
from layersite.store.refusal import explain

__all__ = ["Costs", "measure", "squash", "write_bundle"]

_TIMEOUT = 3600.0
_ALL = f"+{ARCHIVE}*:{ARCHIVE}*"


@dataclass(frozen=True)
class Costs:
    """What the branch has: commits, those of the last week, bytes of a whole clone and of one without history."""

    commits: int
    last_week: int
    whole_bytes: int
    shallow_bytes: int
    archives: int


def measure(url: str, branch: str, archives: int) -> Costs:
    """Clone the branch whole and without history, for a moment; say what that takes. Raises StoreError, ToolError."""
    with private_folder() as folder:
        whole, shallow = folder / "whole", folder / "shallow"
        _clone(whole, url, f"+refs/heads/{branch}:refs/heads/{branch}")
        _clone(shallow, url, f"+refs/heads/{branch}:refs/heads/{branch}", "--depth=1")
        since = ("--since=7 days ago",)
        counts = [int(git("rev-list", "--count", *more, branch, cwd=whole)) for more in ((), since)]
        return Costs(counts[0], counts[1], _size(whole), _size(shallow), archives)


def squash(
    clone: Clone,
    bundle: Callable[[pygit2.Oid], None] | None,
    attempts: int,
    wait: Callable[[int, float], None],
    now: int,
) -> tuple[str, str] | None:
    """Replace the branch's history by one commit with the same files; return old tip and new, None if it has one.

    Where `bundle` has written down the whole history, refs of what was replaced earlier are removed.

    Raises:
        StoreError: the host refused, or others were faster at every attempt; then nothing changed.
    """
    mine: pygit2.Oid | None = None
    before, said = "", ""
    for attempt in range(attempts):
        began = time.monotonic()
        tip = clone.fetch()
        if tip is not None and mine is not None and clone.contains(tip, mine):
            return before, str(mine)  # it had landed, only the acknowledgement was lost
        if tip is None or not _has_parents(clone.repo, tip):
            return None
        if bundle is not None:
            bundle(tip)
        mine, before = _root(clone.repo, tip, now), str(tip)
        gone = {ref: (at, "") for ref, at in clone.refs(f"{ARCHIVE}*").items()} if bundle else {}
        refusal = clone.move({**gone, clone.branch: (before, str(mine)), f"{ARCHIVE}{before}": ("", before)})
        if refusal is None:
            clone.fetch()
            return before, str(mine)
        said = refusal.message
        if "non-fast-forward" in said:
            text = "the host lets nobody replace history on it; allow it for this account and this once"
            raise StoreError(f"cannot squash `{clone.branch}`: {text}\n{said}")
        if not refusal.is_passing:
            raise StoreError(f"cannot squash `{clone.branch}`: {said}")
        wait(attempt, began)
    raise StoreError(f"{attempts} attempts to squash `{clone.branch}` came too late, nothing changed: {said}")


def write_bundle(url: str, branch: str, file: Path, tip: pygit2.Oid) -> None:
    """Write the branch up to `tip`, and what was replaced earlier, to `file`, and read it again.

    Raises StoreError, ToolError.
    """
    with private_folder() as folder:
        whole, path = folder / "whole", str(file.resolve())
        _clone(whole, url, f"+refs/heads/{branch}:refs/heads/{branch}", _ALL)
        git("update-ref", f"refs/heads/{branch}", str(tip), cwd=whole)
        git("bundle", "create", "--quiet", path, "--all", cwd=whole, timeout=_TIMEOUT)
        git("bundle", "verify", "--quiet", path, cwd=whole, timeout=_TIMEOUT)


def _has_parents(repo: pygit2.Repository, commit: pygit2.Oid) -> bool:
    """Tell by the commit's own words: where a clone's history ends, libgit2 shows none."""
    return b"\nparent " in repo[commit].read_raw().partition(b"\n\n")[0]


def _root(repo: pygit2.Repository, tip: pygit2.Oid, now: int) -> pygit2.Oid:
    when = datetime.fromtimestamp(now, UTC).date()
    text = f"history until {when} is replaced by this commit\n\nIt is kept in {ARCHIVE}{tip}.\n\nSquashed: {tip}\n"
    return write_commit(repo, repo[tip].peel(pygit2.Commit).tree_id, None, text, now)


def _clone(folder: Path, url: str, *arguments: str) -> None:
    options = [argument for argument in arguments if argument.startswith("--")]
    refs = [argument for argument in arguments if not argument.startswith("--")]
    git("init", "--quiet", "--bare", "--", str(folder))
    try:
        git("fetch", "--quiet", "--no-tags", *options, "--", url, *refs, cwd=folder, timeout=_TIMEOUT)
    except CommandError as error:
        raise StoreError(f"cannot read {redact(url)}: {explain(error.stderr).message}") from None


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "objects").rglob("*") if path.is_file())
