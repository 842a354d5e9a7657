"""Find what is left without an environment, and clones that one lacks, and mend both, within a cap."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from layersite.data.sweep import Held
from layersite.database.clone import Taken, doomed
from layersite.model.database import Data, Delivery
from layersite.model.environment import Environment, Tombstone
from layersite.model.errors import LayersiteError, PartialError
from layersite.model.site import Site
from layersite.plan import Orphan, doubts, doubts_of_clones, find_lacking, find_orphans, too_many
from layersite.store import Snapshot

__all__ = ["FINE", "Finding", "Holds", "Reaper"]

FINE = frozenset({"was removed", "would be removed", "was made", "would be made", "is left"})
"""What becomes of something without fault; any other outcome says what did not work."""
_GRACE = timedelta(hours=1)
"""How old a clone must be to go because no environment has it."""


class Finding(NamedTuple):
    """Something that does not agree, what became of it, and why."""

    what: str
    outcome: str
    reason: str


class Holds(Protocol):
    """The site's database servers."""

    def look(self) -> Held:
        """Return what they hold."""

    def drop(self, found: Taken) -> None:
        """Remove one clone. Raises DatabaseError."""


@dataclass(frozen=True)
class _Seen:
    """Everything that there is, as it was listed."""

    applications: Collection[str]
    namespaces: Mapping[str, Collection[str]]
    held: Held
    current: Mapping[str, Environment | Tombstone]
    orphans: Mapping[str, Sequence[Orphan]]
    doomed: Sequence[Taken]
    lacking: Mapping[str, Sequence[Data]]

    def stones(self, cluster: str) -> list[Tombstone]:
        """Return what is to be reaped in a cluster."""
        return [each.stone for each in self.orphans[cluster] if each.stone]


@dataclass(frozen=True)
class Reaper:
    """The clusters and database servers of a site beside its repository.

    `namespaces` lists by cluster those of environments, each with its environment's name; for a site without an Argo CD
    it lists none. `remove` returns what did not work, `make` brings environments the databases that are committed.
    """

    site: Site
    read: Callable[[], Snapshot]
    applications: Callable[[], Collection[str]]
    namespaces: Mapping[str, Callable[[], Mapping[str, str]]]
    remove: Callable[[Sequence[Tombstone]], Mapping[str, str | None]]
    servers: Holds
    make: Callable[[Collection[str]], Mapping[str, Delivery]]

    def reap(self, *, dry_run: bool = False, yes: bool = False) -> list[Finding]:
        """Remove what nothing accounts for, make clones that are gone; return each finding with what became of it.

        Raises:
            LayersiteError: a listing failed; nothing was changed.
            PartialError: a listing cannot be believed, or too much would go; nothing was changed.
        """
        if not self.namespaces and not self.site.databases:
            return []
        seen, doubt = self._look(yes)
        if doubt:
            raise PartialError(f"nothing was changed: {doubt}")
        unasked = [Finding(f"database {name}", "was not looked at", why) for name, why in seen.held.problems.items()]
        left, found = self._reap_clusters(seen, dry_run)
        return [*found, *self._reap_clones(seen, left, dry_run), *self._make_clones(seen, dry_run), *unasked]

    def _look(self, yes: bool) -> tuple[_Seen, str]:
        """Return what there is, and why nothing may be done about it, if so."""
        namespaces = {cluster: look() for cluster, look in self.namespaces.items()}
        applications, held = self.applications(), self.servers.look()
        current = self._current()  # read last: what was made meanwhile has its directory
        orphans = {c: find_orphans(self.site, current, found, applications, c) for c, found in namespaces.items()}
        old = doomed(held.taken, (), current, datetime.now(UTC), _GRACE)
        known = self.site.databases.keys() - held.problems.keys()
        there = {(each.environment, each.database): each for each in held.taken if each.built}
        running = {name for name, each in there.items() if not each.is_down}
        lacking, gone = (find_lacking(current, known, names) for names in (running, there))
        seen = _Seen(applications, namespaces, held, current, orphans, old, lacking)
        doubt = [doubts(self.site, current, found, applications, orphans[c], c, yes) for c, found in namespaces.items()]
        if any(each.built for each in old):
            doubt.append(doubts_of_clones([each.environment for each in held.taken if each.built], current, yes))
        if not yes:
            going = {stone.name for cluster in orphans for stone in seen.stones(cluster)}
            doubt.append(too_many(self.site, current, going | {each.environment for each in old}, gone))
        return seen, next(filter(None, doubt), "")

    def _reap_clusters(self, seen: _Seen, dry_run: bool) -> tuple[set[str], list[Finding]]:
        """Return the namespaces that stay, and what became of everything in the clusters."""
        stay, found = set[str](), []
        for cluster, orphans in seen.orphans.items():
            stones = seen.stones(cluster)
            left = self.remove(stones) if stones and not dry_run else {}
            gone = "would be removed" if dry_run else "was removed"
            done = {stone.name: left.get(stone.name) or gone for stone in stones}
            found += [Finding(f"environment {o.name}", done.get(o.name, "is left"), o.reason) for o in orphans]
            stay |= set(seen.namespaces[cluster]) - {s.namespace for s in stones if done[s.name] == gone}
        return stay, found

    def _reap_clones(self, seen: _Seen, left: Collection[str], dry_run: bool) -> list[Finding]:
        """Remove clones, but those whose environment still has something in a cluster, or came back meanwhile."""
        found, current = [], self._current() if seen.doomed and not dry_run else seen.current
        for each in seen.doomed:
            name, built = each.environment, f"built {each.built}" if each.built else "never finished"
            reason, outcome = f"there is no environment `{name}`, and it was {built}", "is left"
            if self.site.application(name) in seen.applications or self.site.namespace(name) in left:
                reason = f"{reason}; but its Application or its namespace is still there"
            elif name in current:
                reason = f"the environment `{name}` came back meanwhile"
            else:
                outcome = "would be removed" if dry_run else self._drop(each)
            found.append(Finding(f"clone {each.name}", outcome, reason))
        return found

    def _make_clones(self, seen: _Seen, dry_run: bool) -> list[Finding]:
        """Make the clones that are committed and not there."""
        outcomes = dict.fromkeys(seen.lacking, "would be made")
        if seen.lacking and not dry_run:
            outcomes |= {name: each.problem or "was made" for name, each in self._made(seen.lacking).items()}
        reason = "the environment `{}` is committed with it, and it is not on its server, or has one that is down"
        return [
            Finding(f"clone {data.name}", outcomes[name], reason.format(name))
            for name, lacking in seen.lacking.items()
            for data in lacking
        ]

    def _made(self, names: Collection[str]) -> Mapping[str, Delivery]:
        try:
            return self.make(names)
        except LayersiteError as error:
            return dict.fromkeys(names, Delivery(str(error)))

    def _drop(self, found: Taken) -> str:
        try:
            self.servers.drop(found)
        except LayersiteError as error:
            return str(error)
        return "was removed"

    def _current(self) -> dict[str, Environment | Tombstone]:
        entries = self.read().entries.items()
        return {name: found for name, entry in entries if (found := entry.document)}
