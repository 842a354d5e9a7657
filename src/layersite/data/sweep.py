"""Look on the database servers of a site for clones that no environment has."""

from collections.abc import Collection

from layersite.data.reap import reap_database
from layersite.database.clone import Taken
from layersite.model.errors import PartialError
from layersite.model.site import Site

__all__ = ["sweep"]

_GRACE_MINUTES = 60


def sweep(site: Site, living: Collection[str], *, apply: bool = False, yes: bool = False) -> list[Taken]:
    """Return what none of the `living` environments has, removed if `apply`; beyond the site's cap only with `yes`.

    Raises:
        PartialError: something could not be looked at or removed; the rest was.
    """
    parameters = {
        "site": site.environments.url,
        "prefix": site.cluster.namespace_prefix,
        "living": sorted(living),
        "grace_minutes": _GRACE_MINUTES,
        "cap": 1_000_000 if yes else max(site.safety.removals, len(living) * site.safety.percent // 100),
    }
    reaped = [
        reap_database(name, database.engine, {}, parameters, is_told_only=not apply)
        for name, database in sorted(site.databases.items())
    ]
    if problems := [text for one in reaped for _, text in one.problems]:
        raise PartialError("; ".join(problems))
    return [each for one in reaped for each in one.found]
