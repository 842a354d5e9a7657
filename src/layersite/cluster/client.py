"""Speak to a real API server: the `kubernetes` package reads the kubeconfig and signs in, its models stay unloaded.

They would cost more than a second per run, and only JSON is passed on here.
"""

import functools
import json
from pathlib import Path

from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException, incluster_config, kube_config
from urllib3.exceptions import HTTPError

from layersite.cluster.api import ClusterError, Clusters, Json

__all__ = ["KubernetesCluster", "connections"]

_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_CONNECT, _READ = 5, 30
_PAGE = 500


class KubernetesCluster:
    """The API server that `configuration` leads to."""

    def __init__(self, configuration: Configuration) -> None:
        self._client = ApiClient(configuration)
        self._host: str = configuration.host

    def get(self, path: str) -> Json | None:
        """Return the object at `path`, None if there is none."""
        try:
            return self._call("GET", path)
        except ClusterError as error:
            if error.status == 404:
                return None
            raise

    def items(self, path: str) -> list[Json]:
        """Return the metadata of every object of the list at `path`, never their content."""
        return self._pages(path, _METADATA)

    def volumes(self) -> list[Json]:
        """Return every PersistentVolume."""
        return self._pages("/api/v1/persistentvolumes", "application/json")

    def listable(self) -> list[tuple[str, str]]:
        """Return the kind, and the path with `{}` for the namespace, of whatever a namespace may hold."""
        groups = [group for root in ("/api", "/apis") for group in self._call("GET", root, accept=_DISCOVERY)["items"]]
        return sorted(found for group in groups for found in _resources(group))

    def create(self, path: str, item: Json) -> None:
        """Add `item` to the list at `path`."""
        self._call("POST", path, item)

    def replace(self, path: str, item: Json) -> None:
        """Write `item` unless it changed since it was read."""
        self._call("PUT", path, item)

    def patch(self, path: str, changes: Json) -> None:
        """Merge `changes` into the object at `path`."""
        self._call("PATCH", path, changes, content="application/merge-patch+json")

    def delete(self, path: str, item: Json) -> None:
        """Remove the object unless it changed since `item` was read."""
        seen = {key: item["metadata"][key] for key in ("uid", "resourceVersion")}
        try:
            self._call("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": seen})
        except ClusterError as error:
            if error.status != 404:
                raise

    def _pages(self, path: str, accept: str) -> list[Json]:
        found: list[Json] = []
        token = ""
        while True:
            page = self._call("GET", f"{path}?limit={_PAGE}&continue={token}", accept=accept)
            found += page["items"] or []  # null where there is none
            token = page["metadata"].get("continue", "")
            if not token:
                return found

    def _call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        accept: str = "application/json",
        content: str = "application/json",
    ) -> Json:
        headers = {"Accept": accept, "Content-Type": content, "User-Agent": "layersite"}
        try:
            self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            answer = self._client.rest_client.request(
                method, self._host + path, headers=headers, body=body, _request_timeout=(_CONNECT, _READ)
            )
            text: bytes = answer.read()
        except (ApiException, HTTPError, OSError) as error:
            raise ClusterError(0, f"the API server {self._host} cannot be reached: {_cause(error)}") from error
        if answer.status >= 400:
            raise ClusterError(answer.status, f"{self._host} answers {method} {path}: {_refusal(answer.status, text)}")
        decoded: Json = json.loads(text)
        return decoded


def _resources(group: Json) -> list[tuple[str, str]]:
    """Return what can be listed and deleted of an API group, in the version that the server prefers."""
    name = group["metadata"].get("name", "")
    version = group["versions"][0]
    root = f"/apis/{name}/{version['version']}" if name else f"/api/{version['version']}"
    return [
        (resource["responseKind"]["kind"], f"{root}/namespaces/{{}}/{resource['resource']}")
        for resource in version.get("resources", [])
        if resource["scope"] == "Namespaced" and {"list", "delete"} <= set(resource["verbs"])
    ]


def _cause(error: Exception) -> str:
    """Return the innermost reason of a failed connection, in one line."""
    reason = getattr(error, "reason", None) or error
    return " ".join(str(reason).split())[:200]


def _refusal(status: int, text: bytes) -> str:
    """Say why the API server refused.

    Of an object that it finds invalid, name the fields alone: its message may quote what they hold.
    """
    try:
        answer = json.loads(text)
    except ValueError:
        return f"status {status}"
    if status in (400, 422):
        fields = [cause.get("field", "") for cause in answer.get("details", {}).get("causes", [])]
        return f"{answer.get('reason', status)} {', '.join(filter(None, fields))}".strip()
    return answer.get("message") or f"status {status}"


def connections() -> Clusters:
    """Return what connects to a context once and keeps the connection."""
    return functools.cache(_connect)


def _connect(context: str | None) -> KubernetesCluster:
    configuration = Configuration()
    configuration.retries = 1
    try:
        if context is None and not _has_kubeconfig():
            return _from_inside(configuration)
        kube_config.load_kube_config(context=context, client_configuration=configuration)
    except (ConfigException, OSError, ValueError) as error:
        where = f"the context `{context}`" if context else "the current context"
        text = f"{where} of the kubeconfig cannot be used: {' '.join(str(error).split())}"
        raise ClusterError(0, f"{text}; set KUBECONFIG to a file that has it") from error
    return KubernetesCluster(configuration)


def _from_inside(configuration: Configuration) -> KubernetesCluster:
    """Connect as the pod that this runs in."""
    try:
        incluster_config.load_incluster_config(client_configuration=configuration)
    except ConfigException as error:
        text = "no cluster is known here: this is no pod, and there is no kubeconfig; set KUBECONFIG to one"
        raise ClusterError(0, text) from error
    return KubernetesCluster(configuration)


def _has_kubeconfig() -> bool:
    paths = str(kube_config.KUBE_CONFIG_DEFAULT_LOCATION).split(kube_config.ENV_KUBECONFIG_PATH_SEPARATOR)
    return any(Path(path).expanduser().is_file() for path in paths)
