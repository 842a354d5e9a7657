"""What every kind of source is read into: Kubernetes objects that know where they came from."""

from collections.abc import Iterator
from dataclasses import dataclass

from layersite.adopt.result import LeftOut
from layersite.adopt.shapes import shape_problems
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.yaml import Yaml

__all__ = ["WORKLOADS", "Hint", "Item", "Material", "check_items", "containers", "pod_spec", "pod_template"]

WORKLOADS = frozenset({"CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"})


@dataclass(frozen=True)
class Item:
    """One object; `line` is 1-based, 0 where the source was generated."""

    data: Yaml
    file: str
    line: int = 0

    @property
    def kind(self) -> str:
        """The object's kind."""
        return str(self.data["kind"])

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.data["metadata"]["name"])

    @property
    def label(self) -> str:
        """Kind and name, for people."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Hint:
    """The source says itself that the workload `user` needs the workload `needed`; `place` is where it says so."""

    user: str
    needed: str
    file: str
    place: str


@dataclass(frozen=True)
class Material:
    """Everything that was read from one source."""

    kind: str
    items: tuple[Item, ...]
    hints: tuple[Hint, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


def pod_template(item: Item) -> Yaml:
    """Return the pod template of a workload."""
    spec = item.data.get("spec") or {}
    if item.kind == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    return spec.get("template") or {}


def pod_spec(item: Item) -> Yaml:
    """Return the pod spec of a workload."""
    return pod_template(item).get("spec") or {}


def containers(item: Item) -> Iterator[Yaml]:
    """Yield the containers of a workload, those that run first before the others."""
    for field in ("initContainers", "containers"):
        yield from pod_spec(item).get(field) or []


def check_items(items: list[Item]) -> None:
    """Refuse duplicates and objects without the shape of their kind. Raises InvalidInputError with every problem."""
    problems: list[Problem] = []
    seen: dict[tuple[str, str], Item] = {}
    for item in items:
        first = seen.setdefault((item.kind, item.name), item)
        if first is not item:
            text = f"stands in {first.file}:{first.line} too; remove one, or adopt one namespace at a time"
            problems.append(Problem(item.file, item.line, item.label, text))
        for path, message in shape_problems(item.data):
            problems.append(Problem(item.file, item.line, f"{item.label} {path}".strip(), message))
    if problems:
        raise InvalidInputError(problems)
