"""A cluster, an Argo CD, a forge and a store that are well, until a test breaks one of them."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

from layersite.bootstrap import objects
from layersite.bootstrap.kubectl import Applied
from layersite.model.app import App
from layersite.model.catalog import Catalog
from layersite.model.environment import Environment
from layersite.model.errors import ArgoCDError, ForgeError, ToolError
from layersite.model.site import Site
from layersite.model.yaml import Yaml, load_all
from layersite.store import Committed, Entry, Snapshot, Write

ARGOCD = "argocd"
SITE = Site.model_validate(
    {
        "organization": "acme",
        "environments": {"url": "https://git.example.com/acme/environments.git"},
        "forge": {"kind": "gitea", "url": "https://git.example.com"},
        "repositories": {"web": {"url": "https://git.example.com/acme/web.git"}},
        "cluster": {"baseline": {"namespace": "staging"}},
        "argocd": {"url": "https://argocd.example.com", "applicationset_url": "https://sets.example.com"},
        "exposure": {"domain": "preview.example.com"},
    }
)


def catalog(**app: Yaml) -> Catalog:
    """Return a catalog of one app."""
    made = App.model_validate({"repository": "web", "base": {"directory": "base"}, **app})
    return Catalog(root=Path(), apps={"web": made}, digests={"web": "0" * 64})


Key = tuple[str, str, str]


@dataclass
class FakeCluster:
    """Objects by kind, name and namespace; the ApplicationSet controller looks at once, and says `error` if told to."""

    objects: dict[Key, Yaml] = field(default_factory=dict)
    is_running: bool = True
    error: str = ""
    denied: set[str] = field(default_factory=set)
    minor: int = 37
    is_down: bool = False

    def context(self) -> str:
        return "bed"

    def version(self) -> tuple[int, int]:
        if self.is_down:
            raise ToolError("`kubectl get --raw` failed with exit code 1: the connection was refused")
        return 1, self.minor

    def get(self, kind: str, name: str, namespace: str = "") -> Yaml | None:
        return self.objects.get((kind, name, namespace))

    def apply(self, item: Yaml, *, dry_run: bool = False) -> Applied:
        raise AssertionError("a check applies nothing")

    def annotate(self, kind: str, name: str, namespace: str, text: str) -> None:
        found = self.objects[kind, name, namespace]
        status = {"type": "ErrorOccurred", "status": "True" if self.error else "False", "message": self.error}
        if self.is_running:
            found["status"] = {"conditions": [status]}
        else:
            found["metadata"]["annotations"] = {text.partition("=")[0]: "true"}

    def may(self, verb: str, resource: str, namespace: str = "") -> bool:
        return f"{verb} {resource}" not in self.denied


def healthy_cluster() -> FakeCluster:
    """Return a cluster in which nothing that SITE needs is missing."""
    listener = {"name": "http", "allowedRoutes": {"namespaces": {"from": "All"}}}
    gateway = {"spec": {"listeners": [listener]}, "status": {"conditions": [{"type": "Programmed", "status": "True"}]}}
    definitions = ("applications.argoproj.io", "applicationsets.argoproj.io", "appprojects.argoproj.io")
    found: dict[Key, Yaml] = {
        ("customresourcedefinition", name, ""): {} for name in (*definitions, "httproutes.gateway.networking.k8s.io")
    }
    project, application_set = objects.project(SITE), objects.application_set(SITE)
    project["spec"]["roles"][0]["jwtTokens"] = [{"iat": 1}]  # a token was made
    # Argo CD writes it back like this.
    application_set["spec"]["generators"][0]["git"]["template"] = {"metadata": {}, "spec": {"project": ""}}
    del application_set["spec"]["syncPolicy"]["preserveResourcesOnDeletion"]
    found["appproject.argoproj.io", "layersite", ARGOCD] = project
    found["applicationset.argoproj.io", "layersite", ARGOCD] = application_set
    found["gateway.gateway.networking.k8s.io", "gateway", "gateway-system"] = gateway
    found["namespace", "staging", ""] = {}
    return FakeCluster(deepcopy(found))


@dataclass
class FakeArgoCD:
    """An Argo CD that knows one token and one secret."""

    token: str
    secret: str
    running: str = "v3.6.1"
    rights: set[tuple[str, str]] = field(default_factory=lambda: set(objects.RIGHTS))
    believes: Sequence[str] = ("right",)

    def version(self) -> str:
        return self.running

    def may(self, resource: str, action: str) -> bool:
        if self.token != "right":
            raise ArgoCDError("what the token may do: https://argocd.example.com answered 401: the token is wrong")
        return (resource, action) in self.rights

    def nudge(self, repository: str, branch: str, before: str, after: str, paths: Sequence[str]) -> tuple[str, ...]:
        is_believed = self.secret in self.believes or "anyone" in self.believes
        return () if is_believed else ("the server refuses the event", "the controller refuses the event")


def argocd(**settings: Yaml) -> Callable[[str, str], FakeArgoCD]:
    """Return how to connect to an Argo CD of these settings."""
    return lambda token, secret: FakeArgoCD(token, secret, **settings)


@dataclass
class FakeForge:
    """A forge with one repository."""

    is_writable: bool = True
    lacks: str = ""

    def resolve(self, repository: str, ref: str) -> str:
        if ref == self.lacks:
            raise ForgeError(f"repository `{repository}` has no branch or tag `{ref}`; push it or name another")
        return "5" * 40

    def may_write(self, repository: str) -> bool:
        return self.is_writable


@dataclass
class Shelf:
    """An environments repository; each commit is told to `on_commit`, as Argo CD would learn of it."""

    on_commit: Callable[[Mapping[str, bytes] | None, str], None] = lambda files, name: None
    entries: dict[str, Entry] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    is_contended: bool = False

    def read(self) -> Snapshot:
        return Snapshot(self.commits[-1] if self.commits else "0" * 40, dict(self.entries))

    def known(self) -> Snapshot:
        return self.read()

    def contains(self, revision: str, commit: str) -> bool:
        return True

    def commit(self, writes: list[Write], subject: str) -> Committed:
        (write,) = writes
        if self.is_contended:
            return Committed(None, (), (write.name,))
        self.commits.append(f"{len(self.commits) + 1:040}")
        if write.files is None:
            del self.entries[write.name]
        else:
            (document,) = load_all(write.files["environment.yaml"].decode(), "environment.yaml")
            self.entries[write.name] = Entry(Environment.model_validate(document), None, self.commits[-1], None)
        self.on_commit(write.files, write.name)
        return Committed(self.commits[-1], (write.name,), ())


def without(cluster: FakeCluster, *kinds: str) -> FakeCluster:
    """Return the cluster without objects of these kinds or names."""
    left = {key: item for key, item in cluster.objects.items() if not {key[0], key[1]} & set(kinds)}
    return replace(cluster, objects=left)
