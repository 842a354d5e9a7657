"""Say why an application is not ready: which object, its reason, and a crashing container's last words."""

from collections.abc import Callable, Iterator

from layersite.argocd._http import MissingError
from layersite.argocd.judge import newest_pods, status_reason
from layersite.argocd.objects import Node, Tree
from layersite.argocd.pods import latest_warning, pod_troubles
from layersite.argocd.received import Application
from layersite.argocd.server import Server
from layersite.argocd.text import clean
from layersite.model.errors import ArgoCDError
from layersite.model.standing import Trouble

__all__ = ["Explain", "explain", "try_explain"]

Explain = Callable[[str], tuple[Trouble, ...]]

_MOST = 8
_NOT_WELL = ("Degraded", "Progressing", "Missing", "Unknown")


def explain(server: Server, name: str) -> tuple[Trouble, ...]:
    """Return what stands in the way of the application `name`, the causes before what follows from them.

    Raises ArgoCDError if Argo CD cannot be asked.
    """
    try:
        application = server.application(name)
        tree = server.tree(name)
    except MissingError:
        return tuple(_missing(server, name))
    found = [*_not_applied(application), *_conditions(application)]
    named = {(each.kind, each.name) for each in found}
    for trouble in _objects(server, name, tree):
        # where something could not be applied, the rest is missing because of that
        if (trouble.kind, trouble.name) not in named and not (found and trouble.reason == "Missing"):
            found.append(trouble)
    return tuple((found or _not_synced(application))[:_MOST])


def try_explain(explain: Explain, name: str) -> tuple[Trouble, ...]:
    """Return what `explain` says of `name`, nothing if Argo CD cannot be asked."""
    try:
        return explain(name)
    except ArgoCDError:
        return ()


def _missing(server: Server, name: str) -> Iterator[Trouble]:
    try:
        faults = server.set_faults()
    except ArgoCDError as error:
        yield Trouble("Application", name, "Missing", clean(f"and why is not known: {error}"))
        return
    for each, message in faults.items():
        yield Trouble("ApplicationSet", each, "ErrorOccurred", clean(message))
    if not faults:
        text = "Argo CD has not made it; does an ApplicationSet of this project read the environments repository?"
        yield Trouble("Application", name, "Missing", text)


def _not_applied(application: Application) -> list[Trouble]:
    """Return what the cluster refused, object by object."""
    state = application.status.operation_state
    if state is None or state.phase == "Succeeded":
        return []
    resources = state.sync_result.resources if state.sync_result else ()
    found = [
        Trouble(each.kind, each.name, each.hook_phase or each.status, clean(each.message))
        for each in resources
        if each.status == "SyncFailed" or each.hook_phase in ("Failed", "Error")
    ]
    if not found and state.phase in ("Failed", "Error"):
        found.append(Trouble("Application", application.name, f"sync {state.phase}", clean(state.message)))
    return found


def _conditions(application: Application) -> list[Trouble]:
    """Return what is wrong with the application itself; a SyncError repeats what the operation says.

    One that is being deleted has nothing in git any more to be compared with.
    """
    said = ("SyncError", "ComparisonError") if application.metadata.deletion_timestamp else ("SyncError",)
    return [
        Trouble("Application", application.name, each.type, clean(each.message))
        for each in application.status.conditions
        if each.type.endswith("Error") and each.type not in said
    ]


def _not_synced(application: Application) -> list[Trouble]:
    return [
        Trouble(each.kind, each.name, each.status, "the cluster's differs from what was committed")
        for each in application.status.resources
        if each.status == "OutOfSync"
    ]


def _objects(server: Server, name: str, tree: Tree) -> Iterator[Trouble]:
    """Return the troubles of pods, then of other objects that are not well though no pod says why."""
    blamed: set[str] = set()
    said: set[tuple[str, ...]] = set()
    parents = {node.uid: {owner.uid for owner in node.parent_refs} for node in tree.nodes}
    for pod in newest_pods(tree.nodes):
        if not _is_well(pod):
            owners = _ancestors(pod.uid, parents)
            for trouble, container in pod_troubles(server, name, pod):
                if (key := (*sorted(owners or {pod.uid}), container, trouble.reason)) not in said:
                    said.add(key)  # one of several alike is enough
                    blamed |= owners
                    yield trouble
    for node in sorted(tree.nodes, key=lambda node: -len(_ancestors(node.uid, parents))):  # the made before the maker
        if node.kind != "Pod" and node.uid not in blamed and node.health and node.health.status in _NOT_WELL:
            blamed |= _ancestors(node.uid, parents)
            warning = latest_warning(server, name, node)
            message = warning.message if warning else node.health.message
            reason = warning.reason if warning else node.health.status
            yield Trouble(node.kind, node.name, reason, clean(message))


def _is_well(pod: Node) -> bool:
    return (pod.health is not None and pod.health.status == "Healthy") or status_reason(pod) == "Completed"


def _ancestors(uid: str, parents: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    front = {uid}
    while front := {owner for each in front for owner in parents.get(each, set())} - found:
        found |= front
    return found
