"""What the pods of an environment request together: the sum that the scheduler makes, for capacity."""

from collections.abc import Iterable
from decimal import ROUND_UP, Decimal

from layersite.model.capacity import Requests, quantity
from layersite.model.site import Site
from layersite.model.yaml import Yaml
from layersite.render.transform import containers, pod_spec

__all__ = ["total"]

_NONE = {"CronJob", "PodTemplate"}
"""Kinds whose pods are there only at times."""


def total(items: Iterable[Yaml], site: Site) -> Requests:
    """Return the sum over every workload of `items`, with the LimitRange's defaults where a container says nothing."""
    found = [item for item in items if isinstance(pod_spec(item), dict) and item["kind"] not in _NONE]
    cpu, memory = (sum((_of(item, site, name) for item in found), Decimal(0)) for name in ("cpu", "memory"))
    return Requests(millicores=_up(cpu * 1000), mebibytes=_up(memory / 1024**2))


def _of(item: Yaml, site: Site, name: str) -> Decimal:
    """Return a workload's request: its containers together, or its largest init container, for every replica."""
    running = sum((_request(each, site, name) for each in containers(item, ("containers",))), Decimal(0))
    starting = max((_request(each, site, name) for each in containers(item, ("initContainers",))), default=Decimal(0))
    replicas = item["spec"].get("replicas", 1) if item["kind"] != "Pod" else 1
    return max(running, starting) * replicas


def _request(container: Yaml, site: Site, name: str) -> Decimal:
    resources = container.get("resources") or {}
    asked = (resources.get("requests") or {}).get(name) or (resources.get("limits") or {}).get(name)
    return quantity(str(asked or site.limits.default_request.get(name, "0")))


def _up(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_UP))
