"""Follow applications in a thread of its own, through restarts and lost connections, and miss nothing for long."""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from threading import Event, Thread
from types import TracebackType

from layersite.argocd._http import PassingError
from layersite.argocd.server import Server
from layersite.argocd.stream import Change, Stream
from layersite.model.errors import ArgoCDError

__all__ = ["Lost", "Open", "Watch"]

_QUIET = 15.0
"""Seconds without news after which a stream begins anew, which sends everything again.

The server itself misses what happens between listing and following, and a dead connection looks like a quiet one.
"""
_LONGEST_PAUSE = 3.0


@dataclass(frozen=True)
class Lost:
    """The stream broke; it is tried again if the error passes."""

    error: ArgoCDError


@dataclass(frozen=True)
class Open:
    """The stream is open; what follows begins with everything that is there."""


class Watch:
    """Hands `put` each change of the applications `names` while the context is open."""

    def __init__(self, server: Server, names: Collection[str], put: Callable[[Change | Lost | Open], None]) -> None:
        self._server, self._names, self._put = server, names, put
        self._stopped = Event()
        self._stream: Stream | None = None
        self._thread = Thread(target=self._run, name="argocd-watch", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        if stream := self._stream:
            stream.stop()
        self._thread.join(timeout=1)  # it is a daemon: a connection that hangs need not be waited for

    def _run(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            try:
                failures = 0 if self._follow() else failures + 1
            except PassingError as error:
                failures += 1
                self._put(Lost(error))
            except ArgoCDError as error:
                self._put(Lost(error))
                return
            if failures:
                longest = min(_LONGEST_PAUSE, 0.1 * 2.0 ** min(failures, 10))
                self._stopped.wait(random.uniform(longest / 2, longest))  # noqa: S311 - jitter is no secret

    def _follow(self) -> bool:
        """Follow one stream to its end and return whether anything came of it."""
        self._server.require(min(self._names))
        if self._stopped.is_set():
            return True
        with self._server.stream(self._names, _QUIET) as stream:
            self._stream = stream
            if self._stopped.is_set():
                return True
            self._put(Open())
            came = False
            for change in stream:
                self._put(change)
                came = True
            return came
