"""What is known of one application that is waited for, and what should be asked about it next."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from layersite.argocd.judge import Fault, Verdict, application_faults, is_at, judge
from layersite.argocd.model import Patience
from layersite.argocd.received import Application
from layersite.argocd.steady import Run, Sight

__all__ = ["Case"]

_LOOK_EVERY, _SIGHT_EVERY = 4.0, 1.0
_REFRESH_AFTER, _REFRESH_EVERY = 3.0, 30.0
_FREE_EVERY = 2.0
"""Seconds."""


@dataclass
class Case:
    """One application that is waited for."""

    name: str
    is_ours: Callable[[str], bool]
    begun: float
    application: Application | None = None
    found: list[Fault] = field(default_factory=list)
    since: dict[str, float] = field(default_factory=dict)
    runs: dict[Run, float] = field(default_factory=dict)
    is_ready: bool = False
    sighted: float = 0
    sight_asked: float = 0
    looked: float = 0
    refreshed: float = 0
    freed: float = 0

    def see(self, application: Application | None) -> None:
        """Take in how Argo CD shows it now."""
        if _begun(application) != _begun(self.application):
            self.found = []  # they were the former operation's
        self.application = application

    def verdict(self, patience: Patience, now: float) -> Verdict:
        """Return how it stands `now`."""
        faults = [*(application_faults(self.application) if self.application else ()), *self.found]
        keys = {fault.key for fault in faults}
        self.since = {key: since for key, since in self.since.items() if key in keys}
        ages = {fault: now - self.since.setdefault(fault.key, now) for fault in faults}
        verdict = judge(self.application, self.is_ours, ages, patience)
        if verdict.state != "healthy":
            self.is_ready = False
        elif patience.settle > 0 and not self._has_settled(patience):
            return Verdict("open", "it has only just started, and may not stay up")
        return verdict

    def lose_sight(self) -> None:
        """Take in that Argo CD does not answer: how long something lasts is not known from then on."""
        self.since.clear()
        self.runs.clear()
        self.is_ready = False

    def take(self, sight: Sight, now: float) -> None:
        """Take in how its pods were seen `now`."""
        self.is_ready, self.sighted = sight.is_ready, now
        self.runs = {run: self.runs.get(run, now) for run in sight.unproved}

    def _has_settled(self, patience: Patience) -> bool:
        return self.is_ready and all(self.sighted - since >= patience.settle for since in self.runs.values())

    def wants_sight(self, now: float) -> bool:
        """Return whether its pods should be looked at live, as it is healthy but for that."""
        application = self.application
        return (
            application is not None
            and application.status.health.status == "Healthy"
            and not application.is_busy
            and self.is_ours(application.status.sync.revision)
            and now - self.sight_asked >= _SIGHT_EVERY
        )

    def wants_look(self, now: float) -> bool:
        """Return whether its objects should be looked at: what is wrong with a pod is not said of the application."""
        application = self.application
        return (
            application is not None
            and application.status.health.status != "Healthy"
            and now - max(self.begun, self.looked) >= _LOOK_EVERY
            and is_at(application, self.is_ours)
        )

    def wants_refresh(self, now: float) -> bool:
        """Return whether Argo CD should be asked to compare anew.

        It does not by itself where a push touched none of the application's paths, or where no one told it of one.
        """
        application = self.application
        return (
            application is not None
            and not application.is_busy
            and now - max(self.begun + _REFRESH_AFTER - _REFRESH_EVERY, self.refreshed) >= _REFRESH_EVERY
            and not self.is_ours(application.status.sync.revision)
        )

    def wants_freedom(self, now: float) -> Literal["terminate", "sync"] | None:
        """Return what gets an older commit out of the way that failed.

        Argo CD tries it again for minutes before it turns to ours, and then may not: what it has compared meanwhile
        counts as already tried (https://github.com/argoproj/argo-cd/blob/v3.6.1/controller/appcontroller.go#L2779).
        """
        application = self.application
        state = application.status.operation_state if application else None
        if application is None or state is None or now - self.freed < _FREE_EVERY:
            return None
        sync = application.status.sync
        if self.is_ours(state.revision) or sync.status != "OutOfSync" or not self.is_ours(sync.revision):
            return None
        if state.is_between_tries:
            return "terminate"
        is_given_up = any(condition.type == "SyncError" for condition in application.status.conditions)
        return "sync" if is_given_up and not application.is_busy else None


def _begun(application: Application | None) -> datetime | None:
    state = application.status.operation_state if application else None
    return state.started_at if state else None
