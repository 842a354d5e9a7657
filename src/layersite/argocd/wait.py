"""Wait until applications have arrived, and say what became of each as soon as it is known."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from queue import Empty, SimpleQueue
from typing import Literal

from layersite.argocd import steady
from layersite.argocd._http import PassingError
from layersite.argocd.case import Case
from layersite.argocd.explain import Explain, try_explain
from layersite.argocd.judge import Fault, Verdict, tree_faults
from layersite.argocd.model import Outcome, Patience, Result
from layersite.argocd.server import Server
from layersite.argocd.steady import Sight
from layersite.argocd.stream import Change
from layersite.argocd.text import clean
from layersite.argocd.watch import Lost, Open, Watch
from layersite.model.errors import ArgoCDError

__all__ = ["await_synced"]

Contains = Callable[[str, str], bool]
Tell = Callable[[str], None]

_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_TICK = 0.5
_AT_ONCE = 8
"""Seconds between decisions, and requests at once."""


@dataclass(frozen=True)
class _Looked:
    """What was found in an application's tree."""

    name: str
    faults: list[Fault]


@dataclass(frozen=True)
class _Sighted:
    """How an application's pods were seen."""

    name: str
    sight: Sight


_News = Change | Lost | Open | _Looked | _Sighted


class _Waiting:
    """One wait for many applications; `news` is filled by threads and read by one."""

    def __init__(self, server: Server, cases: list[Case], patience: Patience, tell: Tell) -> None:
        self._server, self._patience, self._tell = server, patience, tell
        self.cases = {case.name: case for case in cases}
        self.lost: ArgoCDError | None = None
        self._news: SimpleQueue[_News] = SimpleQueue()

    def follow(self, pool: ThreadPoolExecutor, until: float) -> Iterator[tuple[Case, Verdict]]:
        """Give each case that is decided, until all are or the time is up."""
        with Watch(self._server, sorted(self.cases), self._news.put):
            while self.cases and time.monotonic() < until:
                self._read(min(_TICK, max(0.0, until - time.monotonic())))
                now = time.monotonic()
                for case in list(self.cases.values()) if self.lost is None else ():
                    verdict = case.verdict(self._patience, now)
                    if verdict.state != "open":
                        del self.cases[case.name]
                        yield case, verdict
                    else:
                        self._ask(pool, case, now)

    def _read(self, seconds: float) -> None:
        with suppress(Empty):
            self._take(self._news.get(timeout=seconds))
            while True:
                self._take(self._news.get_nowait())

    def _take(self, news: _News) -> None:
        if isinstance(news, Lost):
            if not isinstance(news.error, PassingError):
                raise news.error
            if self.lost is None:
                self._tell(f"{news.error}; trying on")
            self.lost = news.error
            for case in self.cases.values():
                case.lose_sight()
        elif isinstance(news, Open):
            if self.lost is not None:
                self._tell("Argo CD answers again")
            self.lost = None
        elif isinstance(news, Change):
            if found := self.cases.get(news.application.name):
                found.see(None if news.type == "DELETED" else news.application)
        elif found := self.cases.get(news.name):
            if isinstance(news, _Looked):
                found.found = news.faults
            else:
                found.take(news.sight, time.monotonic())

    def _ask(self, pool: ThreadPoolExecutor, case: Case, now: float) -> None:
        if means := case.wants_freedom(now):
            case.freed = now
            pool.submit(self._free, case.name, means)
        elif case.wants_look(now):
            case.looked = now
            pool.submit(self._look, case)
        elif case.wants_sight(now) and self._patience.settle > 0:
            case.sight_asked = now
            pool.submit(self._see, case.name)
        elif case.wants_refresh(now):
            case.refreshed = now
            pool.submit(self._refresh, case.name)

    def _look(self, case: Case) -> None:
        state = case.application.status.operation_state if case.application else None
        with suppress(ArgoCDError):  # the stream says what is wrong with Argo CD
            faults = tree_faults(self._server.tree(case.name), state.started_at if state else None)
            self._news.put(_Looked(case.name, faults))

    def _see(self, name: str) -> None:
        with suppress(ArgoCDError):
            self._news.put(_Sighted(name, steady.see(self._server, name)))

    def _refresh(self, name: str) -> None:
        with suppress(ArgoCDError):
            self._server.application(name, refresh="normal")

    def _free(self, name: str, means: Literal["terminate", "sync"]) -> None:
        with suppress(ArgoCDError):  # a token that may not must see it to its end
            (self._server.terminate if means == "terminate" else self._server.sync)(name)


def await_synced(
    server: Server,
    wanted: Mapping[str, str],
    *,
    deadline: float,
    contains: Contains,
    explain: Explain,
    patience: Patience,
    tell: Tell,
) -> Iterator[Result]:
    """Give the result of each application of `wanted` (name -> commit), in the order in which they are known."""
    if not wanted:
        return
    now, contains = time.monotonic(), cache(contains)
    cases = [Case(name, _arrived(commit, contains), now) for name, commit in sorted(wanted.items())]
    waiting = _Waiting(server, cases, patience, tell)
    with _pool() as pool:
        for case, verdict in waiting.follow(pool, now + deadline):
            yield _result(case, verdict, explain)
        late = list(waiting.cases.values())
        if waiting.lost is not None:
            yield from (Result(case.name, "unseen", clean(str(waiting.lost))) for case in late)
            return
        open_ones = [case.verdict(patience, time.monotonic()) for case in late]
        yield from pool.map(_result, late, open_ones, [explain] * len(late))


def _arrived(commit: str, contains: Contains) -> Callable[[str], bool]:
    def is_ours(revision: str) -> bool:
        # where nothing could be compared, Argo CD gives the branch for its revision
        return revision == commit or (_COMMIT.fullmatch(revision) is not None and contains(revision, commit))

    return is_ours


def _result(case: Case, verdict: Verdict, explain: Explain) -> Result:
    revision = case.application.status.sync.revision if case.application else ""
    if verdict.state == "healthy":
        return Result(case.name, "healthy", revision=revision)
    outcome: Outcome = "failed" if verdict.state == "failed" else "late"
    return Result(case.name, outcome, clean(verdict.reason), revision, try_explain(explain, case.name))


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(_AT_ONCE, "argocd")
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
