"""What a run reads before it decides: the open changes, the default branches, and the environments as committed."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from layersite.follow import Stores
from layersite.forge import Forge
from layersite.model.catalog import Catalog
from layersite.model.change import Change
from layersite.model.site import Site
from layersite.second_look import find
from layersite.store import Snapshot

__all__ = ["Seen", "default_heads", "observe", "observe_again"]

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
