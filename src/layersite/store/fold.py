"""Many writers without a server: each leaves its work under a ref of its own, and one of them commits it for all.

The writer whose request is the oldest commits; the others wait until theirs is gone. Should it die, another takes its
place, and compare-and-swap decides if two do. So the branch is pushed a few times, not once per writer.
"""

import time
from collections.abc import Mapping, Sequence
from uuid import uuid4

import pygit2
from pydantic import ValidationError

from layersite.model.document import Many, Model
from layersite.model.environment import EnvironmentName
from layersite.model.errors import StoreError
from layersite.store.clone import Clone
from layersite.store.graft import Write, graft, message, write_commit, write_tree
from layersite.store.refusal import Refusal
from layersite.store.snapshot import child, directory_of
from layersite.store.store import Committed, Store, compare

__all__ = ["FoldingStore"]

_PENDING = "refs/layersite/pending/"
_STALE = 600
"""Seconds after which a request whose writer died is dropped: what it wants may no longer be wanted."""
_PATIENCE = 3
"""How often a writer looks before it takes the place of the oldest."""

Trees = Mapping[str, pygit2.Oid | None]


class _Asked(Model):
    """One write of a request; its files are in the tree of the request's commit."""

    name: EnvironmentName
    expected: str | None
    trailer: str
    beside: str | None = None


class _Request(Model):
    """What the message of a request's commit says, as JSON."""

    subject: str
    writes: Many[_Asked]


class FoldingStore(Store):
    """A store for many jobs at once that share no process, such as one per change in CI."""

    def _commit(self, clone: Clone, writes: Sequence[Write], subject: str) -> Committed:
        trees = {w.name: write_tree(clone.repo, w.files, w.manifests) if w.files else None for w in writes}
        since = clone.tip or clone.fetch()
        if since is None or not writes:
            return super()._commit(clone, writes, subject)
        ref, request = f"{_PENDING}{time.time_ns():020}-{uuid4().hex}", self._request(clone, writes, trees, subject)
        try:
            tip = self._see_folded(clone, ref, request)
        except BaseException:
            clone.move({ref: (str(request), "")})  # nobody waits for it any more
            raise
        return self._learn(clone, writes, trees, since, request, tip) or super()._commit(clone, writes, subject)

    def _see_folded(self, clone: Clone, ref: str, request: pygit2.Oid) -> pygit2.Oid | None:
        """Leave the request on the host, see it carried out and return the branch's tip. Raises StoreError."""
        refusal = self._ask(clone, ref, request)
        for attempt in range(self._attempts):
            if refusal is not None and not refusal.is_passing:
                break
            began = time.monotonic()
            pending = clone.refs(f"{_PENDING}*")
            if ref not in pending:
                return clone.fetch()
            is_mine = min(pending) == ref or attempt % _PATIENCE == _PATIENCE - 1
            refusal = self._fold(clone) if is_mine else None
            if is_mine and refusal is None:
                return clone.tip
            self._wait(attempt, began)
        raise StoreError(self._explain(refusal or Refusal("race", "other writers were first")))

    def _request(self, clone: Clone, writes: Sequence[Write], trees: Trees, subject: str) -> pygit2.Oid:
        asked = tuple(
            _Asked(name=write.name, expected=write.expected, trailer=write.trailer, beside=write.beside)
            for write in writes
        )
        text = _Request(subject=subject, writes=asked).model_dump_json()
        return write_commit(clone.repo, graft(clone.repo, None, trees), None, text, self._now())

    def _ask(self, clone: Clone, ref: str, request: pygit2.Oid) -> Refusal | None:
        """Leave the request on the host; return why that is not possible."""
        refusal = None
        for attempt in range(self._attempts):
            began = time.monotonic()
            refusal = clone.move({ref: ("", str(request))})
            if refusal is None or not refusal.is_passing or clone.refs(ref):
                break
            self._wait(attempt, began)
        if refusal is not None and refusal.kind == "unknown":
            clone.fetch()  # which fails for good reason if it is the clone that is broken
        return refusal

    def _fold(self, clone: Clone) -> Refusal | None:
        """Commit every request, the oldest first, and remove them all with the same push."""
        tip = clone.fetch(f"+{_PENDING}*:{_PENDING}*")
        refs = sorted(ref for ref in clone.repo.references if ref.startswith(_PENDING))
        requests = {ref: clone.repo.references[ref].peel(pygit2.Commit) for ref in refs}
        commit = tip
        for request in requests.values():
            commit = self._commit_one(clone.repo, request, commit)
        done = {ref: str(request.id) for ref, request in requests.items()}
        if not done:  # another writer was faster
            return None
        if commit is None or commit == tip:
            return clone.move({ref: (at, "") for ref, at in done.items()})
        return clone.push(commit, tip, done)

    def _commit_one(self, repo: pygit2.Repository, request: pygit2.Commit, tip: pygit2.Oid | None) -> pygit2.Oid | None:
        """Return the commit that carries out `request` on `tip`, or `tip` if nothing is to do or it is too old."""
        try:
            asked = _Request.model_validate_json(request.message)
        except ValidationError:  # not one of ours
            return tip
        root = None if tip is None else repo[tip].peel(pygit2.Commit).tree
        found = {each.name: child(request.tree, directory_of(each.name)) for each in asked.writes}
        trees = {name: None if tree is None else tree.id for name, tree in found.items()}
        writes = [Write(each.name, None, each.expected, each.trailer, beside=each.beside) for each in asked.writes]
        todo = [write for write in writes if compare(root, write, trees[write.name]) == "open"]
        if not todo or self._now() - request.commit_time > _STALE:
            return tip
        text = message(asked.subject, (write.trailer for write in todo)) + _trailer(request.id) + "\n"
        grafted = graft(repo, root, {write.name: trees[write.name] for write in todo})
        return write_commit(repo, grafted, tip, text, self._now())

    def _learn(
        self,
        clone: Clone,
        writes: Sequence[Write],
        trees: Trees,
        since: pygit2.Oid,
        request: pygit2.Oid,
        tip: pygit2.Oid | None,
    ) -> Committed | None:
        """Return what became of a request that is gone, as `tip` tells, None if it was dropped."""
        repo = clone.repo
        walker = repo.walk(tip or since)
        if (before := clone.replaced(tip or since)) is not None:
            walker.push(before)
        walker.hide(since)
        mine = next((commit for commit in walker if _trailer(request) in commit.message.splitlines()), None)
        seen = tip if mine is None else next(iter(mine.parent_ids), None)
        root = None if seen is None else repo[seen].peel(pygit2.Commit).tree
        states = {write.name: compare(root, write, trees[write.name]) for write in writes}
        written = tuple(name for name, state in states.items() if state == "open")
        if mine is None and written:
            return None
        conflicts = tuple(name for name, state in states.items() if state == "changed")
        return Committed(str(mine.id) if mine else None, written, conflicts)


def _trailer(request: pygit2.Oid) -> str:
    return f"Request: {request}"
