"""The shape of what adoption reads in Kubernetes objects, checked once so that the rest can trust it.

Whether an object is wholly valid is checked where environments are rendered; here a list must be a list.
"""

from collections.abc import Iterator
from functools import cache

import jsonschema_rs

from layersite.model.yaml import Yaml

__all__ = ["shape_problems"]

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
def _validator(kind: str) -> jsonschema_rs.Validator:
    shape = {**_SHAPES.get(kind, {}), "type": "object"}
    fields = {"metadata": _METADATA, **shape.get("properties", {})}
    return jsonschema_rs.validator_for({**shape, "properties": fields}, mask="the value")


def shape_problems(data: Yaml) -> Iterator[tuple[str, str]]:
    """Yield the dotted path and the message of everything in the object `data` that has not the shape of its kind."""
    for error in _validator(data["kind"] if data["kind"] in _SHAPES else "").iter_errors(data):
        yield ".".join(map(str, error.instance_path)), error.message
