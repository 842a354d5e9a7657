"""Bring environments their secrets: copies of the baseline's, and random ones that are made once.

Values are read from one API object and written to another; nothing else ever holds them.
"""

import base64
import secrets as random
import string
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from layersite.cluster.api import ENVIRONMENT, MANAGED_BY, Cluster, ClusterError, Clusters, Json, Place, Wish
from layersite.cluster.outcome import Clock, Outcome, RealClock, foreign, outside, settle
from layersite.model.errors import ToolError

__all__ = ["provide"]

_SOURCE = "layersite.dev/secret-source"
_LETTERS = string.ascii_letters + string.digits
_LENGTH = 32
_BOUND = "kubernetes.io/service-account-token"


class _SecretError(ToolError):
    """One Secret cannot be made; the message never holds a value."""


def provide(
    clusters: Clusters,
    wanted: Mapping[Place, Sequence[Wish]],
    baseline: str,
    prefix: str,
    *,
    timeout: float,
    dry_run: bool = False,
    clock: Clock | None = None,
) -> dict[str, Outcome]:
    """Make the wanted Secrets of each environment once its namespace exists; return what became of each.

    Copies come from the namespace `baseline` of the same cluster. All namespaces together are waited for at most
    `timeout` seconds.
    """
    clock = clock or RealClock()
    outcomes = outside(wanted, prefix)
    provider = _Provider(clusters, wanted, baseline, dry_run)
    places = [place for place in wanted if place.name not in outcomes]
    return outcomes | settle(places, provider.step, provider.late, 0 if dry_run else timeout, clock)


class _Provider:
    def __init__(
        self, clusters: Clusters, wanted: Mapping[Place, Sequence[Wish]], baseline: str, dry_run: bool
    ) -> None:
        self._clusters = clusters
        self._wanted = wanted
        self._baseline = baseline
        self._dry_run = dry_run
        self._source = cache(self._read_source)
        self._written: defaultdict[str, list[str]] = defaultdict(list)

    def step(self, place: Place) -> Outcome | None:
        """Make what is missing, if the namespace is there."""
        cluster = self._clusters(place.context)
        namespace = cluster.get(place.path)
        if namespace is None or "deletionTimestamp" in namespace["metadata"]:
            return None
        if text := foreign(namespace, place):
            return Outcome("refused", text)
        problems = []
        for wish in self._wanted[place]:
            try:
                if self._ensure(cluster, place, wish):
                    self._written[place.name].append(wish.name)
            except ToolError as error:
                if isinstance(error, ClusterError) and error.may_pass:
                    raise
                problems.append(str(error))
        return Outcome("failed" if problems else "ready", "; ".join(problems), tuple(self._written[place.name]))

    def late(self, place: Place) -> Outcome:
        """Say that there is no namespace to write to."""
        namespace = self._clusters(place.context).get(place.path)
        why = "does not exist yet" if namespace is None else "is still being removed"
        return Outcome("absent" if self._dry_run else "failed", f"the namespace {place.namespace} {why}")

    def _ensure(self, cluster: Cluster, place: Place, wish: Wish) -> bool:
        """Make what `wish` names, or bring a copy up to date; return whether anything had to be written."""
        path = f"{place.path}/secrets"
        is_source = wish.source == "copy" and place.namespace == self._baseline
        current = None if is_source else cluster.get(f"{path}/{wish.name}")
        if current is not None and not _is_owned(current, place):
            text = f"the Secret {place.namespace}/{wish.name} is not layersite's own: it lacks the label {MANAGED_BY}"
            raise _SecretError(f"{text}; remove it, or take `{wish.name}` out of the app.yaml that declares it")
        if wish.source == "copy":
            kind, data = _copy(self._source(place.context, wish.name), self._baseline, wish)
        else:
            kind, data = "Opaque", _generate(current, wish.keys)
        if is_source:
            return False
        return self._write(cluster, path, current, _object(place, wish, kind, data))

    def _write(self, cluster: Cluster, path: str, current: Json | None, item: Json) -> bool:
        name = item["metadata"]["name"]
        if current is None:
            if not self._dry_run:
                cluster.create(path, item)
            return True
        if current["type"] != item["type"]:
            where = f"{item['metadata']['namespace']}/{name}"
            text = (
                f"the Secret {where} has the type {current['type']} and its source {item['type']}, which cannot change"
            )
            raise _SecretError(f"{text}; remove {where}, and the next run makes it anew")
        labels = {**current["metadata"]["labels"], **item["metadata"]["labels"]}
        updated = {**current, "data": item["data"], "metadata": {**current["metadata"], "labels": labels}}
        if updated == {**current, "data": current.get("data", {})}:
            return False
        if not self._dry_run:
            cluster.replace(f"{path}/{name}", updated)
        return True

    def _read_source(self, context: str | None, name: str) -> Json | None:
        return self._clusters(context).get(f"/api/v1/namespaces/{self._baseline}/secrets/{name}")


def _is_owned(item: Json, place: Place) -> bool:
    labels = item["metadata"].get("labels", {})
    return bool(labels.get(MANAGED_BY) == "layersite" and labels.get(ENVIRONMENT) == place.name)


def _copy(source: Json | None, baseline: str, wish: Wish) -> tuple[str, dict[str, str]]:
    """Return type and data of a copy: the declared keys, or all."""
    where = f"{baseline}/{wish.name}"
    if source is None:
        raise _SecretError(f"there is no Secret {where} to copy; create it, or declare another `source`")
    if source["type"] == _BOUND:
        raise _SecretError(f"the Secret {where} is a service account's token, which is of no use in another namespace")
    data = source.get("data", {})
    missing = [key for key in wish.keys if key not in data]
    if missing:
        has = ", ".join(sorted(data)) or "none"
        raise _SecretError(f"the Secret {where} has no key {' and no key '.join(missing)}; its keys are: {has}")
    return source["type"], {key: data[key] for key in wish.keys or data}


def _generate(current: Json | None, keys: Iterable[str]) -> dict[str, str]:
    """Return what was generated before, with random values for the keys that are new."""
    is_generated = current is not None and current["metadata"]["labels"].get(_SOURCE) == "generate"
    data: dict[str, str] = dict(current.get("data", {})) if current is not None and is_generated else {}
    return data | {key: _random() for key in keys if key not in data}


def _random() -> str:
    text = "".join(random.choice(_LETTERS) for _ in range(_LENGTH))
    return base64.b64encode(text.encode()).decode()


def _object(place: Place, wish: Wish, kind: str, data: dict[str, str]) -> Json:
    labels = {ENVIRONMENT: place.name, MANAGED_BY: "layersite", _SOURCE: wish.source}
    metadata = {"name": wish.name, "namespace": place.namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": data}
