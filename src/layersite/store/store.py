"""Many writers, one branch: compare-and-swap per environment, so that nothing is lost, overwritten or revived."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal

import pygit2

from layersite.model.errors import StoreError
from layersite.process import redact
from layersite.store.cache import Cache
from layersite.store.clone import ARCHIVE, Clone
from layersite.store.edits import Edit, find_edits
from layersite.store.graft import Write, check_writes, graft, message, write_commit, write_tree
from layersite.store.history import Costs, measure, squash, write_bundle
from layersite.store.parsed import Parsed
from layersite.store.refusal import Refusal
from layersite.store.snapshot import Entry, Snapshot, all_id, child, directory_of, read_files, read_snapshot

__all__ = ["Committed", "Store", "compare"]

_TIMES, _SHORTEST, _LONGEST, _DOUBLINGS = 4, 0.2, 30.0, 2
"""A wait is drawn evenly from 0 up to a bound: so many times what the attempt took, within these seconds, doubled
so often. Attempts take long where many write, and whoever comes back early slows all of them."""

_State = Literal["there", "open", "changed"]
"""A directory at the tip: already as wanted, still as the plan saw it, or somebody else's newer work."""


@dataclass(frozen=True)
class Committed:
    """What became of the writes, as names in their order.

    `commit` holds what was written; None means that nothing was to do, so nothing was pushed. `conflicts` are those
    whose directory somebody else changed since the plan: they were left alone. The rest was there already.
    """

    commit: str | None
    written: tuple[str, ...]
    conflicts: tuple[str, ...]


