"""Wait until applications are gone: what a list lacks is gone only if Argo CD also says so of it by itself."""

import math
import time
from collections.abc import Callable, Iterable, Iterator

from layersite.argocd._http import ForbiddenError, MissingError, PassingError
from layersite.argocd.explain import Explain, try_explain
from layersite.argocd.model import Result
from layersite.argocd.received import Application
from layersite.argocd.server import Server
from layersite.model.errors import ArgoCDError

__all__ = ["await_gone"]

Tell = Callable[[str], None]

_EVERY, _FREE_EVERY = 0.5, 10.0
"""Seconds."""


def await_gone(
    server: Server, names: Iterable[str], *, deadline: float, explain: Explain, tell: Tell
) -> Iterator[Result]:
    """Give the result of each application, in the order in which they go."""
    until, left, lost = time.monotonic() + deadline, set(names), ""
    freer = _Freer(server, tell)
    while left:
        try:
            listed = server.applications(left)
            for name in sorted(left - listed.keys()):
                if _is_gone(server, name):
                    left.remove(name)
                    yield Result(name, "gone")
            for name in left & listed.keys():
                freer.free(listed[name])
            lost = ""
        except PassingError as error:
            if not lost:
                tell(f"{error}; trying on")
            lost = str(error)
        if time.monotonic() >= until:
            break
        time.sleep(min(_EVERY, max(0.0, until - time.monotonic())))
    for name in sorted(left):
        yield Result(name, "late", lost or "its Application is still there", troubles=try_explain(explain, name))


def _is_gone(server: Server, name: str) -> bool:
    """Ask for it by itself: a list also lacks what the token may not see."""
    try:
        server.application(name)
    except MissingError:
        return True
    return False


class _Freer:
    """Ends the operations of deleted applications: Argo CD begins to delete only then, which may be never."""

    def __init__(self, server: Server, tell: Tell) -> None:
        self._server, self._tell = server, tell
        self._again: dict[str, float] = {}

    def free(self, application: Application) -> None:
        """End the operation if there is one and it was not tried just now. Raises PassingError."""
        name, now = application.name, time.monotonic()
        if not application.metadata.deletion_timestamp or not application.is_busy or now < self._again.get(name, 0):
            return
        self._again[name] = now + _FREE_EVERY
        try:
            self._server.terminate(name)
        except ForbiddenError as error:
            self._again[name] = math.inf
            self._tell(f"{error}; so it is deleted only once that has ended by itself")
        except PassingError:
            raise
        except ArgoCDError:  # it has ended meanwhile
            pass
