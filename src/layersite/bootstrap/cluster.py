"""Is everything that environments rest on in the cluster, and as the site says?"""

import time
from collections.abc import Iterator
from fnmatch import fnmatchcase

from layersite.bootstrap import objects
from layersite.bootstrap.finding import Area, Check, Finding, ok, skipped, wait, wrong
from layersite.bootstrap.kubectl import Cluster, stated, with_tokens
from layersite.bootstrap.ways import way_in
from layersite.model.catalog import Catalog
from layersite.model.site import Site
from layersite.model.yaml import Yaml, load_all

__all__ = ["cluster_area"]

_APPLY = "run `layersite bootstrap --apply`"
_OURS = "in-cluster"
"""What Argo CD calls the cluster that it runs in itself, which is the one behind kubectl's context."""
_REFRESH = "argocd.argoproj.io/application-set-refresh"


def cluster_area(cluster: Cluster, site: Site, catalog: Catalog, seconds: float = 10) -> Area:
    """Return the checks of Argo CD's own objects, and of what apps need where environments run.

    Nothing is changed, but the ApplicationSet controller is asked to look at git now, for at most `seconds`.
    """
    checks: dict[str, Check] = {
        "kubectl": lambda: _context(cluster),
        "Argo CD's definitions": lambda: _definitions(cluster),
        "Argo CD's project": lambda: _is_applied(cluster, objects.project(site)),
        "Argo CD's application set": lambda: _is_applied(cluster, objects.application_set(site)),
        "Argo CD's view of git": lambda: _generates(cluster, site, seconds),
        "Argo CD's exclusions": lambda: _excludes(cluster, site, catalog),
    }
    if site.cluster.name != _OURS:
        text = f"environments run in the cluster `{site.cluster.name}`, which Argo CD reaches and this does not"
        return {**checks, "environments' cluster": lambda: skipped(text)}
    return {
        **checks,
        "Kubernetes": lambda: _version(cluster, site),
        "right to clean up": lambda: _rights(cluster, site, catalog),
        "way in": lambda: way_in(cluster, site.exposure),
        "secret stores": lambda: _stores(cluster, site, catalog),
        "baseline": lambda: _baseline(cluster, site),
    }


def _context(cluster: Cluster) -> Finding:
    major, minor = cluster.version()
    return ok(f"the context `{cluster.context()}` reaches Kubernetes {major}.{minor}")


def _definitions(cluster: Cluster) -> Finding:
    names = ("applications", "applicationsets", "appprojects")
    found = {name: cluster.get("customresourcedefinition", f"{name}.argoproj.io") for name in names}
    if missing := [name for name, definition in found.items() if definition is None]:
        return wrong(f"{', '.join(missing)} of argoproj.io are not defined", "install Argo CD, or choose its cluster")
    return ok("applications, application sets and projects are defined")


def _is_applied(cluster: Cluster, item: Yaml) -> Finding:
    metadata = item["metadata"]
    name = f"`{metadata['name']}` in `{metadata['namespace']}`"
    found = cluster.get(f"{item['kind'].lower()}.argoproj.io", metadata["name"], metadata["namespace"])
    if found is None:
        return wrong(f"{name} is not there", _APPLY)
    wanted = with_tokens(item, found)
    if differing := sorted(_differences(stated(wanted["spec"]), stated(found["spec"]), "spec")):
        mend = f"{_APPLY}; what it leaves was added by hand, so take it out with `kubectl edit`, or upgrade Argo CD"
        return wrong(f"{name} is not what layersite.yaml says at {', '.join(differing)}", mend)
    return ok(f"{name} is as layersite.yaml says")


def _differences(wanted: Yaml, found: Yaml, path: str) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in wanted.keys() | found.keys():
            yield from _differences(wanted.get(key), found.get(key), f"{path}.{key}")
    elif wanted != found:
        yield path


def _generates(cluster: Cluster, site: Site, seconds: float) -> Finding:
    """See whether Argo CD can read the environments repository, by what its controller says when it is asked to."""
    argocd = objects.settings(site)
    where = ("applicationset.argoproj.io", argocd.project, argocd.namespace)
    if cluster.get(*where) is None:
        return wrong(f"there is no application set `{argocd.project}` in `{argocd.namespace}`", _APPLY)
    # A value that was there already is no change, of which the controller would not even hear.
    cluster.annotate(*where, f"{_REFRESH}={time.time_ns()}")
    wait(lambda: _view(cluster.get(*where)).state == "ok", seconds)
    return _view(cluster.get(*where))


