"""An app's base manifests, parsed once: plain YAML, or what kustomize or helm made of it, kept by its inputs' hash."""

import hashlib
import shutil
from pathlib import Path

from layersite.model.app import App, Base
from layersite.model.catalog import Catalog
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.yaml import Yaml, load_all
from layersite.process import run

__all__ = ["Bases"]


class Bases:
    """The base objects of every app of a catalog; each is read when it is first asked for.

    `cache` is the folder that holds what kustomize and helm printed, named by the hash of the app's folder.
    """

    def __init__(self, catalog: Catalog, cache: Path) -> None:
        self._catalog = catalog
        self._cache = cache
        self._objects: dict[str, list[Yaml]] = {}

    def objects(self, app: str) -> list[Yaml]:
        """Return the objects of `app`, none for an external one. They are shared: copy before changing.

        Raises:
            InvalidInputError: a manifest is not a Kubernetes object; with all problems of the app.
            ToolError: kustomize or helm is needed and missing, or refuses its input.
        """
        if app not in self._objects:
            base = self._catalog.apps[app].base
            self._objects[app] = _flatten(self._read(app, base)) if base else []
        return self._objects[app]

    def _read(self, app: str, base: Base) -> list[tuple[str, Yaml]]:
        folder = self._catalog.root / app
        if base.directory is not None:
            return _read_directory(folder / base.directory, f"apps/{app}/{base.directory}")
        source = f"apps/{app}/{base.kustomize or (base.helm and base.helm.chart)}"
        return [(source, item) for item in load_all(self._generate(app, self._catalog.apps[app]), source)]

    def _generate(self, name: str, app: App) -> str:
        argv = _command(self._catalog.root / name, name, app)
        key = hashlib.sha256("\0".join([self._catalog.digests[name], *argv[1:]]).encode()).hexdigest()
        kept = self._cache / f"{key}.yaml"
        if not kept.exists():
            output = run(argv, cwd=self._catalog.root / name)
            kept.parent.mkdir(parents=True, exist_ok=True)
            partial = kept.with_suffix(".partial")
            partial.write_bytes(output)
            partial.rename(kept)
        return kept.read_text(encoding="utf-8")


def _command(folder: Path, name: str, app: App) -> list[str]:
    base = app.base
    if base is not None and base.helm is not None:
        values = [argument for file in base.helm.values for argument in ("--values", file)]
        return ["helm", "template", base.helm.release or name, base.helm.chart, *values]
    builder = (
        ["kustomize", "build"] if shutil.which("kustomize") or not shutil.which("kubectl") else ["kubectl", "kustomize"]
    )
    return [*builder, str((base and base.kustomize) or folder)]


def _read_directory(folder: Path, source: str) -> list[tuple[str, Yaml]]:
    files = sorted(path for pattern in ("*.yaml", "*.yml") for path in folder.rglob(pattern))
    if not files:
        raise InvalidInputError([Problem(source, 0, "", "holds no *.yaml file; put the app's manifests there")])
    found: list[tuple[str, Yaml]] = []
    for path in files:
        name = f"{source}/{path.relative_to(folder).as_posix()}"
        if not path.resolve().is_relative_to(folder.resolve()):
            raise InvalidInputError([Problem(name, 0, "", "is a symbolic link out of the app's folder; copy the file")])
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError([Problem(name, 0, "", f"cannot be read: {error}")]) from error
        found += [(name, item) for item in load_all(text, name)]
    return found


def _flatten(documents: list[tuple[str, Yaml]]) -> list[Yaml]:
    """Return the objects of `documents`, those in a List taken out, empty documents left out."""
    objects: dict[tuple[str, str], Yaml] = {}
    problems: list[Problem] = []
    for source, document in documents:
        is_list = isinstance(document, dict) and document.get("kind") == "List"
        for item in (document.get("items") or []) if is_list else [document]:
            if item is None:
                continue
            if not is_object(item):
                text = "is no Kubernetes object: it needs `apiVersion`, `kind` and `metadata.name`"
                problems.append(Problem(source, 0, "", text))
                continue
            key = item["kind"], item["metadata"]["name"]
            if key in objects:
                problems.append(Problem(source, 0, "/".join(key), "stands in this base twice; remove one"))
            objects[key] = item
    if problems:
        raise InvalidInputError(problems)
    return list(objects.values())


def is_object(item: Yaml) -> bool:
    """Whether `item` has what every Kubernetes object has."""
    return (
        isinstance(item, dict)
        and isinstance(item.get("apiVersion"), str)
        and isinstance(item.get("kind"), str)
        and isinstance(item.get("metadata"), dict)
        and isinstance(item["metadata"].get("name"), str)
    )
