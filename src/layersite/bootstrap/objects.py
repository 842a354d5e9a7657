"""What Argo CD needs to know of a site, as objects: its project, its ApplicationSet, how to read the repository."""

import re

from layersite.model.errors import InvalidInputError, Problem
from layersite.model.site import SITE_FILE, ArgoCD, RepositoryCredentials, Site
from layersite.model.yaml import Yaml
from layersite.render.policy import kinds

__all__ = [
    "BOT_ROLE",
    "RIGHTS",
    "application_set",
    "external_secret",
    "policies",
    "project",
    "repository_secret",
    "settings",
]

BOT_ROLE = "bot"
"""The role of the project whose token the bot uses."""
RIGHTS = (("applications", "get"), ("applications", "sync"), ("applicationsets", "get"), ("logs", "get"))
"""What that role may do: see applications and their pods' logs, end a sync that hangs, see the ApplicationSet.

It may not create, change or delete: git says what there is, and Argo CD does that by itself.
"""

_OWN_KINDS = (
    *("core/ResourceQuota", "core/LimitRange", "core/Service", "discovery.k8s.io/EndpointSlice"),
    *("networking.k8s.io/NetworkPolicy", "external-secrets.io/ExternalSecret"),
)
"""What the bot itself adds to what apps may contain, besides the route."""


def settings(site: Site) -> ArgoCD:
    """Return the site's `argocd`. Raises InvalidInputError where there is none, or it could not read the repository."""
    if site.argocd is None:
        text = "there is no Argo CD to set up; add `argocd: {url: https://argocd.example.com}`"
        raise InvalidInputError([Problem(SITE_FILE, 0, "argocd", text)])
    url = site.environments.url
    if "://" not in url and not re.match(r"[^/]+:", url):
        text = f"{url!r} is a path on this machine, which Argo CD cannot read; give the https or ssh URL"
        raise InvalidInputError([Problem(SITE_FILE, 0, "environments.url", text)])
    return site.argocd


def project(site: Site) -> Yaml:
    """Return the AppProject that keeps environments in their namespaces. Raises InvalidInputError."""
    argocd = settings(site)
    ours = f"{site.cluster.namespace_prefix}*"
    route = "networking.k8s.io/Ingress" if site.exposure.ingress else "gateway.networking.k8s.io/HTTPRoute"
    allowed = sorted({*kinds(site.allowed_kinds), *_OWN_KINDS, route})
    return {
        **_head("AppProject", argocd.project, argocd),
        "spec": {
            "description": f"Environments of {site.organization}, kept by layersite.",
            "sourceRepos": [site.environments.url],
            "destinations": [{"name": name, "namespace": ours} for name in sorted(site.clusters)],
            "clusterResourceWhitelist": [{"group": "", "kind": "Namespace", "name": ours}],
            "namespaceResourceWhitelist": [_group_kind(kind) for kind in allowed],
            "roles": [
                {
                    "name": BOT_ROLE,
                    "description": "What layersite's bot may do.",
                    "policies": policies(argocd.project),
                }
            ],
        },
    }


def policies(project: str) -> list[str]:
    """Return RIGHTS as Argo CD's policies."""
    role = f"proj:{project}:{BOT_ROLE}"
    return [f"p, {role}, {resource}, {action}, {project}/*, allow" for resource, action in RIGHTS]


