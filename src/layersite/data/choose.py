"""Choose the golden that an environment's clones are made from: the newest, or the newest that its migrations fit."""

from collections.abc import Sequence
from functools import cache
from typing import Protocol

from layersite.database.clone import engine_of
from layersite.model.database import Golden
from layersite.model.environment import Member
from layersite.model.errors import DatabaseError
from layersite.model.site import Migrations, Site

__all__ = ["Chooser", "Trees"]


class Trees(Protocol):
    """What a repository's files hold at a commit."""

    def read(self, repository: str, sha: str, folder: str) -> dict[str, str]:
        """Return every file below `folder` by its path. Raises ForgeError."""


class Chooser:
    """Chooses for one run: each server is asked once, when it is first needed."""

    def __init__(self, site: Site, trees: Trees) -> None:
        self._databases = site.databases
        self._trees = trees
        self._goldens = cache(self._read_goldens)

    def __call__(self, database: str, members: Sequence[Member]) -> Golden:
        """Return the golden of `database` for an environment that shows `members`.

        Raises:
            DatabaseError: there is none, none fits the members' migrations, or the server cannot be asked.
            ForgeError: the members' migrations cannot be read.
        """
        goldens = self._goldens(database)
        migrations = self._databases[database].migrations
        member = next((m for m in members if migrations and m.repository == migrations.repository), None)
        if goldens and migrations and member:
            return self._fitting(database, goldens, migrations, member)
        if not goldens:
            text = f"there is no golden of `{database}` on its server"
            raise DatabaseError(f"{text}; build one with `layersite golden build {database}`")
        return goldens[0]

    def _fitting(self, database: str, goldens: Sequence[Golden], migrations: Migrations, member: Member) -> Golden:
        from layersite.database.fit import choose, read_history

        files = self._trees.read(member.repository, member.sha, migrations.path)
        fit = choose(goldens, read_history(migrations.tool, files))
        if fit.golden is None:
            raise DatabaseError(f"`{database}` has no golden that {member} leads on from: {fit.reason}")
        return fit.golden

    def _read_goldens(self, database: str) -> list[Golden]:
        """Return the goldens of `database` on its server, the newest first."""
        with engine_of(database, self._databases[database].engine) as engine:
            records = engine.records().values()
        found = [each for each in records if isinstance(each, Golden) and each.database == database]
        return sorted(found, key=lambda golden: (golden.built, golden.name), reverse=True)
