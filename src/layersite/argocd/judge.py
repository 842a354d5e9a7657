"""Decide from what Argo CD shows whether an application has arrived, failed for good, or may still get there: pure."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from layersite.argocd.model import Patience
from layersite.argocd.objects import Node, Tree
from layersite.argocd.received import Application, OperationState

__all__ = ["Fault", "Verdict", "application_faults", "is_at", "judge", "newest_pods", "status_reason", "tree_faults"]

_WAITS = ("CreateContainerConfigError",)
_NEVER_STARTS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "CreateContainerError",
    "RunContainerError",
)
_CRASHES = ("CrashLoopBackOff", "Error", "OOMKilled", "StartError", "ContainerCannotRun", "ExitCode", "Signal")
_SLOW_GROUPS = ("external-secrets.io", "cert-manager.io")
"""Their objects are degraded until somebody else delivers."""

_RETRYING = re.compile(r" *Retrying attempt #.*")

Kind = Literal["broken", "missing", "crash"]


@dataclass(frozen=True)
class Fault:
    """One thing that keeps an application from health; `key` stays while it is the same trouble."""

    key: str
    kind: Kind
    reason: str
    restarts: int = 0

    def is_final(self, age: float, patience: Patience) -> bool:
        """Return whether it has lasted too long, `age` seconds, to pass."""
        if self.kind == "crash":
            return self.restarts >= patience.restarts
        return age >= (patience.missing if self.kind == "missing" else patience.seconds)


@dataclass(frozen=True)
class Verdict:
    """`open` may still become either; `reason` says what it waits for, or what failed."""

    state: Literal["healthy", "failed", "open"]
    reason: str = ""


def judge(
    application: Application | None, is_ours: Callable[[str], bool], faults: Mapping[Fault, float], patience: Patience
) -> Verdict:
    """Return how the application stands; `is_ours` says of a revision whether what we wait for is in it.

    `faults` are those present, with how many seconds each has lasted.
    """
    if application is None:
        return Verdict("open", "Argo CD has made no Application of it yet")
    if application.metadata.deletion_timestamp:
        return Verdict("open", "its Application is being deleted")
    status, state = application.status, application.status.operation_state
    if state and _has_failed(application, state, is_ours, patience):
        return Verdict("failed", f"Argo CD could not apply it: {_RETRYING.sub('', state.message)}")
    if not is_ours(status.sync.revision):
        reason = f"Argo CD still compares with commit {status.sync.revision[:12] or 'none'}"
    elif application.is_busy:
        reason = f"Argo CD is applying it{': ' if state and state.message else ''}{_said(state)}"
    elif status.sync.status != "Synced":
        reason = f"the cluster is {status.sync.status or 'Unknown'}, not Synced"
    elif status.health.status != "Healthy":
        reason = f"it is {status.health.status or 'Unknown'}, not Healthy"
    else:
        return Verdict("healthy")
    for fault, age in faults.items():
        if fault.is_final(age, patience):
            return Verdict("failed", fault.reason)
    return Verdict("open", reason)


def is_at(application: Application, is_ours: Callable[[str], bool]) -> bool:
    """Return whether what runs is what we wait for, so that its troubles are ours."""
    sync, state = application.status.sync, application.status.operation_state
    return (sync.status == "Synced" and is_ours(sync.revision)) or (state is not None and is_ours(state.revision))


def _has_failed(
    application: Application, state: OperationState, is_ours: Callable[[str], bool], patience: Patience
) -> bool:
    """Return whether the last operation was ours and is given up, by Argo CD or by us."""
    if not is_ours(state.revision):
        return False
    if state.phase in ("Failed", "Error"):
        sync = application.status.sync
        follows = sync.revision != state.revision and is_ours(sync.revision)  # a newer commit is tried next
        given_up = any(condition.type == "SyncError" for condition in application.status.conditions)
        return given_up or not (follows or application.operation)
    if not state.is_between_tries or "being terminated" in state.message:  # the namespace's former life still ends
        return False
    begun, ended = state.started_at, state.finished_at
    return begun is not None and ended is not None and (ended - begun).total_seconds() >= patience.seconds


def _said(state: OperationState | None) -> str:
    return state.message if state else ""


def application_faults(application: Application) -> list[Fault]:
    """Return what is wrong with the application itself, so that nothing can be applied."""
    return [
        Fault(condition.type, "broken", f"{condition.type}: {condition.message}")
        for condition in application.status.conditions
        if condition.type in ("ComparisonError", "InvalidSpecError")
    ]


def tree_faults(tree: Tree, since: datetime | None) -> list[Fault]:
    """Return what is wrong with the objects that the application made; `since` is when it was last applied."""
    faults = [
        Fault(
            f"{node.kind}/{node.name}",
            "missing" if node.group.endswith(_SLOW_GROUPS) else "broken",
            f"{node.kind} {node.name} is degraded{': ' if node.health.message else ''}{node.health.message}",
        )
        for node in tree.nodes
        if node.health and node.health.status == "Degraded" and node.kind != "Pod" and not node.parent_refs
    ]
    for pod in newest_pods(tree.nodes):
        if fault := _pod_fault(pod, since):
            faults.append(fault)
    return faults


def _pod_fault(pod: Node, since: datetime | None) -> Fault | None:
    reason = status_reason(pod)
    if reason in _WAITS:
        return Fault(f"Pod/{pod.uid}", "missing", f"pod {pod.name}: {reason}")
    if reason in _NEVER_STARTS:
        return Fault(f"Pod/{pod.uid}", "broken", f"pod {pod.name}: {reason}")
    restarts = int(pod.remark("Restart Count") or 0)
    if reason not in _CRASHES or not restarts:
        return None
    text = f"pod {pod.name}: {reason}, {restarts} restarts"
    is_older = since is not None and pod.created_at is not None and pod.created_at < since
    # One from before may yet be replaced, so its former restarts do not count, only that it stays.
    return Fault(f"Pod/{pod.uid}", "broken" if is_older else "crash", text, restarts)


def status_reason(pod: Node) -> str:
    """Return what `kubectl get pods` would show, without which container it is: `Init:ExitCode:3` is `ExitCode`."""
    return pod.remark("Status Reason").removeprefix("Init:").split(":")[0]


def newest_pods(nodes: Iterable[Node]) -> list[Node]:
    """Return the pods, but of a Deployment only those of its newest ReplicaSet: the others are on their way out."""
    revisions: dict[str, list[tuple[int, str]]] = defaultdict(list)
    nodes = list(nodes)
    for node in nodes:
        number = node.remark("Revision").removeprefix("Rev:")
        if node.kind == "ReplicaSet" and number.isdecimal():
            for owner in node.parent_refs:
                revisions[owner.uid].append((int(number), node.uid))
    old = {uid for found in revisions.values() for _, uid in found} - {max(found)[1] for found in revisions.values()}
    return [node for node in nodes if node.kind == "Pod" and not old & {owner.uid for owner in node.parent_refs}]
