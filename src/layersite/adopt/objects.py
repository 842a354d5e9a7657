"""The Kubernetes objects of a source: parsed, their shape checked once so that the rest can trust it, and searched.

Whether an object is wholly valid is checked where environments are rendered; here a list must be a list.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jsonschema_rs

from layersite.model.errors import InvalidInputError, Problem
from layersite.model.yaml import Yaml

__all__ = ["WORKLOADS", "Item", "check_items", "every", "first", "read_text", "references", "refused", "walk"]

WORKLOADS = frozenset({"CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"})
_REFERENCES = {
    "configMap": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "configMapRef": "ConfigMap",
    "persistentVolumeClaim": "PersistentVolumeClaim",
    "secret": "Secret",
    "secretKeyRef": "Secret",
    "secretRef": "Secret",
}
"""The fields by which a pod names an object, and its kind."""


class Item:
    """One object, of which `label` is kind and name; `line` is 1-based, 0 where the source was generated."""

    def __init__(self, data: Yaml, file: str, line: int) -> None:
        self.data, self.file, self.line = data, file, line
        self.kind: str = data["kind"]
        self.name: str = data["metadata"]["name"]
        self.label = f"{self.kind} {self.name}"

    @property
    def template(self) -> Yaml:
        """The pod template of a workload."""
        spec = self.data["spec"]
        return spec["jobTemplate"]["spec"]["template"] if self.kind == "CronJob" else spec["template"]

    @property
    def pod(self) -> Yaml:
        """The pod spec of a workload."""
        return self.template["spec"]

    @property
    def containers(self) -> list[Yaml]:
        """The containers of a workload, those that run first before the others."""
        return [*every(self.pod, "initContainers"), *self.pod["containers"]]


def every(value: Yaml, *path: str) -> Iterator[Yaml]:
    """Yield what stands below `value` at `path`, through each list on the way; null is nothing."""
    if isinstance(value, list):
        for child in value:
            yield from every(child, *path)
    elif path and isinstance(value, dict):
        yield from every(value.get(path[0]), *path[1:])
    elif not path and value is not None:
        yield value


def first(value: Yaml, *path: str) -> Yaml:
    """Return the first of `every`, None if there is nothing."""
    return next(every(value, *path), None)


def walk(value: Yaml) -> Iterator[tuple[Yaml, Yaml]]:
    """Yield whatever stands below `value`, however deep, with its key or index."""
    for key, child in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield key, child
        yield from walk(child)


def references(pod: Yaml) -> Iterator[tuple[str, str, Yaml]]:
    """Yield kind and name of every object that a pod names, with the reference itself."""
    for field, child in walk(pod):
        if field in _REFERENCES and isinstance(child, dict):
            name = child.get("claimName") or child.get("secretName") or child.get("name")
            if isinstance(name, str):
                yield _REFERENCES[field], name, child
        elif field in ("serviceAccountName", "serviceAccount") and isinstance(child, str):
            yield "ServiceAccount", child, {}


def read_text(path: Path, name: str) -> str:
    """Return the text of a file of the source, which errors call `name`. Raises InvalidInputError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.reason
        raise refused(name, f"cannot be read as UTF-8 text: {reason}; save it as such") from error


def refused(file: str, text: str, line: int = 0, key: str = "") -> InvalidInputError:
    """Return the error that `file` has one problem, at `line` if that is known."""
    return InvalidInputError([Problem(file, line, key, text)])


def check_items(items: list[Item]) -> None:
    """Refuse duplicates and objects without the shape of their kind. Raises InvalidInputError with every problem."""
    problems: list[Problem] = []
    seen: dict[tuple[str, str], Item] = {}
    for item in items:
        earlier = seen.setdefault((item.kind, item.name), item)
        if earlier is not item:
            text = f"stands in {earlier.file}:{earlier.line} too; remove one, or adopt one namespace at a time"
            problems.append(Problem(item.file, item.line, item.label, text))
        for error in _shape(item.kind if item.kind in _SHAPES else "").iter_errors(item.data):
            place = " ".join([item.label, ".".join(map(str, error.instance_path))]).strip()
            problems.append(Problem(item.file, item.line, place, error.message))
    if problems:
        raise InvalidInputError(problems)


