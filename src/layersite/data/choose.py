"""Choose what an environment's databases are made from: the newest golden, one that its migrations fit, or nothing.

Once chosen it stays, unless a push takes back what its database may have applied.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Protocol

from layersite.database.clone import list_goldens
from layersite.model.database import Data, Suited
from layersite.model.environment import Member
from layersite.model.errors import DatabaseError, ForgeError, ToolError
from layersite.model.site import Database, Migrations, Site

if TYPE_CHECKING:  # reading migrations brings every tool's reader along
    from layersite.database.fit import Fit, History, Step

__all__ = ["Chooser", "Trees"]

_WARNINGS = 10
"""How many warnings are told; who wants all of them runs squawk."""
_EMPTY = "so it is made empty, for the app to migrate and for made-up rows"


class Trees(Protocol):
    """What a repository's files hold at a commit."""

    def read(self, repository: str, sha: str, folder: str) -> dict[str, str]:
        """Return every file below `folder` by its path. Raises ForgeError."""


@dataclass(frozen=True)
class _Brought:
    """The migrations that a member brings, and the files that they are in."""

    member: Member
    history: "History"
    files: Mapping[str, str]


class Chooser:
    """Chooses for one run: each server is asked once, when it is first needed."""

    def __init__(self, site: Site, trees: Trees) -> None:
        self._databases = site.databases
        self._trees = trees
        self._goldens = cache(lambda name: list_goldens(name, site.databases[name].engine))

    def __call__(
        self, database: str, members: Sequence[Member], kept: Data | None = None, shown: Sequence[Member] = ()
    ) -> Suited | None:
        """Return what `database` is made from for an environment that shows `members`.

        Of one that there is, `kept` says what it was made from, and `shown` what the environment has shown until now;
        None where it stays as it is.

        Raises:
            DatabaseError: there is no golden, none fits the members' migrations, or the server cannot be asked.
            ForgeError: the members' migrations cannot be read.
        """
        settings = self._databases[database]
        now, before = (_member(settings.migrations, each) for each in (members, shown))
        if kept is not None and (now is None or (before is not None and before.sha == now.sha)):
            return None
        if settings.migrations is None or now is None:
            return self._newest(database, settings)
        brought = self._read(settings.migrations, now)
        if kept is None:
            return self._fitting(database, settings, brought)
        return self._again(database, settings, brought, kept, before)

    def _newest(self, database: str, settings: Database) -> Suited:
        goldens = self._goldens(database)
        if not goldens and settings.otherwise == "refuse":
            text = f"there is no golden of `{database}` on its server"
            raise DatabaseError(f"{text}; build one with `layersite golden build {database}`")
        return Suited(goldens[0]) if goldens else Suited(None, (f"there is no golden, {_EMPTY}",))

    def _fitting(self, database: str, settings: Database, brought: _Brought) -> Suited:
        from layersite.database.fit import choose

        if not self._goldens(database):
            return self._newest(database, settings)
        fit = choose(self._goldens(database), brought.history, has_fixtures=settings.otherwise == "fixtures")
        if fit.kind == "refused":
            raise DatabaseError(f"`{database}` has no golden that {brought.member} leads on from: {fit.reason}")
        return _suited(fit, brought) if fit.golden else Suited(None, (f"{fit.reason}, {_EMPTY}",))

    def _again(
        self, database: str, settings: Database, brought: _Brought, kept: Data, before: Member | None
    ) -> Suited | None:
        """Judge again what was made from `kept` when the environment showed `before`."""
        from layersite.database.fit import choose, taken_back

        old, notes = self._read_old(settings, brought, before)
        if old.files == brought.files:
            return None
        goldens = self._goldens(database)
        golden = next((each for each in goldens if each.name == kept.golden), None)
        if golden is None and kept.golden is not None:
            return None
        applied = golden.migrations if golden else ()
        if lost := taken_back(applied, old.history, old.files, brought.history, brought.files):
            suited = self._fitting(database, settings, brought)
            return replace(suited, is_anew=True, notes=(f"it was made anew: {lost}", *suited.notes))
        if golden is None:
            return Suited(None, tuple(kept.notes or ()))
        fit = choose(goldens, brought.history)
        suited = _suited(fit if fit.golden == golden else choose([golden], brought.history), brought)
        return replace(suited, notes=(*notes, *suited.notes))

    def _read_old(
        self, settings: Database, brought: _Brought, before: Member | None
    ) -> tuple[_Brought, tuple[str, ...]]:
        """Return what `before` has brought, and what is to be said of it; a forge may have lost it since."""
        nothing = replace(brought, history=replace(brought.history, steps={}), files={})
        if before is None or settings.migrations is None:
            return nothing, ()
        try:
            return self._read(settings.migrations, before), ()
        except ForgeError as error:
            text = "whether it has applied what this push took back is not known, and a reset mends that"
            return nothing, (f"{text}: {error}",)

    def _read(self, migrations: Migrations, member: Member) -> _Brought:
        from layersite.database.fit import read_history

        files = self._trees.read(member.repository, member.sha, migrations.path)
        return _Brought(member, read_history(migrations.tool, files), files)


def _member(migrations: Migrations | None, members: Sequence[Member]) -> Member | None:
    """Return the one of `members` that brings migrations."""
    return next((each for each in members if migrations and each.repository == migrations.repository), None)


def _suited(fit: "Fit", brought: _Brought) -> Suited:
    new = [brought.history.steps[name] for name in fit.pending]
    warned = _warnings(brought.files, new) if fit.golden and fit.golden.engine == "postgresql" else ()
    return Suited(fit.golden, (*([fit.reason] if fit.reason else []), *warned))


def _warnings(files: Mapping[str, str], new: "Sequence[Step]") -> tuple[str, ...]:
    """Return what squawk says of the `new` steps in `files`; that it says nothing keeps no environment from anybody."""
    from layersite.database.fit.squawk import warnings

    try:
        found = warnings(files, new)
    except ToolError as error:
        return (f"the new migrations were not looked at: {error}",)
    more = (f"squawk has {len(found) - _WARNINGS} more warnings",) if len(found) > _WARNINGS else ()
    return (*found[:_WARNINGS], *more)