def _view(found: Yaml) -> Finding:
    """Tell what the controller noted; it takes the annotation away once it has looked without an error."""
    conditions = {each["type"]: each for each in (found or {}).get("status", {}).get("conditions") or ()}
    error = conditions.get("ErrorOccurred", {})
    if error.get("status") == "True":
        text = f"Argo CD cannot make applications: {' '.join(error.get('message', '').split())}"
        mend = "if it may not read the repository, give `bootstrap --apply` the password, as its --help says"
        return wrong(text, mend)
    if not conditions or _REFRESH in found["metadata"].get("annotations", {}):
        return wrong("its controller does not look at it", "see whether the ApplicationSet controller is running")
    return ok("Argo CD reads the environments repository")


def _excludes(cluster: Cluster, site: Site, catalog: Catalog) -> Finding:
    """See whether Argo CD is told to overlook a kind that environments of this catalog have; by default it is."""
    addressed = sorted(
        name for name, app in catalog.apps.items() if app.external and app.external.host.replace(".", "").isdigit()
    )
    settings = cluster.get("configmap", "argocd-cm", objects.settings(site).namespace) or {}
    text = settings.get("data", {}).get("resource.exclusions", "")
    for rule in next(iter(load_all(text, "resource.exclusions")), None) or ():
        is_meant = any(fnmatchcase("discovery.k8s.io", group) for group in rule.get("apiGroups") or ["*"])
        if addressed and is_meant and any(kind in ("*", "EndpointSlice") for kind in rule.get("kinds") or ["*"]):
            text = f"`resource.exclusions` has EndpointSlice, by which {', '.join(addressed)} is reached at its address"
            mend = "take EndpointSlice out of it in the ConfigMap argocd-cm, or name the host, not an address"
            return wrong(text, mend)
    return ok("nothing that environments need")


def _version(cluster: Cluster, site: Site) -> Finding:
    major, minor = cluster.version()
    asked = site.cluster.kubernetes
    if (major, minor) < tuple(int(part) for part in asked.split(".")):
        text = f"it is {major}.{minor}, older than the {asked} by whose schemas manifests are checked"
        return wrong(text, f"set `cluster.kubernetes` of layersite.yaml to {major}.{minor}")
    return ok(f"it is {major}.{minor}, and manifests are checked by the schemas of {asked}")


def _rights(cluster: Cluster, site: Site, catalog: Catalog) -> Finding:
    """See whether kubectl's user, who the bot's playbooks are too, may do what these do."""
    needed = [("get", "namespaces", ""), ("delete", "namespaces", "")]
    needed += [(verb, "persistentvolumes", "") for verb in ("list", "patch", "delete")]
    sources = {secret.source for app in catalog.apps.values() for secret in app.secrets}
    needed += [("get", "secrets", site.baseline_namespace)] if "copy" in sources else []
    if sources & {"copy", "generate"} or site.databases:
        needed += [(verb, "secrets", "") for verb in ("get", "create", "update")]
    needed += [("list", "pods", ""), ("delete", "pods", "")] if site.databases else []
    if missing := [f"{verb} {resource}" for verb, resource, where in needed if not cluster.may(verb, resource, where)]:
        return wrong(f"kubectl's user may not {', '.join(missing)}", "give it a ClusterRole with these rights")
    return ok("kubectl's user may remove what environments leave, and bring them their secrets")


def _stores(cluster: Cluster, site: Site, catalog: Catalog) -> Finding:
    named = {secret.store for app in catalog.apps.values() for secret in app.secrets if secret.store}
    named |= {site.argocd.credentials.store} if site.argocd and site.argocd.credentials else set()
    if not named:
        return ok("no app takes a secret from one")
    if cluster.get("customresourcedefinition", "externalsecrets.external-secrets.io") is None:
        return wrong("ExternalSecret is not defined", "install external-secrets (external-secrets.io)")
    if missing := [name for name in sorted(named) if cluster.get("clustersecretstore", name) is None]:
        return wrong(f"there is no ClusterSecretStore {', '.join(missing)}", "create it, or name another one")
    return ok(f"there is {', '.join(sorted(named))}")


def _baseline(cluster: Cluster, site: Site) -> Finding:
    if site.cluster.baseline.managed:
        return ok("the bot keeps it as an environment")
    if cluster.get("namespace", site.baseline_namespace) is None:
        mend = "create it, name another one under `cluster.baseline`, or let the bot keep one with `managed: true`"
        return wrong(f"there is no namespace `{site.baseline_namespace}`", mend)
    return ok(f"there is the namespace `{site.baseline_namespace}`")