class Store:
    """The branch `branch` of the repository `url`, by way of a clone in the folder `cache`, which is kept.

    `now` gives seconds since 1970 for commits; `sleep` takes seconds.
    """

    def __init__(
        self,
        url: str,
        branch: str,
        cache: Path,
        *,
        random: Random | None = None,
        attempts: int = 50,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self._url, self._branch, self._attempts = url, branch, attempts
        self._random, self._now = random or Random(), now  # noqa: S311 - jitter is no secret
        self._sleep = sleep
        self._last: Mapping[str, Entry] = {}
        self._just_read: str | None = None
        self._cache = Cache(cache, url, branch)
        self._parsed = Parsed(self._cache.beside("parsed"))

    def read(self) -> Snapshot:
        """Fetch the tip and read every environment in it.

        Raises:
            StoreError: the repository cannot be reached or read.
            InvalidInputError: a directory below `environments/` is not as the bot writes it.
        """
        return self._cache.use(self._read)

    def known(self) -> Snapshot:
        """Read every environment as of the last read or commit; the host is asked only the first time.

        What is then written on it is refused where the host has moved on. Raises as `read`.
        """
        return self._cache.use(lambda clone: self._parse(clone, clone.tip) if clone.tip else self._read(clone))

    def _read(self, clone: Clone) -> Snapshot:
        snapshot = self._parse(clone, clone.fetch())
        clone.tidy()
        return snapshot

    def _parse(self, clone: Clone, tip: pygit2.Oid | None) -> Snapshot:
        snapshot = read_snapshot(clone.repo, tip, self._last, self._parsed)
        self._last, self._just_read = snapshot.entries, snapshot.commit
        return snapshot

    def contains(self, revision: str, commit: str) -> bool:
        """Whether `commit` is `revision` or one of its ancestors; what is not known here yet is fetched.

        Raises:
            StoreError: the repository cannot be reached or read.
        """

        def operation(clone: Clone) -> bool:
            if revision not in clone.repo:
                clone.fetch()
            return revision in clone.repo and clone.contains(clone.repo[revision].id, clone.repo[commit].id)

        return revision == commit or self._cache.use(operation)

    def files(self, name: str) -> dict[str, bytes]:
        """Return the files of the environment `name` by path, as of the last read. Raises StoreError."""

        def operation(clone: Clone) -> dict[str, bytes]:
            root = clone.repo[clone.tip].peel(pygit2.Commit).tree if clone.tip else None
            return read_files(child(root, directory_of(name)))

        return self._cache.use(operation)

    def manifests_at(self, revision: str, name: str) -> str | None:
        """Return the tree id of the manifests of `name` at the commit `revision`, None where either is unknown.

        Raises:
            StoreError: the repository cannot be reached or read.
        """

        def operation(clone: Clone) -> str | None:
            if revision not in clone.repo:
                clone.fetch()
            if revision not in clone.repo and not clone.fetch_commit(revision):
                return None
            found = child(clone.repo[revision].peel(pygit2.Commit).tree, f"{directory_of(name)}/manifests")
            return str(found.id) if found else None

        return self._cache.use(operation)

    def edits(self, name: str, is_rendered: Callable[[Entry], bool]) -> list[Edit]:
        """Return the commits by which others changed the environment `name` since it was as rendered, newest first.

        Raises:
            StoreError: the history cannot be fetched.
        """
        return self._cache.use(lambda clone: find_edits(clone, name, is_rendered))

    def costs(self) -> Costs:
        """Say what the branch's history takes. Raises StoreError."""
        archives = self._cache.use(lambda clone: clone.refs(f"{ARCHIVE}*"))
        return measure(self._url, self._branch, len(archives))

    def squash(self, bundle: Path | None) -> tuple[str, str] | None:
        """Let one commit take the place of the branch's history; return old tip and new, None if it is one already.

        With `bundle` all history is written to that file first; what earlier runs left on the host then goes.

        Raises:
            StoreError: the host refused, or others were faster at every attempt; then nothing changed.
        """

        def write(tip: pygit2.Oid) -> None:
            if bundle is not None:
                write_bundle(self._url, self._branch, bundle, tip)

        def operation(clone: Clone) -> tuple[str, str] | None:
            return squash(clone, write if bundle else None, self._attempts, self._wait, self._now())

        return self._cache.use(operation)

    def commit(self, writes: Sequence[Write], subject: str) -> Committed:
        """Put all `writes`, at most one per environment, into one commit on the branch.

        Raises:
            InvalidInputError: a name or path is not one that git may see.
            StoreError: the host refused, or others were faster at every attempt; nothing is half-written.
        """
        check_writes(writes)
        return self._cache.use(lambda clone: self._commit(clone, writes, subject))

    def _commit(self, clone: Clone, writes: Sequence[Write], subject: str) -> Committed:
        trees = {w.name: write_tree(clone.repo, w.files, w.manifests) if w.files else None for w in writes}
        first: dict[str, _State] = {}
        mine: pygit2.Oid | None = None
        outcome, refusal = Committed(None, (), ()), None
        for attempt in range(self._attempts + 1):
            began = time.monotonic()
            tip = self._tip(clone)
            if mine is not None and tip is not None and clone.contains(tip, mine):
                return outcome  # the push had landed, only its acknowledgement was lost
            root = None if tip is None else clone.repo[tip].peel(pygit2.Commit).tree
            states = {write.name: compare(root, write, trees[write.name]) for write in writes}
            first = first or states
            outcome = _outcome(tip, first, states)
            todo = [write for write in writes if states[write.name] == "open"]
            if not todo:
                return outcome
            if refusal is not None and (attempt == self._attempts or not refusal.is_passing):
                raise StoreError(self._explain(refusal))
            grafted = graft(clone.repo, root, {write.name: trees[write.name] for write in todo})
            text = message(subject, (write.trailer for write in todo))
            mine = write_commit(clone.repo, grafted, tip, text, self._now())
            outcome = replace(outcome, commit=str(mine))
            refusal = clone.push(mine, tip)
            if refusal is None:
                return outcome
            if refusal.is_passing:
                self._wait(attempt, began)
        raise AssertionError("the last round returns or raises")

    def _tip(self, clone: Clone) -> pygit2.Oid | None:
        """Return the branch's tip, at first as it was just read: the push is refused if it has moved since."""
        known, self._just_read = self._just_read, None
        return clone.repo[known].id if known is not None and known in clone.repo else clone.fetch()

    def _wait(self, attempt: int, began: float) -> None:
        bound = max(_SHORTEST, _TIMES * (time.monotonic() - began)) * 2 ** min(attempt, _DOUBLINGS)
        self._sleep(self._random.uniform(0, min(_LONGEST, bound)))

    def _explain(self, refusal: Refusal) -> str:
        branch = f"`{self._branch}` of {redact(self._url)}"
        if not refusal.is_passing:
            return f"cannot push to {branch}: {refusal.message}"
        text = f"{self._attempts} attempts to push to {branch} failed; nothing was lost, and running again goes on"
        return f"{text}. The last answer: {refusal.message}"


def compare(root: pygit2.Tree | None, write: Write, tree: pygit2.Oid | None) -> _State:
    """Tell how the directory of `write` stands below `root`; `tree` is what it shall hold."""
    found = child(root, directory_of(write.name))
    if (found and found.id) == tree:
        return "there"
    is_alone = write.beside is None or write.beside == all_id(root)
    return "open" if is_alone and (found and str(found.id)) == write.expected else "changed"


def _outcome(tip: pygit2.Oid | None, first: Mapping[str, _State], states: Mapping[str, _State]) -> Committed:
    """Return what holds once the open ones are written: those that were there from the first are not our doing."""
    written = tuple(name for name, state in states.items() if state == "open" or state == "there" != first[name])
    conflicts = tuple(name for name, state in states.items() if state == "changed")
    return Committed(str(tip) if written else None, written, conflicts)
