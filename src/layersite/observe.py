"""What a run reads before it decides: changes, branches and environments, and the world that a plan rests on."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from layersite import __version__
from layersite.follow import Stores
from layersite.forge import Forge
from layersite.model.catalog import Catalog
from layersite.model.change import Change
from layersite.model.document import near_miss
from layersite.model.environment import Environment, Member, Tombstone, changes_of
from layersite.model.errors import UnknownNameError
from layersite.model.site import Site
from layersite.plan import Group, Plan, World, is_untouched
from layersite.second_look import find
from layersite.store import Snapshot

__all__ = ["Seen", "default_heads", "members_at", "observe", "observe_again", "people_of", "world_of"]

_AT_ONCE = 8


@dataclass(frozen=True)
class Seen:
    """The open changes, the commit of each default branch by repository, and the environments."""

    changes: Sequence[Change]
    heads: Mapping[str, str]
    snapshot: Snapshot
    asked: Collection[tuple[str, int | str]] = ()
    """The keys of those changes that the forge was just asked for by themselves."""


def observe(site: Site, catalog: Catalog, forge: Forge, store: Stores) -> Seen:
    """Read all of it, at the same time. Raises LayersiteError."""
    with ThreadPoolExecutor(3) as pool:
        reading, listing = pool.submit(store.read), pool.submit(forge.changes)
        heads = pool.submit(default_heads, site, catalog, forge).result()
        return Seen(listing.result(), heads, reading.result())


def observe_again(before: Seen, moved: Sequence[Change], forge: Forge, store: Stores) -> Seen:
    """Ask for the changes `moved` alone and by themselves; the rest is as it was `before`. Raises LayersiteError.

    Somebody else's commit is not seen, but the push that would hide it is refused.
    """
    found = find(forge, moved)
    known = {**{change.key: change for change in before.changes}, **found}
    return Seen([each for each in known.values() if each], before.heads, store.known(), found.keys())


def default_heads(site: Site, catalog: Catalog, forge: Forge) -> dict[str, str]:
    """Return the commit of each default branch that an environment may show. Raises ForgeError."""
    apps = [app for app in catalog.apps.values() if site.cluster.baseline.managed or app.images]
    names = sorted({app.repository for app in apps if app.repository})
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda name: forge.resolve(name, site.repositories[name].branch), names)
        return dict(zip(names, found, strict=True))


def members_at(catalog: Catalog, forge: Forge, apps: Mapping[str, str]) -> tuple[Member, ...]:
    """Return what an environment without a change shows: each of `apps` at its ref.

    Raises:
        UnknownNameError: there is no such app, or it has no repository.
        ForgeError: the forge does not tell which commit a ref names.
    """
    by_commit: dict[tuple[str, str], list[str]] = {}
    for name, ref in apps.items():
        app = catalog.apps.get(name)
        if app is None:
            raise UnknownNameError(f"there is no app `{name}`{near_miss(name, catalog.apps)}")
        if app.repository is None:
            raise UnknownNameError(f"app `{name}` has no `repository` in its app.yaml, so it has no `{ref}`")
        by_commit.setdefault((app.repository, ref), []).append(name)
    return tuple(
        Member(
            repository=repository,
            branch=ref,
            sha=forge.resolve(repository, ref),
            apps=tuple(sorted(names)),
            change=False,
        )
        for (repository, ref), names in sorted(by_commit.items())
    )


def world_of(site: Site, catalog: Catalog, snapshot: Snapshot, heads: Mapping[str, str]) -> World:
    """Return what a plan rests on, as far as it is committed; `heads` are those of default branches by repository."""
    current: dict[str, Environment | Tombstone] = {}
    drifted = set()
    for name, entry in snapshot.entries.items():
        if entry.environment is not None:
            current[name] = entry.environment
            if not is_untouched(entry.environment, entry.manifests):
                drifted.add(name)
        elif entry.tombstone is not None:
            current[name] = entry.tombstone
    return World(site, catalog, __version__, heads, current, drifted)


def people_of(plan: Plan, snapshot: Snapshot, groups: Iterable[Group]) -> dict[str, Sequence[Change]]:
    """Return the changes that each environment of `plan` concerns: those that are open, else those that it shows."""
    people: dict[str, Sequence[Change]] = {each.name: each.changes for each in groups}
    for action in plan.actions:
        entry = snapshot.entries.get(action.name)
        shown = action.result or (entry and entry.document)
        people.setdefault(action.name, changes_of(shown.members) if shown else ())
    names = {action.name for action in plan.actions} | {refusal.name for refusal in plan.refusals}
    return {name: people.get(name, ()) for name in sorted(names)}
