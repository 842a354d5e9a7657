"""What smoke tests said, committed where it matters to later runs: waves wait for it, whoever brings the next."""

from collections.abc import Callable, Iterable
from typing import Literal

from layersite.follow.protocols import Stores
from layersite.follow.standings import SMOKE_FAILED
from layersite.model.environment import Environment, to_yaml
from layersite.model.errors import LayersiteError
from layersite.model.standing import Standing
from layersite.store import Write

__all__ = ["remember"]

Verdict = Literal["failed"] | None


def remember(store: Stores, ended: Iterable[Standing], tell: Callable[[str], None]) -> None:
    """Commit for which of those that `ended` smoke tests failed, or pass that were due or had failed before."""
    news = {each.name: each for each in ended if _is_news(each)}
    if not news:
        return
    try:
        entries = store.read().entries
        writes = []
        for name, standing in news.items():
            entry = entries.get(name)
            found = entry.environment if entry else None
            if entry is None or found is None or found.render is None or found.generation != standing.generation:
                continue
            lock = found.render.model_copy(update={"smoke": _verdict(standing)})
            files = {"environment.yaml": to_yaml(found.model_copy(update={"render": lock})).encode()}
            text = f"{name} generation {found.generation} smoke tests {_verdict(standing) or 'passed'}"
            writes.append(Write(name, files, entry.tree, text, entry.manifests))
        if writes:
            store.commit(writes, f"smoke tests of {', '.join(write.name for write in writes)}"[:72])
    except LayersiteError as error:
        tell(f"what smoke tests said could not be committed, so the next run runs them again: {error}")


def _is_news(standing: Standing) -> bool:
    """Whether it differs from what is committed; what did not become healthy tells nothing of its smoke tests."""
    environment = standing.environment
    if not isinstance(environment, Environment) or environment.render is None:
        return False
    was_asked = standing.state == "ready" or standing.summary == SMOKE_FAILED
    return was_asked and environment.render.smoke != _verdict(standing)


def _verdict(standing: Standing) -> Verdict:
    return "failed" if standing.summary == SMOKE_FAILED else None
