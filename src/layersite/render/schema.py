"""Kubernetes' own schemas: what an object may look like, and how each of its lists merges.

They come from the data files of `kubernetes_validate`; its code needs 366 ms for 40 objects, `jsonschema_rs` 0.1 ms.
"""

import functools
import importlib.resources
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable

import jsonschema_rs

from layersite.model.document import near_miss
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.yaml import Yaml

__all__ = ["Definition", "Schemas", "schemas"]

_QUANTITY = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$"
_SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number", "null"], "pattern": _QUANTITY},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer", "null"]},
}
"""The two `oneOf` of the data files: both refuse null, which Kubernetes takes; and `64 MB` is no quantity."""


@dataclass(frozen=True)
class Definition:
    """One place in a kind's schema: its own keywords, and what its `$ref` points to."""

    node: Mapping[str, Yaml]
    everything: Mapping[str, Mapping[str, Yaml]]

    @property
    def _target(self) -> Mapping[str, Yaml]:
        reference = self.node.get("$ref")
        return self.node if reference is None else self.everything[reference.rpartition("/")[2]]

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields of this object."""
        return tuple(self._target.get("properties", ()))

    def field(self, name: str) -> "Definition | None":
        """Return the definition of the field `name` of this object or map, None if the schema says nothing of it."""
        target = self._target
        node = target.get("properties", {}).get(name, target.get("additionalProperties"))
        return Definition(node, self.everything) if node else None

    @property
    def items(self) -> "Definition | None":
        """The definition of this list's items."""
        node = self.node.get("items")
        return Definition(node, self.everything) if node else None

    @property
    def strategies(self) -> Collection[str]:
        """How a patch meets this field: any of `merge`, `replace`, `retainKeys`."""
        strategies: str = self.node.get("x-kubernetes-patch-strategy", "")
        return strategies.split(",")

    @property
    def merge_keys(self) -> tuple[str, ...]:
        """The fields that identify an item of this list, the merge key first; none for a list of scalars."""
        key = self.node.get("x-kubernetes-patch-merge-key")
        further = self.node.get("x-kubernetes-list-map-keys", ())
        return (key, *(name for name in further if name != key)) if key else ()


class Schemas:
    """The schemas of one Kubernetes version (`1.34`), or of the newest bundled one that is not newer.

    Raises:
        InvalidInputError: every bundled version is newer.
    """

    def __init__(self, kubernetes: str) -> None:
        self.version, folder = _bundled(kubernetes)
        document = json.loads((folder / "_definitions.json").read_bytes())
        self._uri = document["$id"]
        self._everything: dict[str, dict[str, Yaml]] = document["$defs"]
        self._everything.update(_SCALARS)
        self._registry = jsonschema_rs.Registry([(self._uri, document)])
        self._validators: dict[str, jsonschema_rs.Validator] = {}
        self._names: dict[tuple[str, str], str] = {}
        for name, node in self._everything.items():
            match node.get("x-kubernetes-group-version-kind"):
                case [{"group": group, "version": version, "kind": kind}]:
                    self._names[f"{group}/{version}".removeprefix("/"), kind] = name
        self._groups = {_group(api_version) for api_version, _ in self._names}

    def definition(self, api_version: str, kind: str) -> Definition | None:
        """Return the root of the schema of `kind`, None if there is none, as for a custom resource."""
        name = self._names.get((api_version, kind))
        return Definition(self._everything[name], self._everything) if name else None

    def knows(self, api_version: str, kind: str) -> bool:
        """Whether there is a schema for `kind` of `api_version`."""
        return (api_version, kind) in self._names

    def problems(self, obj: Mapping[str, Yaml]) -> list[str]:
        """Return what is wrong with an object that has `apiVersion` and `kind`; custom resources are not judged."""
        api_version, kind = obj["apiVersion"], obj["kind"]
        name = self._names.get((api_version, kind))
        if name is None:
            return self._unknown(api_version, kind)
        if name not in self._validators:
            schema = {"$ref": f"{self._uri}#/$defs/{name}"}
            self._validators[name] = jsonschema_rs.validator_for(schema, registry=self._registry)
        validator = self._validators[name]
        if validator.is_valid(obj):
            return []
        root = Definition(self._everything[name], self._everything)
        return sorted(text for error in validator.iter_errors(obj) for text in _explain(error, root))

    def _unknown(self, api_version: str, kind: str) -> list[str]:
        """Judge what has no schema: the group of a custom resource has a dot and is none of Kubernetes' own."""
        group = _group(api_version)
        if group not in self._groups and "." in group:
            return []
        text = f"Kubernetes {self.version} has no `{kind}` in `{api_version}`"
        known = sorted(version for version, name in self._names if name == kind)
        if known:
            return [f"apiVersion: {text}; it has one in {' and '.join(f'`{version}`' for version in known)}"]
        return [f"kind: {text}{near_miss(kind, {name for _, name in self._names})}"]


@functools.cache
def schemas(version: str) -> Schemas:
    """Return the schemas of Kubernetes `version`, read once per process. Raises InvalidInputError."""
    return Schemas(version)


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def _bundled(kubernetes: str) -> tuple[str, Traversable]:
    """Return the newest bundled version that is not newer than `kubernetes`, and its folder."""
    folders = {}
    for folder in importlib.resources.files("kubernetes_validate").joinpath("kubernetes-json-schema").iterdir():
        if folder.name.endswith("-local-strict"):
            major, minor, _ = folder.name.removeprefix("v").split(".", 2)
            folders[int(major), int(minor)] = folder
    asked = tuple(int(part) for part in kubernetes.split("."))
    fitting = [version for version in folders if version <= asked]
    if not fitting:
        (low, high) = (".".join(map(str, version)) for version in (min(folders), max(folders)))
        text = f"there are no schemas for Kubernetes {kubernetes}; give a version from {low} to {high}, or a newer one"
        raise InvalidInputError([Problem("layersite.yaml", 0, "cluster.kubernetes", text)])
    return ".".join(map(str, max(fitting))), folders[max(fitting)]


def _explain(error: jsonschema_rs.ValidationError, root: Definition) -> Iterator[str]:
    """Say where `error` is, what is wrong there, and with which value."""
    path = ".".join(map(str, error.instance_path))
    kind = jsonschema_rs.ValidationErrorKind
    match error.kind:
        case kind.AdditionalProperties(unexpected=unexpected):
            known = _known_fields(root, error.instance_path)
            for name in unexpected:
                yield f"{path}.{name}".removeprefix(".") + f": unknown field{near_miss(name, known)}"
        case kind.Required(property=name):
            yield f"{path}.{name}".removeprefix(".") + ": this field is needed"
        case kind.Type(types=types):
            expected = " or ".join(sorted(set(types) - {"null"}))
            yield f"{path}: expected {expected}, found {_show(error.instance)}"
        case kind.Pattern():
            yield f"{path}: expected a quantity such as 250m or 64Mi, found {_show(error.instance)}"
        case _:
            yield f"{path}: {error.message}"


def _known_fields(root: Definition, path: Iterable[str | int]) -> Iterable[str]:
    place: Definition | None = root
    for step in path:
        if place is not None:
            place = place.items if isinstance(step, int) else place.field(step)
    return () if place is None else place.fields


def _show(value: Yaml) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
