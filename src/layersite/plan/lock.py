"""The render lock: a hash of all that an environment was rendered from, and one of each thing that people edit."""

import hashlib
import json

from layersite.model.catalog import Catalog
from layersite.model.environment import Environment, RenderLock
from layersite.model.site import Site
from layersite.model.yaml import Yaml

__all__ = ["RENDERED_FROM", "changed_parts", "is_renewal", "is_untouched", "lock", "rollout"]

RENDERED_FROM = {"organization", "cluster", "exposure", "dependencies", "limits", "allowed_kinds", "waker"}
"""The parts of the site that manifests are made from; the rest may change without rendering anything anew."""
_CONTRACT = "environment.yaml"
_NOT_RENDERED = {"lease", "call", "heard"}
"""What is decided for an environment without rendering it anew."""
_SHORT = 12
"""Hex digits of a part's hash: it is compared with one other alone."""


def lock(site: Site, catalog: Catalog, version: str, wanted: Environment) -> RenderLock:
    """Return the lock of `wanted`, with the hash of its manifests still empty."""
    settings = site.model_dump(mode="json", include=RENDERED_FROM)
    databases = {
        name: site.databases[name].model_dump(mode="json", include={"engine", "host", "port", "cidrs"})
        for name in wanted.data or {}
    }
    inputs = {
        "environment": wanted.model_dump(mode="json", exclude=_NOT_RENDERED),
        "site": settings,
        "apps": {app: catalog.digests[app] for app in wanted.slice},
        "databases": databases,
        "layersite": version,
    }
    parts = {_CONTRACT: _contract(wanted), "layersite.yaml": _hash([settings, databases])[:_SHORT]}
    parts |= {path: digest[:_SHORT] for app in wanted.slice for path, digest in catalog.parts.get(app, {}).items()}
    return RenderLock(layersite=version, inputs=_hash(inputs), manifests="", parts=parts)


def changed_parts(before: RenderLock, after: RenderLock) -> list[str]:
    """Return the paths of what people edited between two locks; none where the older one does not tell."""
    if before.parts is None or after.parts is None:
        return []
    paths = (before.parts.keys() | after.parts.keys()) - {_CONTRACT}
    return sorted(path for path in paths if before.parts.get(path) != after.parts.get(path))


def is_renewal(before: RenderLock | None, after: RenderLock | None) -> bool:
    """Whether the site, the catalog or layersite changed between two locks."""
    if before is None or after is None:
        return False
    is_old = before.parts is None and before.inputs != after.inputs
    return is_old or before.layersite != after.layersite or bool(changed_parts(before, after))


def rollout(site: Site, catalog: Catalog, version: str) -> str:
    """Return the hash of all that environments are rendered from and that nobody decides for one of them alone."""
    settings = site.model_dump(mode="json", include=RENDERED_FROM | {"databases"})
    return _hash([settings, dict(catalog.digests), version])[:_SHORT]


def is_untouched(environment: Environment, manifests: str | None) -> bool:
    """Whether nobody edited what was rendered: its folder has the tree id `manifests`."""
    found = environment.render
    if found is None or found.manifests != manifests:
        return False
    return found.parts is None or found.parts.get(_CONTRACT) == _contract(environment)


def _contract(environment: Environment) -> str:
    left_out = _NOT_RENDERED | {"render", "requests", "generation"}
    return _hash(environment.model_dump(mode="json", exclude=left_out))[:_SHORT]


def _hash(data: Yaml) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
