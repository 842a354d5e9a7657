"""Which golden a change's clone is made from: the newest that its migrations lead on from, or why there is none."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from layersite.database.fit.changelog import read_liquibase
from layersite.database.fit.history import History
from layersite.database.fit.numbered import (
    read_flyway,
    read_golang_migrate,
    read_goose,
    read_prisma,
    read_rails,
)
from layersite.database.fit.python import read_alembic, read_django
from layersite.model.database import Golden

__all__ = ["Fit", "choose", "read_history"]

_READERS: Mapping[str, Callable[[Mapping[str, str]], History]] = {
    "alembic": read_alembic,
    "django": read_django,
    "flyway": read_flyway,
    "golang-migrate": read_golang_migrate,
    "goose": read_goose,
    "liquibase": read_liquibase,
    "prisma": read_prisma,
    "rails": read_rails,
}


@dataclass(frozen=True)
class Fit:
    """What a change's database is made from.

    `clone`: of `golden`, on which the app then applies `pending`. `fixtures`: of made-up rows. `refused`: of nothing.
    `reason` is for people: why it is not the newest golden, or none.
    """

    kind: Literal["clone", "fixtures", "refused"]
    golden: Golden | None = None
    pending: tuple[str, ...] = ()
    reason: str = ""


def read_history(tool: str, files: Mapping[str, str]) -> History:
    """Read the migrations in `files`, paths with their contents, as `tool` does. Raises InvalidInputError."""
    return _READERS[tool](files)


def choose(goldens: Iterable[Golden], history: History, *, has_fixtures: bool = False) -> Fit:
    """Choose the newest of `goldens` from whose ledger `history` leads on; else fixtures, where there are some."""
    reasons: list[str] = []
    for golden in sorted(goldens, key=lambda each: (each.built, each.name), reverse=True):
        obstacle = history.obstacle(golden.migrations)
        if obstacle is None:
            pending = history.pending(golden.migrations)
            return Fit("clone", golden, pending, "; ".join((*reasons[:1], *_forks(history))))
        reasons.append(f"golden `{golden.name}` does not fit: {obstacle}")
    reason = reasons[0] if reasons else "there is no golden yet; build one with `layersite golden build`"
    if has_fixtures:
        return Fit("fixtures", None, tuple(history.steps), reason)
    advice = "; bring the change up to date with its target branch" if reasons else ""
    return Fit("refused", None, (), f"{reason}{advice}")


def _forks(history: History) -> tuple[str, ...]:
    """Say where the tool will not know which step is the last: `alembic upgrade head` and `migrate` refuse then."""
    scopes: dict[str, list[str]] = {}
    for name in history.heads:
        scopes.setdefault(name.partition(".")[0] if history.scopes is not None else "", []).append(name)
    heads = [names for names in scopes.values() if len(names) > 1]
    is_linked = any(step.after for step in history.steps.values())
    return tuple(
        f"the change's migrations end in {' and '.join(f'`{name}`' for name in sorted(names))}; merge them"
        for names in heads
        if is_linked
    )
