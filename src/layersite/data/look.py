"""What environments have on their servers, for people who ask; a server that cannot be asked hides nothing else."""

from collections.abc import Callable

from layersite.database.clone import engine_of
from layersite.model.database import Brought, Clone, Golden
from layersite.model.errors import DatabaseError
from layersite.model.site import Site

__all__ = ["clones"]


def clones(site: Site, owner: str, tell: Callable[[str], None]) -> dict[str, list[Brought]]:
    """Return by environment the clones of the site that `owner`, the address of its repository, names."""
    found: dict[str, list[Brought]] = {}
    for name, database in sorted(site.databases.items()):
        try:
            with engine_of(name, database.engine, database.instances) as engine:
                records = engine.records()
        except DatabaseError as error:
            tell(f"the clones of `{name}` cannot be listed: {error}")
            continue
        for record in records.values():
            if isinstance(record, Clone) and (record.site, record.database) == (owner, name):
                golden = records.get(record.golden or "")
                brought = Brought.of(record, golden if isinstance(golden, Golden) else None)
                found.setdefault(record.environment, []).append(brought)
    return found
