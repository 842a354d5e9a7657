"""What is brought to environments while Argo CD works on them: secrets and databases, by the site's playbooks."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from layersite.follow.protocols import Reaps
from layersite.model.database import Delivery
from layersite.model.environment import Environment
from layersite.model.errors import LayersiteError
from layersite.model.standing import Standing

__all__ = ["Brought", "bring"]


@dataclass(frozen=True)
class Brought:
    """By name what did not work with the secrets, and the databases."""

    secrets: "Future[dict[str, str | None]]"
    databases: "Future[dict[str, Delivery]]"


def bring(
    work: Executor, playbooks: Reaps | None, alive: Mapping[str, Standing], tell: Callable[[str], None]
) -> Brought:
    """Begin to bring the environments of `alive` what they need."""
    return Brought(work.submit(_secrets, playbooks, alive), work.submit(_databases, playbooks, alive, tell))


def _secrets(playbooks: Reaps | None, alive: Mapping[str, Standing]) -> dict[str, str | None]:
    environments = [s.environment for s in alive.values() if isinstance(s.environment, Environment)]
    if playbooks is None or not environments:
        return {}
    try:
        return playbooks.secrets(environments)
    except LayersiteError as error:
        return dict.fromkeys(alive, str(error))


def _databases(
    playbooks: Reaps | None, alive: Mapping[str, Standing], tell: Callable[[str], None]
) -> dict[str, Delivery]:
    environments = [s.environment for s in alive.values() if isinstance(s.environment, Environment)]
    environments = [environment for environment in environments if environment.data]
    if playbooks is None or not environments:
        return {}
    tell(f"bringing {len(environments)} environments their databases")
    try:
        return playbooks.databases(environments)
    except LayersiteError as error:
        return {environment.name: Delivery(str(error)) for environment in environments}
