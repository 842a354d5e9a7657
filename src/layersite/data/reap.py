"""Remove clones of environments that went, and what failed runs left; what layersite did not make is never touched."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from layersite.cluster.api import Place
from layersite.cluster.batch import place_of, write_answer
from layersite.cluster.outcome import Outcome
from layersite.data.bring import instances_of
from layersite.database.clone import Engine, Taken, doomed, engine_of, reap
from layersite.model.errors import DatabaseError
from layersite.model.site import Instances
from layersite.plan import doubts_of_clones

__all__ = ["reap_batch"]

_AT_ONCE = 5

Parameters = Mapping[str, Any]  # what Ansible has checked against the module's own list of arguments


@dataclass
class Reaped:
    """What was found of one database to be removed, and what did not work: for one environment, for
    none that is known to go (empty), or for all (None)."""

    found: list[Taken] = field(default_factory=list)
    problems: list[tuple[str | None, str]] = field(default_factory=list)


def reap_batch(parameters: Parameters, dry_run: bool) -> dict[str, Any]:
    """Remove what is left of clones, write the result file and return what the module answers.

    Without `apply` it only tells. Of what no living environment has, nothing goes if that is more than `cap`.
    """
    going: dict[Place, list[str]] = {place_of(each): each["databases"] for each in parameters["environments"]}
    kinds = {each["name"]: (each["engine"], instances_of(each)) for each in parameters["databases"]}
    is_sweep = parameters["living"] is not None
    asked = sorted({name for names in going.values() for name in names} | (set(kinds) if is_sweep else set()))
    is_told_only = dry_run or not parameters["apply"]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        done = pool.map(lambda name: _reap_database(name, kinds.get(name), going, parameters, is_told_only), asked)
        reaped = dict(zip(asked, done, strict=True))
    outcomes = {place.name: _outcome(place, [reaped[name] for name in going[place]], is_told_only) for place in going}
    found = sorted(each.name for one in reaped.values() for each in one.found)
    problems = sorted({text for one in reaped.values() for _, text in one.problems})
    answer = write_answer(Path(parameters["result"]), going, outcomes)
    changed = bool(found) and parameters["apply"]
    return {**answer, "found": found, "changed": changed, "failed": bool(problems), "msg": "\n".join(problems)}


def _reap_database(
    database: str,
    kind: tuple[str, Instances | None] | None,
    going: Mapping[Place, Sequence[str]],
    parameters: Parameters,
    is_told_only: bool,
) -> Reaped:
    """Find what is to go of one database's clones, and remove it unless `is_told_only`."""
    leaving = {place.name for place, names in going.items() if database in names}
    reaped = Reaped()
    try:
        if kind is None:
            text = f"`{database}` is no longer among `databases` of layersite.yaml, so its clones cannot be found"
            raise DatabaseError(f"{text}; put it back until they are gone")
        with engine_of(database, *kind) as engine:
            taken = engine.taken(parameters["site"], parameters["prefix"])
            mine = [each for each in taken if each.database == database]
            grace = timedelta(minutes=parameters["grace_minutes"])
            found = doomed(mine, leaving, parameters["living"], datetime.now(UTC), grace)
            owners = [each.environment for each in mine if each.built]
            reaped.found = _believed(found, leaving, owners, parameters, reaped)
            if not is_told_only:
                _remove(engine, reaped)
    except DatabaseError as error:
        reaped.problems.append((None, str(error)))
    return reaped


def _believed(
    found: Sequence[Taken], leaving: set[str], owners: Sequence[str], parameters: Parameters, reaped: Reaped
) -> list[Taken]:
    """Return what may go: what nobody is known to have left stays if it is suspiciously much."""
    orphans, cap = [each for each in found if each.environment not in leaving], parameters["cap"]
    text = ""
    if any(each.built for each in orphans):
        text = doubts_of_clones(owners, {*parameters["living"], *leaving}, yes=False)
    if not text and len(orphans) > cap:
        names = ", ".join(each.name for each in orphans[:3])
        text = f"{len(orphans)} clones ({names}, …) have no environment, more than the cap of {cap}"
        text = f"{text}; `reap --yes`, or a higher `database_reap_cap`, removes them"
    if not text:
        return list(found)
    reaped.problems.append(("", f"clones without an environment stay: {text}"))
    return [each for each in found if each.environment in leaving]


def _remove(engine: Engine, reaped: Reaped) -> None:
    for each in reaped.found:
        try:
            reap(engine, each)
        except DatabaseError as error:
            reaped.problems.append((each.environment, str(error)))


def _outcome(place: Place, reaped: Sequence[Reaped], is_told_only: bool) -> Outcome:
    problems = [text for one in reaped for name, text in one.problems if name in (None, place.name)]
    found = tuple(each.name for one in reaped for each in one.found if each.environment == place.name)
    if problems:
        return Outcome("failed", "; ".join(problems), found)
    if found and is_told_only:
        return Outcome("present", f"{', '.join(found)} is to be removed", found)
    return Outcome("gone", changed=found)
