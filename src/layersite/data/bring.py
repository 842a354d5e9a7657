"""Bring environments their databases: a clone on the server, and in the cluster the Secret that leads pods to it.

A password is made here, goes to both places and nowhere else.
"""

import base64
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from layersite.cluster.api import ClusterError, Clusters, Json, Place
from layersite.cluster.batch import place_of, write_answer
from layersite.cluster.client import connections
from layersite.cluster.outcome import Clock, Outcome, RealClock, foreign, outside, settle
from layersite.cluster.stored import make_secret, own_secret, read_values, write_secret
from layersite.database.clone import Engine, Order, admit, engine_of, fetcher, provide
from layersite.database.ledger import Record
from layersite.model.contract import Quiet
from layersite.model.database import PODS, Brought, Clone, Golden, secret_name
from layersite.model.errors import LayersiteError
from layersite.model.site import Instances

__all__ = ["clone_batch", "instances_of"]

_AT_ONCE = 5
_BUILT = "layersite.dev/clone-built"
"""The label of a Secret that tells the clone that it leads to from others: when it was made, and which time."""
_SCHEMES = {"postgresql": "postgresql", "mariadb": "mysql"}

Parameters = Mapping[str, Any]  # what Ansible has checked against the module's own list of arguments


@dataclass(frozen=True)
class _Wish:
    order: Order
    engine: Literal["postgresql", "mariadb"]
    host: str
    port: int
    instances: Instances | None

    def engine_of(self) -> AbstractContextManager[Engine]:
        """Give a session on the server that holds the clone, or its ledger."""
        return engine_of(self.order.database, self.engine, self.instances)


@dataclass(frozen=True)
class _Made:
    """A clone that is there, whether it had to be made; or the reason why it is not."""

    wish: _Wish
    brought: Brought | None = None
    changed: bool = False
    problem: str = ""


def clone_batch(parameters: Parameters, dry_run: bool, clusters: Clusters | None = None) -> dict[str, Any]:
    """Bring environments their databases, write the result file and return what the module answers."""
    wanted = {place_of(each): _wishes(each, parameters) for each in parameters["environments"]}
    outcomes = outside(wanted, parameters["prefix"])
    bringer = _Bringer(clusters or connections(), RealClock(), 0 if dry_run else parameters["timeout"], dry_run)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = {p.name: pool.submit(bringer.bring, p, each) for p, each in wanted.items() if p.name not in outcomes}
    outcomes |= {name: future.result() for name, future in waiting.items()}
    return write_answer(Path(parameters["result"]), wanted, outcomes)


def instances_of(database: Parameters) -> Instances | None:
    """Return where the clones of a database have servers of their own, None where they have not."""
    given = {name: value for name, value in (database.get("instances") or {}).items() if value is not None}
    return Instances.model_validate(given) if given else None


def _wishes(environment: Parameters, parameters: Parameters) -> list[_Wish]:
    return [
        _Wish(
            order=Order(
                site=parameters["site"],
                prefix=parameters["prefix"],
                environment=environment["name"],
                database=each["name"],
                golden=each["golden"],
                quiet=Quiet.model_validate(each["quiet"] or {}),
                reset=parameters["reset"],
                again=each["again"] or 0,
            ),
            engine=each["engine"],
            host=each["host"],
            port=each["port"],
            instances=instances_of(each),
        )
        for each in environment["databases"]
    ]


