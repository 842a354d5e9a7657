"""What a workload uses: the ConfigMaps, Secrets, accounts and volumes that its pods name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from layersite.adopt.material import Item, pod_spec
from layersite.model.yaml import Yaml

__all__ = ["SecretUse", "secret_uses", "used_objects"]

_FIELDS = (
    ("configMap", "ConfigMap", "name"),
    ("configMapRef", "ConfigMap", "name"),
    ("configMapKeyRef", "ConfigMap", "name"),
    ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
)


@dataclass(frozen=True)
class SecretUse:
    """A place where pods name a Secret: some of its `keys`, or no keys for all of it."""

    name: str
    keys: tuple[str, ...]
    optional: bool


def _mappings(value: Yaml) -> Iterator[dict[str, Yaml]]:
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _mappings(child)


def used_objects(item: Item) -> set[tuple[str, str]]:
    """Return kind and name of the objects that the pods of `item` use, Secrets excepted."""
    spec = pod_spec(item)
    found = {("ServiceAccount", spec.get("serviceAccountName") or spec.get("serviceAccount"))}
    for mapping in _mappings(spec):
        for field, kind, key in _FIELDS:
            if isinstance(mapping.get(field), dict):
                found.add((kind, mapping[field].get(key)))
    return {(kind, name) for kind, name in found if isinstance(name, str)}


def secret_uses(item: Item) -> Iterator[SecretUse]:
    """Yield every use of a Secret by the pods of `item`."""
    spec = pod_spec(item)
    for entry in spec.get("imagePullSecrets") or []:
        yield SecretUse(entry["name"], (), True)
    for mapping in _mappings(spec):
        for field in ("secret", "secretRef", "secretKeyRef"):
            use = mapping.get(field)
            name = (use.get("secretName") or use.get("name")) if isinstance(use, dict) else None
            if isinstance(use, dict) and isinstance(name, str):
                yield SecretUse(name, _keys(use), use.get("optional") is True)


def _keys(use: Mapping[str, Yaml]) -> tuple[str, ...]:
    if "key" in use:
        return (str(use["key"]),)
    return tuple(str(entry["key"]) for entry in use.get("items") or [])
