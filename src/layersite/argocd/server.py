"""The words of argocd-server's REST API that Layersite uses, each one request, always within one project."""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from pydantic import ValidationError

from layersite.argocd._http import Http
from layersite.argocd.objects import Event, LogEntry, LogLine, Node, Pod, Tree
from layersite.argocd.received import Application, ApplicationSet, Managed, Many, Received
from layersite.argocd.stream import Stream

__all__ = ["Server"]

_SHORT = (
    "metadata.name",
    "metadata.creationTimestamp",
    "metadata.deletionTimestamp",
    "status.sync.status",
    "status.sync.revision",
    "status.health",
    "status.operationState.phase",
    "status.operationState.startedAt",
    "status.operationState.finishedAt",
)
"""What a list can be restricted to; a stream can be to anything."""
_MORE = (
    "operation.sync.revision",
    "operation.initiatedBy",
    "status.conditions",
    "status.operationState.message",
    "status.operationState.retryCount",
    "status.operationState.operation.sync.revision",
    "status.operationState.syncResult.revision",
)
_MOST_NAMES = 100
"""More names than these would make an address longer than proxies allow; then all of the project are sent."""
_LOG_BYTES = 200_000
_RETRIES = 5


class _List(Received):
    items: Many[Application] = ()


class _Events(Received):
    items: Many[Event] = ()


class _Answer(Received):
    value: str


class _Version(Received):
    Version: str


class _Manifest(Received):
    manifest: str


class _Objects(Received):
    items: Many[Managed] = ()


class _Sets(Received):
    items: Many[ApplicationSet] = ()


class Server:
    """One argocd-server, and of its applications those of `project`."""

    def __init__(self, http: Http, project: str) -> None:
        self._http, self._project = http, project

    def version(self) -> str:
        """Return the server's version, such as `v3.6.1`; anyone may ask."""
        return self._http.get("/api/version", _Version, "Argo CD's version").Version.split("+")[0]

    def applications(self, names: Collection[str] = ()) -> dict[str, Application]:
        """Return the project's applications in short, or those of `names`.

        A list only holds what the token may see: an empty one says nothing unless `may` does too.
        """
        fields = ",".join(f"items.{field}" for field in _SHORT)
        params = {"projects": self._project, "fields": fields, **_only(names)}
        listed = self._http.get("/api/v1/applications", _List, "the list of applications", params)
        return {application.name: application for application in listed.items}

    def application(self, name: str, refresh: Literal["", "normal", "hard"] = "", timeout: float = 0) -> Application:
        """Return one application whole; with `refresh` only after Argo CD compared it with git anew.

        Raises:
            MissingError: the project has no such application.
        """
        params = {"project": self._project, **({"refresh": refresh} if refresh else {})}
        return self._http.get(f"{_path(name)}", Application, f"application `{name}`", params, timeout=timeout or None)

    def may(self, resource: str, action: str, name: str) -> bool:
        """Return whether the token is allowed to; lists and streams are empty without a word where it is not."""
        path = f"/api/v1/account/can-i/{resource}/{action}/{self._project}/{name}"
        return self._http.get(path, _Answer, "what the token may do").value == "yes"

    def require(self, name: str) -> None:
        """Raise ArgoCDError if the token may not see the application `name`, which a list or stream would not say."""
        if not self.may("applications", "get", name):
            raise self._http.forbidden(f"application `{name}`", "applications, get")

    @contextmanager
    def stream(self, names: Collection[str], quiet: float) -> Iterator[Stream]:
        """Open the stream of applications and of what happens to them; it ends after `quiet` seconds without any."""
        fields = ["error", "result.type", *(f"result.application.{field}" for field in (*_SHORT, *_MORE))]
        params = {"projects": self._project, "fields": ",".join(fields), **_only(names)}
        what = "the stream of applications"
        with self._http.stream("/api/v1/stream/applications", what, params, read=quiet) as response:
            yield Stream(self._http, response, what)

    def terminate(self, name: str) -> None:
        """End the operation that goes on for an application; Argo CD waits for its end, however often it fails."""
        what = f"ending the operation of application `{name}`"
        self._http.send("DELETE", f"{_path(name)}/operation", what, "applications, sync", {})

    def sync(self, name: str) -> None:
        """Have Argo CD apply the newest commit to an application, as it does by itself but for failures before."""
        content = {"prune": True, "retryStrategy": {"limit": _RETRIES, "refresh": True}}
        self._http.send("POST", f"{_path(name)}/sync", f"syncing application `{name}`", "applications, sync", content)

    def tree(self, name: str) -> Tree:
        """Return what the application consists of in the cluster."""
        what = f"the objects of application `{name}`"
        return self._http.get(f"{_path(name)}/resource-tree", Tree, what, {"project": self._project})

    def managed(self, name: str) -> tuple[Managed, ...]:
        """Return the objects that the application manages, each as it lives and as it would after a sync."""
        what = f"what application `{name}` manages"
        path = f"{_path(name)}/managed-resources"
        return self._http.get(path, _Objects, what, {"project": self._project}).items

    def pod(self, name: str, node: Node) -> Pod:
        """Return how the pod `node` is."""
        params = {**self._of(node), "version": node.version or "v1", "group": node.group, "kind": node.kind}
        what = f"pod `{node.name}` of application `{name}`"
        answer = self._http.get(f"{_path(name)}/resource", _Manifest, what, params)
        return self._http.parse(answer.manifest.encode(), Pod, what)

    def events(self, name: str, node: Node) -> tuple[Event, ...]:
        """Return what the cluster noted about `node`."""
        params = {**self._of(node), "resourceUID": node.uid}
        params["resourceNamespace"] = params.pop("namespace")
        return self._http.get(f"{_path(name)}/events", _Events, f"the events of `{node.name}`", params).items

    def log(self, name: str, pod: Node, container: str, *, previous: bool, lines: int) -> list[str]:
        """Return the last `lines` of a container's log, or of its `previous` run's. Needs the policy `logs, get`."""
        params = {
            "project": self._project,
            "namespace": pod.namespace,
            "podName": pod.name,
            "container": container,
            "tailLines": str(lines),
            "previous": str(previous).lower(),
        }
        found: list[str] = []
        size = 0
        with self._http.stream(f"{_path(name)}/logs", f"the log of `{pod.name}`", params, "logs, get") as response:
            for text in response.iter_lines():
                size += len(text)
                entry = _entry(text)
                if entry is None or entry.last or size > _LOG_BYTES:
                    break
                found.append(entry.content)
        return found

    def set_faults(self) -> Mapping[str, str]:
        """Return, by name, what the project's ApplicationSets that fail say."""
        params = {"projects": self._project, "fields": "items.metadata.name,items.status.conditions"}
        what = "the ApplicationSets"
        listed = self._http.get("/api/v1/applicationsets", _Sets, what, params, "applicationsets, get")
        return {
            each.metadata.name: condition.message
            for each in listed.items
            for condition in each.status.conditions
            if condition.type == "ErrorOccurred" and condition.status == "True"
        }

    def _of(self, node: Node) -> dict[str, str]:
        return {"project": self._project, "namespace": node.namespace, "resourceName": node.name}


def _path(name: str) -> str:
    return f"/api/v1/applications/{name}"


def _only(names: Collection[str]) -> dict[str, list[str]]:
    return {"names": sorted(names)} if len(names) <= _MOST_NAMES else {}


def _entry(text: str) -> LogEntry | None:
    try:
        return LogLine.model_validate(json.loads(text)).result
    except (ValueError, ValidationError):
        return None