@dataclass(frozen=True)
class _Bringer:
    clusters: Clusters
    clock: Clock
    timeout: float
    dry_run: bool

    def bring(self, place: Place, wishes: Sequence[_Wish]) -> Outcome:
        """Make the clones of one environment, and their Secrets once its namespace is there."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            made = list(pool.map(self._make, wishes))
        problems = [each.problem for each in made if each.problem]
        brought = tuple(each.brought.model_dump(mode="json") for each in made if each.brought)
        outcome = Outcome("failed") if not brought else self._admit_all(place, made)
        return replace(
            outcome,
            state="failed" if problems else outcome.state,
            message="; ".join(filter(None, [*problems, outcome.message])),
            changed=(*(each.wish.order.name for each in made if each.changed), *outcome.changed),
            databases=brought,
        )

    def _make(self, wish: _Wish) -> _Made:
        order = wish.order
        try:
            with wish.engine_of() as engine:
                fetch = fetcher(order.database, wish.engine, order.golden) if order.golden else None
                clone, changed = provide(engine, order, fetch=fetch, dry_run=self.dry_run)
                golden = engine.records().get(clone.golden or "")
        except LayersiteError as error:
            return _Made(wish, problem=str(error))
        known = golden if isinstance(golden, Golden) else None
        wish = replace(wish, port=clone.instance.port if clone.instance else wish.port)
        return _Made(wish, Brought.of(clone, known), changed)

    def _admit_all(self, place: Place, made: Sequence[_Made]) -> Outcome:
        """Write the Secrets of the clones that are there, once the namespace is."""
        written: list[str] = []

        def step(place: Place) -> Outcome | None:
            cluster = self.clusters(place.context)
            namespace = cluster.get(place.path)
            if namespace is None or "deletionTimestamp" in namespace["metadata"]:
                return None
            if text := foreign(namespace, place):
                return Outcome("refused", text)
            try:
                for each in made:
                    if each.brought is not None:
                        written.extend(self._admit(place, each.wish))
            except LayersiteError as error:
                if isinstance(error, ClusterError):
                    raise
                return Outcome("failed", str(error), tuple(written))
            return Outcome("ready", changed=tuple(written))

        def late(place: Place) -> Outcome:
            text = f"the namespace {place.namespace} does not exist yet, so its pods do not learn of their database"
            return Outcome("absent" if self.dry_run else "failed", text)

        return settle([place], step, late, self.timeout, self.clock)[place.name]

    def _admit(self, place: Place, wish: _Wish) -> list[str]:
        """Let the clone's role sign in with what the Secret says; return what had to be changed.

        Pods that knew another clone begin again, before the Secret says which one they know.
        """
        cluster, order, name = self.clusters(place.context), wish.order, secret_name(wish.order.database)
        with wish.engine_of() as engine, engine.locked(order.name):
            current = own_secret(cluster, place, name)
            known = read_values(current).get("password")
            password = admit(engine, order.name, known, dry_run=self.dry_run)
            item = make_secret(place, name, "database", _connection(wish, password))
            item["metadata"]["labels"][_BUILT] = built = _built(engine.records().get(order.name))
            is_renewed = _knows_another(current, built) and not self.dry_run
            if is_renewed:
                for pod in cluster.items(f"{place.path}/pods"):
                    cluster.delete(f"{place.path}/pods/{pod['metadata']['name']}", pod)
            is_written = write_secret(cluster, place, current, item, dry_run=self.dry_run)
        return [*([PODS] if is_renewed else []), *([name] if is_written else [])]


def _built(record: Record | None) -> str:
    """Return when a clone was made, and which time, as the value of a label; another run may have made it anew."""
    if not isinstance(record, Clone):
        return ""
    return record.built.replace(":", "") + (f"-{record.again}" if record.again else "")


def _knows_another(secret: Json | None, built: str) -> bool:
    """Whether pods have come to know a clone by `secret` that is not the one of `built`."""
    known = secret["metadata"]["labels"].get(_BUILT) if secret else None
    return known not in (None, built)


def _connection(wish: _Wish, password: str) -> dict[str, str]:
    name, host, port = wish.order.name, wish.host, wish.port
    address = f"[{host}]" if ":" in host else host
    values = {
        "host": host,
        "port": str(port),
        "name": name,
        "user": name,
        "password": password,
        "url": f"{_SCHEMES[wish.engine]}://{name}:{password}@{address}:{port}/{name}",
    }
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
