"""Which objects of an application are not in the cluster as they were committed, with both sides as YAML."""

import json
from collections.abc import Iterable

from layersite.argocd.model import Difference
from layersite.argocd.received import Application, Managed
from layersite.model.yaml import dump

__all__ = ["differences"]

_NOTHING = ("", "null")


def differences(application: Application, objects: Iterable[Managed]) -> tuple[Difference, ...]:
    """Return what Argo CD calls out of sync among the `objects` that it manages; of a Secret only that it differs."""
    known = {(each.kind, each.namespace, each.name): each for each in objects}
    found = []
    for resource in application.status.resources:
        each = known.get((resource.kind, resource.namespace, resource.name))
        if each is not None and resource.status == "OutOfSync":
            live, wanted = ("", "") if each.kind == "Secret" else map(_yaml, (each.live, each.wanted))
            found.append(Difference(each.kind, each.name, _how(each), live, wanted))
    return tuple(sorted(found, key=lambda each: (each.kind, each.name)))


def _how(each: Managed) -> str:
    if each.live in _NOTHING:
        return "is missing in the cluster"
    return "is no longer committed" if each.wanted in _NOTHING else "differs from what was committed"


def _yaml(state: str) -> str:
    return "" if state in _NOTHING else dump(json.loads(state))
