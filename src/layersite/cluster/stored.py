"""One Secret of an environment: only layersite's own is read or written, and written only if something differs."""

import base64
from collections.abc import Mapping

from layersite.cluster.api import ENVIRONMENT, MANAGED_BY, Cluster, Json, Place
from layersite.model.errors import ToolError

__all__ = ["SOURCE", "SecretError", "make_secret", "own_secret", "read_values", "write_secret"]

SOURCE = "layersite.dev/secret-source"


class SecretError(ToolError):
    """One Secret cannot be made; the message never holds a value."""


def own_secret(cluster: Cluster, place: Place, name: str) -> Json | None:
    """Return the Secret `name` of the environment, None if there is none. Raises SecretError if it is not ours."""
    current = cluster.get(f"{place.path}/secrets/{name}")
    labels = current["metadata"].get("labels", {}) if current is not None else {}
    if current is not None and (labels.get(MANAGED_BY), labels.get(ENVIRONMENT)) != ("layersite", place.name):
        text = f"the Secret {place.namespace}/{name} is not layersite's own: it lacks the label {MANAGED_BY}"
        raise SecretError(f"{text}; remove it, or take `{name}` out of the app.yaml that declares it")
    return current


def read_values(secret: Json | None) -> dict[str, str]:
    """Return what a Secret holds, nothing if there is none."""
    data = (secret or {}).get("data") or {}
    return {key: base64.b64decode(value).decode("utf-8", "replace") for key, value in data.items()}


def make_secret(place: Place, name: str, source: str, data: Mapping[str, str], kind: str = "Opaque") -> Json:
    """Return the Secret `name` of the environment, with `data` already in base64."""
    labels = {ENVIRONMENT: place.name, MANAGED_BY: "layersite", SOURCE: source}
    metadata = {"name": name, "namespace": place.namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": dict(data)}


def write_secret(cluster: Cluster, place: Place, current: Json | None, item: Json, *, dry_run: bool) -> bool:
    """Bring the Secret to what `item` says, where `current` is what it is now; return whether anything differed."""
    path, name = f"{place.path}/secrets", item["metadata"]["name"]
    if current is None:
        if not dry_run:
            cluster.create(path, item)
        return True
    if current["type"] != item["type"]:
        where = f"{place.namespace}/{name}"
        text = f"the Secret {where} has the type {current['type']} and its source {item['type']}, which cannot change"
        raise SecretError(f"{text}; remove {where}, and the next run makes it anew")
    labels = {**current["metadata"]["labels"], **item["metadata"]["labels"]}
    updated = {**current, "data": item["data"], "metadata": {**current["metadata"], "labels": labels}}
    if updated == {**current, "data": current.get("data", {})}:
        return False
    if not dry_run:
        cluster.replace(f"{path}/{name}", updated)
    return True
