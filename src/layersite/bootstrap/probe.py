"""Prove the whole way with an environment that shows nothing: committed, synced, kept in its walls, gone again.

Once it is healthy, it is committed with what no environment may contain. Policy would never let the bot do that, so it
is Argo CD's project that must refuse it.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from layersite import __version__
from layersite.bootstrap.finding import Finding, ok, skipped, wait, wrong
from layersite.bootstrap.kubectl import Cluster
from layersite.bootstrap.objects import settings
from layersite.follow import Stores
from layersite.model.catalog import Catalog
from layersite.model.environment import Environment, Lease, to_yaml
from layersite.model.errors import StoreError
from layersite.model.site import Site
from layersite.model.yaml import Yaml, dump_all
from layersite.plan import World, build_environment
from layersite.render.layout import git_tree_id
from layersite.store import Write

__all__ = ["Probe"]

_PREFIX, _WHO = "layersite-probe-", "layersite doctor --probe"
_LEASE = timedelta(hours=1)
"""After this the bot itself removes what a killed probe left; the next probe does so at once."""
_SEE = "see it in Argo CD, whose controller's log says more"


@dataclass(frozen=True)
class Probe:
    """The probe of `site`; run one at a time.

    `render` makes an environment's files, `nudge` tells Argo CD that names changed from one commit to another, and
    `seconds` bounds each wait.
    """

    site: Site
    catalog: Catalog
    store: Stores
    cluster: Cluster
    render: Callable[[Environment], dict[str, bytes]]
    nudge: Callable[[str | None, str, Iterable[str]], None]
    now: Callable[[], datetime]
    tell: Callable[[str], None]
    seconds: float = 120

    def run(self) -> dict[str, Finding]:
        """Commit, watch, remove, and return what was seen; nothing of it stays, whatever happens. Raises StoreError."""
        for name in self._left():
            self._write(name, None)
        environment = self._environment(f"{_PREFIX}{secrets.token_hex(3)}")
        name = environment.name
        files = self.render(environment)
        held = skipped("it did not appear")
        try:
            self.tell(f"committing the environment `{name}`, which shows nothing")
            self._write(name, files)
            appeared = self._appears(name)
            if appeared.state == "ok":
                self.tell("committing what the project must refuse")
                self._write(name, _with_forbidden(environment, files, settings(self.site).namespace))
                held = self._is_held(environment)
                self.tell("committing it as it was, and waiting until it is well again")
                self._write(name, files)
                self._appears(name)  # Argo CD removes nothing while it still tries to sync
        finally:
            self._write(name, None)
        self.tell(f"waiting until nothing is left of `{name}`")
        return {
            "probe appears": appeared,
            "probe stays in its walls": held,
            "probe disappears": self._disappears(environment),
        }

    def _environment(self, name: str) -> Environment:
        until = (self.now() + _LEASE).strftime("%Y-%m-%dT%H:%M:%SZ")
        lease = Lease(until=until, by=_WHO, reason="it is tried whether environments work")
        return build_environment(World(self.site, self.catalog, __version__), name, (), None, lease)

    def _left(self) -> list[str]:
        """Return the probes that a killed run left."""
        found = {name: entry.environment for name, entry in self.store.read().entries.items()}
        return [
            name
            for name, environment in found.items()
            if name.startswith(_PREFIX) and environment and environment.lease and environment.lease.by == _WHO
        ]

    def _write(self, name: str, files: dict[str, bytes] | None) -> None:
        before = self.store.read()
        entry = before.entries.get(name)
        write = Write(name, files, entry.tree if entry else None, f"Environment: {name}")
        done = self.store.commit([write], f"probe {name}")
        if done.conflicts:
            raise StoreError(f"somebody else changed {name} meanwhile; run the probe again")
        if done.commit is not None:
            self.nudge(before.commit, done.commit, [name])

    def _application(self, name: str) -> Yaml:
        where = settings(self.site).namespace
        return self.cluster.get("application.argoproj.io", self.site.application(name), where) or {}

    def _appears(self, name: str) -> Finding:
        if not wait(lambda: _is_well(self._application(name)), self.seconds):
            return wrong(f"after {self.seconds:g} s {_standing(self._application(name))}", _SEE)
        spec = self._application(name)["spec"]
        if (spec["project"], spec["destination"]["namespace"]) != (
            settings(self.site).project,
            self.site.namespace(name),
        ):
            return wrong("its application is in another project or namespace", "run `layersite bootstrap --apply`")
        return ok("its application came, was synced and healthy")

    def _is_held(self, environment: Environment) -> Finding:
        argocd = settings(self.site)
        forbidden = _forbidden(environment.namespace, argocd.namespace)
        kinds = {item["kind"] for item in forbidden}
        wait(lambda: kinds <= _refused(self._application(environment.name)), self.seconds)
        made = [f"{item['kind']} {item['metadata']['name']}" for item in forbidden if self._is_there(item)]
        if made:
            return wrong(f"Argo CD made {', '.join(made)}", f"see the AppProject `{argocd.project}`")
        if left := kinds - _refused(self._application(environment.name)):
            text = f"after {self.seconds:g} s Argo CD has not refused {', '.join(sorted(left))}"
            return wrong(text, f"see the AppProject `{argocd.project}`")
        return ok("Argo CD refused a cluster-wide kind, other namespaces, and an application of another project")

    def _is_there(self, item: Yaml) -> bool:
        group = item["apiVersion"].rpartition("/")[0]
        kind = f"{item['kind'].lower()}{group and '.' + group}"
        return self.cluster.get(kind, item["metadata"]["name"], item["metadata"].get("namespace", "")) is not None

    def _disappears(self, environment: Environment) -> Finding:
        def left() -> list[str]:
            there = {
                f"the application `{self.site.application(environment.name)}`": self._application(environment.name),
                f"the namespace `{environment.namespace}`": self.cluster.get("namespace", environment.namespace),
            }
            return [what for what, found in there.items() if found]

        if not wait(lambda: not left(), self.seconds):
            return wrong(f"after {self.seconds:g} s there still is {' and '.join(left())}", _SEE)
        return ok("its application and its namespace are gone")


def _forbidden(namespace: str, argocd: str) -> list[Yaml]:
    """Return a kind of the whole cluster, a namespace and an object outside, and a way into another project."""
    rules = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": []}
    application = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://nowhere.layersite.invalid/probe.git", "path": "."},
            "destination": {"name": "in-cluster", "namespace": "default"},
        },
    }
    return [
        {**rules, "metadata": {"name": namespace}},
        # No prefix begins with a digit.
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"0-{namespace}"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": namespace, "namespace": "default"}},
        {**application, "metadata": {"name": f"{namespace}-other", "namespace": argocd}},
    ]


def _with_forbidden(environment: Environment, files: dict[str, bytes], argocd: str) -> dict[str, bytes]:
    """Return `files` with what must not be there, locked as if the bot had meant it, so that it leaves it alone."""
    files = {**files, "manifests/walls.yaml": dump_all(_forbidden(environment.namespace, argocd)).encode()}
    manifests = {path.removeprefix("manifests/"): data for path, data in files.items() if "/" in path}
    lock = environment.render and environment.render.model_copy(update={"manifests": git_tree_id(manifests)})
    return {**files, "environment.yaml": to_yaml(environment.model_copy(update={"render": lock})).encode()}


def _is_well(application: Yaml) -> bool:
    """Whether it is synced and healthy, and no sync goes on: of one that is deleted meanwhile, nothing would go."""
    status = application.get("status", {})
    states = [status.get(part, {}).get("status") for part in ("sync", "health")]
    return states == ["Synced", "Healthy"] and status.get("operationState", {}).get("phase") == "Succeeded"


def _standing(application: Yaml) -> str:
    if not application:
        return "there was no application of it"
    status = application.get("status", {})
    said = [condition.get("message", "") for condition in status.get("conditions") or ()]
    said.append(status.get("operationState", {}).get("message", ""))
    states = " and ".join(status.get(part, {}).get("status", "Unknown") for part in ("sync", "health"))
    return f"its application was {states}: {'; '.join(filter(None, said)) or 'it says no more'}"


def _refused(application: Yaml) -> set[str]:
    """Return the kinds of which Argo CD says that the project does not permit them."""
    result = application.get("status", {}).get("operationState", {}).get("syncResult") or {}
    resources = result.get("resources") or ()
    return {each["kind"] for each in resources if "is not permitted in project" in each.get("message", "")}
