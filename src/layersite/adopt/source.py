"""Tell what kind of source a path is, and read it: plain manifests, a kustomization, a chart or a compose file."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from layersite.adopt.compose import read_compose
from layersite.adopt.objects import Item, check_items, first, read_text, refused
from layersite.adopt.result import Edge, Log
from layersite.model.document import Document, read_document
from layersite.model.errors import InvalidInputError, Problem, ToolError
from layersite.model.names import dns_label
from layersite.model.yaml import Yaml, load_nodes
from layersite.process import run

__all__ = ["read_source"]

_MARKS = {
    "kustomize": ("kustomization.yaml", "kustomization.yml", "Kustomization"),
    "helm": ("Chart.yaml",),
    "compose": ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"),
}
"""The files by which a folder of each kind is told."""
_BUILT = (*_MARKS["kustomize"], *_MARKS["helm"])
_MANIFEST = (".yaml", ".yml", ".json")


def read_source(
    source: Path, values: Sequence[Path], env_file: Path | None, log: Log
) -> tuple[str, Sequence[Item], Sequence[Edge]]:
    """Return the kind of `source`, its objects, and the calls that it declares itself.

    `values` belong to a chart, `env_file` to a compose file. Raises InvalidInputError and ToolError, as `adopt`.
    """
    if source.name in _BUILT:
        source = source.parent
    kind = _kind(source)
    if values and kind != "helm":
        raise refused(str(source), f"is read as {kind}, and values belong to a Helm chart; leave them out")
    if env_file and kind != "compose":
        raise refused(str(source), f"is read as {kind}, and an env file belongs to a compose file; leave it out")
    if kind == "compose":
        found = [source] if source.is_file() else [source / name for name in _MARKS[kind] if (source / name).is_file()]
        if len(found) > 1:
            names = " and ".join(path.name for path in found)
            raise refused(str(source), f"holds {names}; name the one that is meant")
        return kind, *read_compose(found[0], env_file, log)
    items = _items(kind, source, values)
    check_items(items)
    if not items:
        raise refused(str(source), "holds no Kubernetes object")
    return kind, items, []


def _kind(source: Path) -> str:
    if not source.exists():
        raise refused(str(source), "does not exist; name a folder or a file")
    if source.is_file():
        return "compose" if _has_key(source, "services") and not _has_key(source, "kind") else "manifests"
    kinds = [kind for kind, names in _MARKS.items() if any((source / name).is_file() for name in names)]
    others = [path for path in source.iterdir() if path.suffix in _MANIFEST and path.name not in _MARKS["compose"]]
    if kinds == ["compose"] and any(path.is_file() and _has_key(path, "apiVersion") for path in others):
        kinds.append("manifests")
    if len(kinds) > 1:
        raise refused(
            str(source), f"could be {' or '.join(kinds)}; name the file that is meant, or a folder with one kind"
        )
    return kinds[0] if kinds else "manifests"


def _has_key(path: Path, key: str) -> bool:
    """Whether the file has `key` at its top: told by its text, for interpolation may break YAML."""
    return re.search(rf"(?m)^{key}:".encode(), path.read_bytes()) is not None


def _items(kind: str, source: Path, values: Sequence[Path]) -> list[Item]:
    if kind == "kustomize":
        return _parse(run(_kustomize(source), timeout=300).decode(), "kustomization.yaml", generated=True)
    if kind == "helm":
        return _parse(run(_helm(source, values), timeout=300).decode(), "templates", generated=True)
    names = {path: path.relative_to(source).as_posix() if path != source else path.name for path in _manifests(source)}
    return [item for path, name in names.items() for item in _parse(read_text(path, name), name)]


def _kustomize(source: Path) -> list[str]:
    for command in (["kustomize", "build"], ["kubectl", "kustomize"]):
        if shutil.which(command[0]):
            return [*command, str(source.resolve())]
    raise ToolError(f"{source} is a kustomization: install `kustomize` (or `kubectl`) and run this again")


def _helm(source: Path, values: Sequence[Path]) -> list[str]:
    if shutil.which("helm") is None:
        raise ToolError(f"{source} is a Helm chart: install `helm` and run this again")
    name = str(first(read_document(source / "Chart.yaml", "Chart.yaml").data, "name"))
    release = name if dns_label(name, 53) else "release"
    arguments = [argument for path in values for argument in ("--values", str(path.resolve()))]
    return ["helm", "template", release, str(source.resolve()), *arguments]


def _manifests(source: Path) -> list[Path]:
    """Return the manifests below `source` in a fixed order, hidden folders left aside."""
    if source.is_file():
        return [source]
    below = [path for path in sorted(source.rglob("*")) if "/." not in f"/{path.relative_to(source).as_posix()}"]
    for path in below:
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(source.resolve()):
            raise refused(str(path), f"is a symbolic link that leads out of {source}; copy the file instead")
        if path.is_symlink() and not path.is_file():
            raise refused(str(path), "is a symbolic link to no file; remove it")
        if path.name in _BUILT:
            raise refused(
                str(source), f"holds another source, {path.parent.relative_to(source)}; name that one instead"
            )
    found = [path for path in below if path.suffix in _MANIFEST and path.is_file()]
    if not found:
        raise refused(str(source), "holds no manifest (*.yaml, *.yml, *.json), kustomization, chart or compose file")
    return found


def _parse(text: str, file: str, generated: bool = False) -> list[Item]:
    """Return the objects of `text`, those in a List one by one; where it was `generated`, its lines mean nothing."""
    items: list[Item] = []
    problems: list[Problem] = []
    origins = [(match.start(), match[1]) for match in re.finditer(r"(?m)^# Source: [^/\n]+/(\S+)$", text)]
    for node, data in load_nodes(text, file):
        origin = next((name for start, name in reversed(origins) if start < node.start_mark.index), file)
        document = Document(origin, node, data)
        is_list = isinstance(data, dict) and str(data.get("kind", "")).endswith("List") and "items" in data
        for index, entry in enumerate(data["items"] or [] if is_list else [data]):
            problem = document.problem(("items", index) if is_list else (), _not_object(entry))
            if problem.message:
                problems.append(problem)
            elif entry is not None:
                items.append(Item(entry, origin, 0 if generated else problem.line))
    if problems:
        raise InvalidInputError(problems)
    return items


def _not_object(entry: Yaml) -> str:
    """Say why `entry` is no object; nothing if it is one, or nothing at all."""
    if entry is None:
        return ""
    if not isinstance(entry, dict):
        return "expected a Kubernetes object, found a list or a plain value"
    for key in ("apiVersion", "kind"):
        if not isinstance(entry.get(key), str) or not entry[key]:
            return f"is no Kubernetes object: `{key}` is missing; move files that are none out of the folder"
    metadata = entry.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        return f"the {entry['kind']} has no `metadata.name`; give it one (`generateName` is not enough)"
    return ""
