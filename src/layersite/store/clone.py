"""The bare local clone of one branch: what git does with it, and what it says when that fails."""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pygit2
from pygit2.enums import RepositoryOpenFlag

from layersite.model.errors import StoreError, ToolError
from layersite.process import CommandError, git, redact
from layersite.store.refusal import Refusal, explain

__all__ = ["ARCHIVE", "BrokenCloneError", "Clone"]

_TIP = "refs/heads/tip"
ARCHIVE = "refs/layersite/archive/"
"""On the host: the old line of a history that one commit replaced, by its last commit."""
_REPLACED = "refs/replaced/"
"""Here: the same, by the commit that took its place."""
_SQUASHED = re.compile(r"^Squashed: ([0-9a-f]{40,64})$", re.MULTILINE)
_TIMEOUT = 600.0
_QUIET = ("-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "core.hooksPath=/dev/null", "-c", "core.fsync=none")
"""Nothing runs in the background, no hook of the machine's configuration runs at all, and nothing waits for the disk:
a clone that a power cut spoils is made anew."""
_DEEPER = 1000
"""Commits that are fetched at once when older ones are needed."""
_LOOSE, _PACKS = 4000, 50
"""How many loose objects, or packs, gather before they are packed."""
_TIDY = ("-c", f"gc.auto={_LOOSE}", "-c", f"gc.autoPackLimit={_PACKS}", "-c", "gc.autoDetach=false")


class BrokenCloneError(Exception):
    """Git cannot work with this clone."""


class Clone:
    """A bare repository at `path` that holds the branch `branch` of `url` from some commit on."""

    def __init__(self, path: Path, url: str, branch: str) -> None:
        self._path, self._url, self._branch = path, url, branch
        for pattern in ("*.lock", "refs/**/*.lock", "objects/info/**/*.lock"):
            for left_over in path.glob(pattern):
                left_over.unlink(missing_ok=True)
        self.repo = self._open()

    def _open(self) -> pygit2.Repository:
        # Without these flags a broken clone inside a checkout would open the checkout instead.
        return pygit2.Repository(str(self._path), RepositoryOpenFlag.BARE | RepositoryOpenFlag.NO_SEARCH)

    def git(self, *arguments: str) -> str:
        """Run git in this clone. Raises ToolError, CommandError."""
        return git(*_QUIET, f"--git-dir={self._path}", *arguments, timeout=_TIMEOUT)

    def fetch(self, *more: str) -> pygit2.Oid | None:
        """Fetch the branch and return its tip, None if it does not exist: the first time without its history.

        `more` are further refspecs; what they no longer match goes here too.

        Raises:
            StoreError: the repository cannot be reached or read.
        """
        before = self.tip
        depth = () if before is not None else ("--depth=1",)
        prune = ("--prune",) if more else ()
        source = f"+{self.branch}:{_TIP}"
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", *prune, *depth)
        try:
            self.git("fetch", *options, "--", self._url, source, *more)
        except CommandError as error:
            if "couldn't find remote ref" in error.stderr:
                if _TIP in self.repo.references:  # what was never pushed, or is gone, is no beginning
                    self.repo.references.delete(_TIP)
                return None
            raise self._unreadable(error) from None
        if depth:
            self.repo = self._open()  # libgit2 learns only here that the history ends at this commit
        self._keep_replaced(before)
        return self.tip

    def fetch_commit(self, commit: str) -> bool:
        """Fetch one commit by its id, without history; return whether the host gave it."""
        try:
            self.git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--depth=1", "--", self._url, commit)
        except CommandError:
            return False
        self.repo = self._open()
        return True

    def deepen(self) -> bool:
        """Fetch more of the branch's history; return False where all of it is here. Raises StoreError."""
        if not self.repo.is_shallow:
            return False
        source = f"+{self.branch}:{_TIP}"
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", f"--deepen={_DEEPER}")
        try:
            self.git("fetch", *options, "--", self._url, source)
        except CommandError as error:
            raise self._unreadable(error) from None
        self.repo = self._open()
        return True

    @property
    def branch(self) -> str:
        """The branch's name on the host, as a ref."""
        return f"refs/heads/{self._branch}"

    @property
    def tip(self) -> pygit2.Oid | None:
        """The branch's commit as it was last fetched or pushed."""
        return self._target(_TIP)

    def _target(self, ref: str) -> pygit2.Oid | None:
        target = self.repo.references[ref].target if ref in self.repo.references else None
        assert target is None or isinstance(target, pygit2.Oid)  # noqa: S101 - none of ours is symbolic
        return target

    def refs(self, pattern: str) -> dict[str, str]:
        """Return the refs of the host that match `pattern`, each with its commit. Raises StoreError."""
        try:
            listing = self.git("ls-remote", "--", self._url, pattern)
        except CommandError as error:
            raise self._unreadable(error) from None
        return {ref: commit for commit, ref in (line.split("\t") for line in listing.splitlines())}

    def _unreadable(self, error: CommandError) -> Exception:
        """Return what to raise instead of `error`, which may hold credentials, so it must not be chained."""
        refusal = explain(error.stderr)
        text = f"cannot read {redact(self._url)}: {refusal.message}"
        return BrokenCloneError(text) if refusal.kind == "unknown" else StoreError(text)

    def push(self, commit: pygit2.Oid, tip: pygit2.Oid | None, done: Mapping[str, str] | None = None) -> Refusal | None:
        """Move the branch from `tip` (None: it must not exist) to `commit`; return why it did not work, if so.

        The refs in `done` (with their commits) are removed with it, all or none.
        """
        before = self.tip
        self.repo.references.create(_TIP, commit, force=True)  # so that the next fetch brings all that came after
        moves = {self.branch: (str(tip or ""), str(commit))}
        refusal = self.move({**moves, **{ref: (at, "") for ref, at in (done or {}).items()}})
        if refusal is not None and refusal.kind != "unsure":
            if before is None:
                self.repo.references.delete(_TIP)
            else:
                self.repo.references.create(_TIP, before, force=True)
        return refusal

    def move(self, refs: Mapping[str, tuple[str, str]]) -> Refusal | None:
        """Move each of the host's `refs` from one commit to another (empty: there is none), all or none.

        Raises:
            BrokenCloneError: what was just written is not here, as libgit2 may leave it where a disk is nearly full.
        """
        leases = [f"--force-with-lease={ref}:{before}" for ref, (before, _) in refs.items()]
        atomic = ["--atomic"] if len(refs) > 1 else []
        try:
            self.git("push", *atomic, *leases, "--", self._url, *(f"{after}:{ref}" for ref, (_, after) in refs.items()))
        except ToolError as error:
            said = error.stderr if isinstance(error, CommandError) else str(error)
            if re.search("^fatal: bad object", said, re.MULTILINE):
                raise BrokenCloneError(redact(said)) from None
            return explain(said)
        return None

    def contains(self, tip: pygit2.Oid, commit: pygit2.Oid) -> bool:
        """Whether `commit` is `tip` or one of its ancestors, those included that one commit replaced."""
        line: pygit2.Oid | None = tip
        while line is not None and line != commit and not self.repo.descendant_of(line, commit):
            line = self.replaced(line)
        return line is not None

    def replaced(self, tip: pygit2.Oid) -> pygit2.Oid | None:
        """Return the last commit of the line that the first commit of this one replaced."""
        for ref in self.repo.references:
            root = pygit2.Oid(hex=ref.removeprefix(_REPLACED)) if ref.startswith(_REPLACED) else None
            if root is not None and (root == tip or self.repo.descendant_of(tip, root)):
                return self._target(ref)
        return None

    def _keep_replaced(self, before: pygit2.Oid | None) -> None:
        """Where one commit took the place of the line of `before`, keep that line as the host keeps it."""
        line = self.tip
        while before is not None and line is not None and line != before and not self.repo.descendant_of(line, before):
            roots = (commit for commit in self.repo.walk(line) if not commit.parent_ids)
            line = next((self._fetch_replaced(each.id, found[1]) for each in roots if (found := _squashed(each))), None)

    def _fetch_replaced(self, root: pygit2.Oid, last: str) -> pygit2.Oid | None:
        ref = f"{_REPLACED}{root}"
        options = ("--quiet", "--no-tags", "--no-write-fetch-head")
        with suppress(CommandError):  # the host may keep it no longer
            self.git("fetch", *options, "--", self._url, f"+{ARCHIVE}{last}:{ref}")
        return self._target(ref)

    def tidy(self) -> None:
        """Pack the objects when many have gathered; nothing may be in flight, for unreachable ones go at once."""
        if not self._is_untidy:
            return
        try:
            self.git(*_TIDY, "gc", "--auto", "--quiet", "--prune=now")
        except CommandError as error:
            raise BrokenCloneError(redact(error.stderr)) from None

    @property
    def _is_untidy(self) -> bool:
        """Whether git would pack: it too counts one of the 256 folders of loose objects. Asking it takes a process."""
        objects = self._path / "objects"
        loose = sum(1 for _ in objects.glob("17/*"))
        return loose * 256 > _LOOSE or sum(1 for _ in objects.glob("pack/*.pack")) > _PACKS


def _squashed(root: pygit2.Commit) -> re.Match[str] | None:
    return _SQUASHED.search(root.message)
