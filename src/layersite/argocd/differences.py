"""Which objects of an application are not in the cluster as they were committed, with both sides as YAML."""

import json
from collections.abc import Iterable

from layersite.argocd.model import Difference
from layersite.argocd.received import Managed
from layersite.model.yaml import dump

__all__ = ["differences"]

_NOTHING = ("", "null")


def differences(objects: Iterable[Managed]) -> tuple[Difference, ...]:
    """Return what differs among the objects that an application manages; of a Secret only that it does."""
    found = []
    for each in objects:
        if each.hook or not (how := _how(each)):
            continue
        live, wanted = ("", "") if each.kind == "Secret" else map(_yaml, (each.live, each.wanted))
        found.append(Difference(each.kind, each.name, how, live, wanted))
    return tuple(sorted(found, key=lambda each: (each.kind, each.name)))


def _how(each: Managed) -> str:
    if each.live in _NOTHING and each.wanted in _NOTHING:
        return ""
    if each.live in _NOTHING:
        return "is missing in the cluster"
    if each.wanted in _NOTHING:
        return "is no longer committed"
    return "differs from what was committed" if each.modified else ""


def _yaml(state: str) -> str:
    return "" if state in _NOTHING else dump(json.loads(state))
