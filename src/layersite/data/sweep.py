"""What the database servers of a site hold for its environments, looked up as a whole and removed one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from layersite.database.clone import Taken, engine_of, reap
from layersite.model.errors import DatabaseError
from layersite.model.site import Site

__all__ = ["Held", "Servers"]


@dataclass(frozen=True)
class Held:
    """What was found of the databases that could be asked, and why others could not."""

    taken: Sequence[Taken] = ()
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Servers:
    """The database servers of a site, whose clones bear the address of its repository as `site` has it."""

    site: Site

    def look(self) -> Held:
        """Return everything that runs of the site have made; a server that cannot be asked hides nothing else."""
        taken, problems = list[Taken](), {}
        for name, database in sorted(self.site.databases.items()):
            try:
                with engine_of(name, database.engine, database.instances) as engine:
                    found = engine.taken(self.site.environments.url, self.site.cluster.namespace_prefix)
            except DatabaseError as error:
                problems[name] = str(error)
            else:
                taken += [each for each in found if each.database == name]
        return Held(taken, problems)

    def drop(self, found: Taken) -> None:
        """Remove one clone, or its remains. Raises DatabaseError."""
        database = self.site.databases[found.database]
        with engine_of(found.database, database.engine, database.instances) as engine:
            reap(engine, found)
