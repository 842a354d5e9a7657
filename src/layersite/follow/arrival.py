"""See environments come after a commit: Argo CD brings their pods, playbooks the rest, and last run the smoke tests."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from layersite.follow.bring import Brought
from layersite.follow.protocols import Deploys, Stores
from layersite.follow.smoke import remember
from layersite.follow.standings import SMOKE_FAILED
from layersite.follow.voice import Voice
from layersite.model.database import Brought as Database
from layersite.model.database import Delivery
from layersite.model.environment import Environment
from layersite.model.errors import LayersiteError
from layersite.model.site import Site
from layersite.model.standing import Standing

if TYPE_CHECKING:
    from layersite.argocd.model import Result

__all__ = ["Arrival", "is_asleep"]

_AT_ONCE = 8


@dataclass(frozen=True)
class Arrival:
    """What speaks to the cluster, the repository and, by `voice`, to people about what comes in one run."""

    site: Site
    store: Stores
    argocd: Deploys
    brought: Brought
    smoke: Callable[[str], tuple[bool, str]] | None
    complete: Callable[[Database], Database] | None
    voice: Voice
    tell: Callable[[str], None]

    def see(self, alive: Mapping[str, Standing], commit: str) -> None:
        """Wait until applications show `commit`, finish each that is healthy, and say how all of them ended."""
        names = {self.site.application(name): name for name in alive}
        if not names:
            return
        self.tell(f"waiting until {len(names)} environments are healthy")
        await_synced = partial(
            self.argocd.await_synced, deadline=self._minutes * 60, contains=self.store.contains, tell=self.tell
        )
        try:
            with ThreadPoolExecutor(_AT_ONCE) as judges:
                judged = []
                for result in await_synced(dict.fromkeys(names, commit)):
                    name = names[result.name]
                    self.tell(f"{name} is {result.outcome}{f': {result.reason}' if result.reason else ''}")
                    again = partial(await_synced, {result.name: commit})
                    judged.append(judges.submit(self._judge, alive[name], result, again))
            remember(self.store, [future.result() for future in judged], self.tell)
        except LayersiteError as error:
            for standing in self.voice.unsettled(alive):
                self.voice.say(replace(standing, state="unseen", summary=str(error)))

    def _judge(self, standing: Standing, result: "Result", again: "Callable[[], Iterable[Result]]") -> Standing:
        """Say how an environment ended; if its pods had to begin anew, how that is after `again` waiting for them."""
        delivery = self.brought.databases.result().get(standing.name, Delivery())
        if delivery.is_renewed:
            (result,) = again()
        problems = [text for text in (self.brought.secrets.result().get(standing.name), delivery.problem) if text]
        if result.outcome == "healthy" and not problems and is_asleep(standing):
            ended = replace(standing, state="asleep", summary="it has no pods until it wakes up")
        elif result.outcome == "healthy" and not problems:
            ended, delivery = self._finish(standing, delivery)
        elif result.outcome == "unseen":
            ended = replace(standing, state="unseen", summary=result.reason)
        else:
            late = f"it did not become healthy within {self._minutes} minutes: {result.reason}"
            why = late if result.outcome == "late" else "it does not become healthy"
            ended = replace(standing, state="failed", summary="; ".join(problems) or why, troubles=result.troubles)
        self.voice.say(replace(ended, databases=delivery.databases))
        return ended

    def _finish(self, standing: Standing, delivery: Delivery) -> tuple[Standing, Delivery]:
        """Fill the databases of a healthy environment that were made empty, and run its smoke tests."""
        try:
            made = [self.complete(d) if self.complete and d.golden is None else d for d in delivery.databases]
        except LayersiteError as error:
            return replace(standing, state="failed", summary=str(error)), delivery
        passed, said = self.smoke(standing.name) if self.smoke else (True, "")
        summary = "every app is healthy" if passed else SMOKE_FAILED
        ended = replace(standing, state="ready" if passed else "failed", summary=summary, smoke=said)
        return ended, replace(delivery, databases=tuple(made))

    @property
    def _minutes(self) -> int:
        """How long an environment may take to become healthy."""
        return self.site.argocd.timeout_minutes if self.site.argocd else 0


def is_asleep(standing: Standing) -> bool:
    """Whether the environment has no pods until it wakes up."""
    return isinstance(standing.environment, Environment) and standing.environment.state == "asleep"
