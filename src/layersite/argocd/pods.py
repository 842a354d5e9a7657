"""Say why a pod is not ready: what its containers wait for or died of, and a crashing one's last words."""

from collections.abc import Iterator

from layersite.argocd.judge import status_reason
from layersite.argocd.objects import ContainerStatus, Event, Node, Pod
from layersite.argocd.server import Server
from layersite.argocd.text import clean, tail
from layersite.model.errors import ArgoCDError
from layersite.model.standing import Trouble

__all__ = ["latest_warning", "pod_troubles"]

_LINES = 20


def pod_troubles(server: Server, name: str, node: Node) -> Iterator[tuple[Trouble, str]]:
    """Return the troubles of one pod, each with the container that it is about."""
    try:
        pod = server.pod(name, node)
    except ArgoCDError:  # it was replaced meanwhile
        return
    containers = [
        each for each in (*pod.status.init_container_statuses, *pod.status.container_statuses) if not _is_fine(each)
    ]
    for container in containers:
        if _crashed(container):
            yield _crash(server, name, node, container), container.name
        elif container.state.waiting and container.state.waiting.message:
            waiting = container.state.waiting
            yield Trouble("Pod", node.name, waiting.reason, clean(waiting.message)), container.name
        else:
            continue
        return  # the containers after it mostly wait for it
    yield _waiting(server, name, node, pod, containers), ""


def _is_fine(container: ContainerStatus) -> bool:
    ended = container.state.terminated
    return container.ready or (ended is not None and ended.exit_code == 0)


def _crashed(container: ContainerStatus) -> bool:
    waiting = container.state.waiting
    return container.state.terminated is not None or (waiting is not None and waiting.reason == "CrashLoopBackOff")


def _crash(server: Server, name: str, node: Node, container: ContainerStatus) -> Trouble:
    ended = container.state.terminated or container.last_state.terminated
    reason = container.state.waiting.reason if container.state.waiting else (ended.reason if ended else "") or "Error"
    code = f" ended with exit code {ended.exit_code}" if ended else " crashed"
    cause = f" ({ended.reason})" if ended and ended.reason not in ("", "Error", reason) else ""
    said = f": {ended.message}" if ended and ended.message else ""
    again = f", {container.restart_count} restarts" if container.restart_count else ""
    lines, lacking = _log(server, name, node, container)
    message = clean(f"container {container.name}{code}{cause}{again}{said}{lacking}")
    return Trouble("Pod", node.name, reason, message, lines)


def _log(server: Server, name: str, node: Node, container: ContainerStatus) -> tuple[tuple[str, ...], str]:
    """Return the last lines of the run that ended, and what to say where the token may not read them."""
    try:
        if not server.may("logs", "get", name):
            return (), "; its log needs the policy `logs, get`"
        previous = container.state.terminated is None
        return tail(server.log(name, node, container.name, previous=previous, lines=_LINES), _LINES), ""
    except ArgoCDError:
        return (), "; its log cannot be read"


def _waiting(server: Server, name: str, node: Node, pod: Pod, containers: list[ContainerStatus]) -> Trouble:
    """Return why a pod whose containers do not say so is not ready."""
    warning = latest_warning(server, name, node)
    refused = next(
        (each for each in pod.status.conditions if each.type == "PodScheduled" and each.status == "False"), None
    )
    said = refused or warning
    if said:
        return Trouble("Pod", node.name, said.reason, clean(said.message))
    message = f"container {containers[0].name} is not ready" if containers else ""
    reason = "NotReady" if pod.status.phase == "Running" else status_reason(node) or pod.status.phase
    return Trouble("Pod", node.name, reason, message)


def latest_warning(server: Server, name: str, node: Node) -> Event | None:
    """Return what the cluster last complained of about `node`, None if nothing or if it was replaced meanwhile."""
    try:
        events = server.events(name, node) if node.uid else ()
    except ArgoCDError:
        return None
    warnings = [event for event in events if event.type == "Warning"]
    return max(warnings, key=lambda event: str(event.last_timestamp or event.event_time or ""), default=None)