def application_set(site: Site) -> Yaml:
    """Return the ApplicationSet that makes one Application of each committed environment. Raises InvalidInputError."""
    argocd = settings(site)
    # The directory names the application and its namespace, behind a fixed prefix. If a key of environment.yaml did,
    # who may write that could adopt any Application of this Argo CD: the controller takes over one that has no owner.
    name = f"{site.cluster.namespace_prefix}{{{{ .path.basename }}}}"
    source = {"repoURL": site.environments.url, "revision": f"refs/heads/{site.environments.branch}"}
    return {
        **_head("ApplicationSet", argocd.project, argocd),
        "spec": {
            "goTemplate": True,
            "goTemplateOptions": ["missingkey=error"],
            "generators": [{"git": {**source, "files": [{"path": "environments/*/*/environment.yaml"}]}}],
            "syncPolicy": {"applicationsSync": "sync", "preserveResourcesOnDeletion": False},
            "template": {
                "metadata": {
                    "name": name,
                    "labels": {
                        "app.kubernetes.io/managed-by": "layersite",
                        "layersite.dev/environment": "{{ .path.basename }}",
                    },
                    # The environment's whole directory: what only changes environment.yaml must be seen as well, or
                    # who waits for that commit waits until the next poll.
                    "annotations": {"argocd.argoproj.io/manifest-generate-paths": ".."},
                    "finalizers": ["resources-finalizer.argocd.argoproj.io"],
                },
                "spec": {
                    "project": argocd.project,
                    "source": {
                        "repoURL": site.environments.url,
                        "targetRevision": source["revision"],
                        "path": "{{ .path.path }}/manifests",
                        # Named, so that an app called `kustomization` does not make a kustomization of the folder.
                        "directory": {"include": "*.yaml"},
                    },
                    "destination": {"name": "{{ .cluster }}", "namespace": name},
                    "syncPolicy": _sync_policy(),
                },
            },
        },
    }


def _sync_policy() -> Yaml:
    return {
        "automated": {"prune": True, "selfHeal": True},
        # Two environments never share an object, so what belongs to another one is not overwritten; and what a change
        # no longer needs goes when its successor is healthy.
        "syncOptions": ["FailOnSharedResource=true", "PruneLast=true"],
        # `refresh`: a commit that mends a failing sync is not kept waiting for the last retry of the broken one.
        "retry": {"limit": 5, "refresh": True, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "1m"}},
    }


def external_secret(site: Site, credentials: RepositoryCredentials) -> Yaml:
    """Return the ExternalSecret that makes Argo CD's repository Secret. Raises InvalidInputError."""
    argocd = settings(site)
    name = _repository_name(argocd)
    keys = ("username", "password")
    return {
        **_head("ExternalSecret", name, argocd, "external-secrets.io/v1"),
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": credentials.store},
            "target": {
                "name": name,
                "template": {
                    "metadata": {"labels": _REPOSITORY_LABELS},
                    "data": {**_repository(site, argocd), **{key: f"{{{{ .{key} }}}}" for key in keys}},
                },
            },
            "data": [{"secretKey": key, "remoteRef": {"key": credentials.key, "property": key}} for key in keys],
        },
    }


def repository_secret(site: Site, username: str, password: str) -> Yaml:
    """Return Argo CD's repository Secret itself, which must never meet a file. Raises InvalidInputError."""
    argocd = settings(site)
    head = _head("Secret", _repository_name(argocd), argocd, "v1")
    head["metadata"]["labels"] |= _REPOSITORY_LABELS
    return {**head, "stringData": {**_repository(site, argocd), "username": username, "password": password}}


_REPOSITORY_LABELS = {"argocd.argoproj.io/secret-type": "repository"}


def _repository(site: Site, argocd: ArgoCD) -> dict[str, str]:
    """Return the repository as Argo CD stores it; the project keeps others from using these credentials."""
    return {
        "type": "git",
        "url": site.environments.url,
        "project": argocd.project,
        # Argo CD's own advice for a repository of plain manifests: else each push costs a look-up per environment.
        "webhookManifestCacheWarmDisabled": "true",
    }


def _repository_name(argocd: ArgoCD) -> str:
    return f"{argocd.project}-environments"


def _head(kind: str, name: str, argocd: ArgoCD, version: str = "argoproj.io/v1alpha1") -> dict[str, Yaml]:
    labels = {"app.kubernetes.io/managed-by": "layersite", "app.kubernetes.io/part-of": "layersite"}
    metadata = {"name": name, "namespace": argocd.namespace, "labels": labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _group_kind(text: str) -> Yaml:
    group, _, kind = text.partition("/")
    return {"group": "" if group == "core" else group, "kind": kind}
