"""What a plan rests on: the site and its catalog, and all that was observed."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from layersite.model.catalog import Catalog
from layersite.model.command import Asked
from layersite.model.database import Data, Suited
from layersite.model.environment import Environment, Member, Tombstone
from layersite.model.site import Site

__all__ = ["Choose", "World"]

Choose = Callable[[str, tuple[Member, ...], Data | None, tuple[Member, ...]], Suited | None]


@dataclass(frozen=True)
class World:
    """What was observed, all that a decision rests on.

    `heads` is the commit of each repository's default branch; `drifted` names environments whose committed manifests
    are not those that the bot wrote. `images` are the digests of the references that a registry was asked for, None for
    one that it does not have; without it, images are rendered by tag. `choose` returns what a database that suits
    members is made from, and raises LayersiteError where there is nothing; of one that there is it gets data and
    members until now, and returns None where it stays as it is. Without it, no clones are planned with goldens.
    Environments in `resetting` choose anew. `asked` is what people want by comments, and those in `visited` somebody
    wants to see.
    """

    site: Site
    catalog: Catalog
    version: str
    heads: Mapping[str, str] = field(default_factory=dict)
    current: Mapping[str, Environment | Tombstone] = field(default_factory=dict)
    drifted: Collection[str] = ()
    images: Mapping[str, str | None] | None = None
    choose: Choose | None = None
    resetting: Collection[str] = ()
    asked: Mapping[str, Sequence[Asked]] = field(default_factory=dict)
    visited: Collection[str] = ()