_TEXT: Yaml = {"type": "string"}
_OPTIONAL: Yaml = {"type": ["string", "null"]}
_SCALAR: Yaml = {"type": ["string", "number", "boolean", "null"]}
_PORT: Yaml = {"type": "integer", "minimum": 1, "maximum": 65535}


def _object(*required: str, **fields: Yaml) -> Yaml:
    """Return the shape of a mapping; one without required fields may also be missing."""
    return {"type": "object" if required else ["object", "null"], "properties": fields, "required": list(required)}


def _list(item: Yaml) -> Yaml:
    """Return the shape of a list, which holds no null where it holds mappings."""
    return {"type": ["array", "null"], "items": {**item, "type": "object"} if "properties" in item else item}


_TEXTS: Yaml = {"type": ["object", "null"], "additionalProperties": _SCALAR}
_METADATA = _object(labels=_TEXTS, annotations=_TEXTS, namespace=_OPTIONAL)
_ITEMS = _list(_object("key", "path", key=_TEXT, path=_TEXT))
_KEY = _object("key", key=_TEXT, name=_TEXT)
_SOURCES = {"configMap": _object(name=_TEXT, items=_ITEMS), "secret": _object(items=_ITEMS)}
_CONTAINER = _object(
    "name",
    name=_TEXT,
    image=_TEXT,
    command=_list(_SCALAR),
    args=_list(_SCALAR),
    env=_list(_object("name", name=_TEXT, value=_SCALAR, valueFrom=_object(configMapKeyRef=_KEY, secretKeyRef=_KEY))),
    envFrom=_list(_object(configMapRef=_object(name=_TEXT), secretRef=_object(name=_TEXT), prefix=_TEXT)),
    ports=_list(_object()),
    securityContext=_object(),
)
_POD = _object(
    "containers",
    containers={"type": "array", "minItems": 1, "items": _CONTAINER},
    initContainers=_list(_CONTAINER),
    volumes=_list(_object("name", projected=_object(sources=_list(_object(**_SOURCES))), **_SOURCES)),
    serviceAccountName=_OPTIONAL,
    serviceAccount=_OPTIONAL,
    imagePullSecrets=_list(_object("name", name=_TEXT)),
)
_TEMPLATE = _object("spec", spec=_POD, metadata=_METADATA)
_SELECTOR = _object(matchLabels=_TEXTS)
_WORKLOAD = _object("spec", spec=_object("template", template=_TEMPLATE, selector=_SELECTOR))
_REFERENCE = _object("kind", "name", kind=_TEXT, name=_TEXT)
_SERVICE_PORT = _object("port", port=_PORT, name=_TEXT, targetPort={"type": ["string", "integer"]})
_BACKEND = _object(service=_object("name", name=_TEXT, port=_object()))
_PATHS = _list(_object(backend=_BACKEND))
_SHAPES: dict[str, Yaml] = {
    "ConfigMap": _object(data=_TEXTS),
    "CronJob": _object("spec", spec=_object("jobTemplate", jobTemplate=_WORKLOAD)),
    "HorizontalPodAutoscaler": _object("spec", spec=_object(scaleTargetRef=_object())),
    "HTTPRoute": _object(
        spec=_object(rules=_list(_object(backendRefs=_list(_object("name", name=_TEXT, port=_PORT)))))
    ),
    "Ingress": _object(spec=_object(defaultBackend=_BACKEND, rules=_list(_object(http=_object(paths=_PATHS))))),
    "PersistentVolumeClaim": _object("spec", spec=_object()),
    "PodDisruptionBudget": _object("spec", spec=_object(selector=_SELECTOR)),
    "RoleBinding": _object("roleRef", roleRef=_REFERENCE, subjects=_list(_REFERENCE)),
    "Secret": _object(data=_TEXTS, stringData=_TEXTS),
    "Service": _object("spec", spec=_object(selector=_TEXTS, ports=_list(_SERVICE_PORT))),
    **dict.fromkeys(("DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"), _WORKLOAD),
}


@cache
def _shape(kind: str) -> jsonschema_rs.Validator:
    shape = {"type": "object", **_SHAPES.get(kind, {})}
    fields = {"metadata": _METADATA, **shape.get("properties", {})}
    return jsonschema_rs.validator_for({**shape, "properties": fields}, mask="the value")
