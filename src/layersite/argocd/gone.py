"""Wait until applications are gone: what a list lacks is gone only if Argo CD also says so of it by itself."""

import time
from collections.abc import Callable, Iterable, Iterator

from layersite.argocd._http import MissingError, PassingError
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
    freed: dict[str, float] = {}
    while left:
        try:
            listed = server.applications(left)
            for name in sorted(left - listed.keys()):
                if _is_gone(server, name):
                    left.remove(name)
                    yield Result(name, "gone")
            for name in sorted(left & listed.keys()):
                if _hangs(listed[name]) and time.monotonic() - freed.get(name, -_FREE_EVERY) >= _FREE_EVERY:
                    freed[name] = time.monotonic()
                    _free(server, name, tell)
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


def _hangs(application: Application) -> bool:
    """Return whether Argo CD does not begin to delete it before an operation has ended, which may be never."""
    return application.metadata.deletion_timestamp is not None and application.is_busy


def _free(server: Server, name: str, tell: Tell) -> None:
    try:
        server.terminate(name)
    except PassingError:
        raise
    except ArgoCDError as error:
        tell(f"{error}; until then it is not deleted")
