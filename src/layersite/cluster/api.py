"""The Kubernetes API as far as it is needed here: JSON in and out by path, so that a test passes a fake."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from layersite.model.errors import ToolError

__all__ = ["ENVIRONMENT", "MANAGED_BY", "Cluster", "ClusterError", "Clusters", "Json", "Place", "Wish"]

Json = dict[str, Any]  # what the API server answers; every kind has its own shape

ENVIRONMENT = "layersite.dev/environment"
"""The label by which everything of an environment is known as its own."""
MANAGED_BY = "app.kubernetes.io/managed-by"

_PASSING = {0, 409, 429}


class ClusterError(ToolError):
    """The API server refused a request with `status`, or could not be reached (0)."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.status in _PASSING or self.status >= 500


@dataclass(frozen=True)
class Place:
    """Where an environment lives; `context` names one of the kubeconfig, None the current one or the pod's own."""

    name: str
    namespace: str
    context: str | None = None
    generation: int = 0

    @property
    def path(self) -> str:
        """The path of its Namespace."""
        return f"/api/v1/namespaces/{self.namespace}"


@dataclass(frozen=True)
class Wish:
    """A Secret that an environment is to have; without `keys` a copy has all of its source's."""

    name: str
    source: Literal["copy", "generate"]
    keys: tuple[str, ...] = ()


class Cluster(Protocol):
    """One API server. Every method raises ClusterError."""

    def get(self, path: str) -> Json | None:
        """Return the object at `path`, None if there is none."""

    def items(self, path: str) -> list[Json]:
        """Return the metadata of every object of the list at `path`, never their content."""

    def volumes(self) -> list[Json]:
        """Return every PersistentVolume."""

    def listable(self) -> list[tuple[str, str]]:
        """Return the kind, and the path with `{}` for the namespace, of whatever a namespace may hold."""

    def create(self, path: str, item: Json) -> None:
        """Add `item` to the list at `path`."""

    def replace(self, path: str, item: Json) -> None:
        """Write `item` unless it changed since it was read."""

    def patch(self, path: str, changes: Json) -> None:
        """Merge `changes` into the object at `path`."""

    def delete(self, path: str, item: Json) -> None:
        """Remove the object unless it changed since `item` was read."""


Clusters = Callable[[str | None], Cluster]
"""Gives the cluster of a kubeconfig context. Raises ClusterError."""
