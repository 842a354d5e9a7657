"""What is brought to environments while Argo CD works on them: secrets and databases, by the site's playbooks.

Another run may remove an environment meanwhile: the repository is asked before a database is made, and again after.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from layersite.follow.protocols import Reaps, Stores
from layersite.model.database import Delivery
from layersite.model.environment import Environment
from layersite.model.errors import LayersiteError
from layersite.model.standing import Standing
from layersite.store import Entry

__all__ = ["Brought", "bring", "deliver"]

_GONE = "it was removed meanwhile, so it has no database"


@dataclass(frozen=True)
class Brought:
    """By name what did not work with the secrets, and the databases."""

    secrets: "Future[dict[str, str | None]]"
    databases: "Future[dict[str, Delivery]]"


def bring(
    work: Executor, store: Stores, playbooks: Reaps | None, alive: Mapping[str, Standing], tell: Callable[[str], None]
) -> Brought:
    """Begin to bring the environments of `alive` what they need."""
    return Brought(work.submit(_secrets, playbooks, alive), work.submit(_databases, store, playbooks, alive, tell))


def _secrets(playbooks: Reaps | None, alive: Mapping[str, Standing]) -> dict[str, str | None]:
    environments = [s.environment for s in alive.values() if isinstance(s.environment, Environment)]
    if playbooks is None or not environments:
        return {}
    try:
        return playbooks.secrets(environments)
    except LayersiteError as error:
        return dict.fromkeys(alive, str(error))


def _databases(
    store: Stores, playbooks: Reaps | None, alive: Mapping[str, Standing], tell: Callable[[str], None]
) -> dict[str, Delivery]:
    names = [name for name, s in alive.items() if isinstance(s.environment, Environment) and s.environment.data]
    if playbooks is None or not names:
        return {}
    books = playbooks

    def bring(environments: Sequence[Environment]) -> dict[str, Delivery]:
        try:
            return books.databases(environments)
        except LayersiteError as error:
            return {environment.name: Delivery(str(error)) for environment in environments}

    tell(f"bringing {len(names)} environments their databases")
    try:
        return deliver(store, names, bring, books.drop)
    except LayersiteError as error:
        return dict.fromkeys(names, Delivery(str(error)))


def deliver(
    store: Stores,
    names: Collection[str],
    bring: Callable[[Sequence[Environment]], Mapping[str, Delivery]],
    drop: Callable[[Sequence[Environment]], Mapping[str, str | None]],
) -> dict[str, Delivery]:
    """Bring the environments `names` the databases that are committed of them, until nothing was committed meanwhile.

    What went by then loses again what was made here: who removed it may have looked for that before it was there.
    """
    made: dict[str, Environment] = {}
    found = dict.fromkeys(names, Delivery(_GONE))
    while any(due := _unmet(made, names, store.read().entries)):
        lacking, gone = due
        left = drop([each for each in gone if found[each.name].is_made])
        for each in gone:
            del made[each.name]
            found[each.name] = Delivery("; ".join(filter(None, (_GONE, left.get(each.name)))))
        found |= bring(lacking)
        made |= {each.name: each for each in lacking}
    return found


def _unmet(
    made: Mapping[str, Environment], names: Collection[str], entries: Mapping[str, Entry]
) -> tuple[list[Environment], list[Environment]]:
    """Return which of `names` lack databases that are committed of them, and which of those `made` are gone."""
    alive = {name: found for name in names if name in entries and (found := entries[name].environment)}
    lacking = [each for name, each in alive.items() if name not in made or made[name].origins != each.origins]
    return lacking, [each for name, each in made.items() if name not in alive]
