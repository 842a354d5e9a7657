"""Bring environments their secrets: copies of the baseline's, and random ones that are made once.

Values are read from one API object and written to another; nothing else ever holds them.
"""

import base64
import secrets as random
import string
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from layersite.cluster.api import Cluster, ClusterError, Clusters, Json, Place, Wish
from layersite.cluster.outcome import Clock, Outcome, RealClock, foreign, outside, settle
from layersite.cluster.stored import SOURCE, SecretError, make_secret, own_secret, write_secret
from layersite.model.errors import ToolError

__all__ = ["provide"]

_LETTERS = string.ascii_letters + string.digits
_LENGTH = 32
_BOUND = "kubernetes.io/service-account-token"


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
        is_source = wish.source == "copy" and place.namespace == self._baseline
        current = None if is_source else own_secret(cluster, place, wish.name)
        if wish.source == "copy":
            kind, data = _copy(self._source(place.context, wish.name), self._baseline, wish)
        else:
            kind, data = "Opaque", _generate(current, wish.keys)
        if is_source:
            return False
        item = make_secret(place, wish.name, wish.source, data, kind)
        return write_secret(cluster, place, current, item, dry_run=self._dry_run)

    def _read_source(self, context: str | None, name: str) -> Json | None:
        return self._clusters(context).get(f"/api/v1/namespaces/{self._baseline}/secrets/{name}")


def _copy(source: Json | None, baseline: str, wish: Wish) -> tuple[str, dict[str, str]]:
    """Return type and data of a copy: the declared keys, or all."""
    where = f"{baseline}/{wish.name}"
    if source is None:
        raise SecretError(f"there is no Secret {where} to copy; create it, or declare another `source`")
    if source["type"] == _BOUND:
        raise SecretError(f"the Secret {where} is a service account's token, which is of no use in another namespace")
    data = source.get("data", {})
    missing = [key for key in wish.keys if key not in data]
    if missing:
        has = ", ".join(sorted(data)) or "none"
        raise SecretError(f"the Secret {where} has no key {' and no key '.join(missing)}; its keys are: {has}")
    return source["type"], {key: data[key] for key in wish.keys or data}


def _generate(current: Json | None, keys: Iterable[str]) -> dict[str, str]:
    """Return what was generated before, with random values for the keys that are new."""
    is_generated = current is not None and current["metadata"]["labels"].get(SOURCE) == "generate"
    data: dict[str, str] = dict(current.get("data", {})) if current is not None and is_generated else {}
    return data | {key: _random() for key in keys if key not in data}


def _random() -> str:
    text = "".join(random.choice(_LETTERS) for _ in range(_LENGTH))
    return base64.b64encode(text.encode()).decode()
