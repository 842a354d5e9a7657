"""The way through an adoption: read a source, decide its apps, and write them without overwriting what is there."""

import copy
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from layersite.adopt.apps import Group, choose_exposure, find_apps
from layersite.adopt.calls import Calls
from layersite.adopt.files import app_file, object_files
from layersite.adopt.objects import Item, walk
from layersite.adopt.result import AdoptedApp, Adoption, DeclaredSecret, Log
from layersite.adopt.secrets import declared_secrets, hide_secrets
from layersite.adopt.source import read_source
from layersite.model.app import App
from layersite.model.catalog import Catalog
from layersite.model.document import read_document
from layersite.model.errors import InvalidInputError, Problem

__all__ = ["Written", "adopt", "write"]

_REFUSED = frozenset({"hostIPC", "hostNetwork", "hostPID", "hostPath", "hostPort", "privileged"})
"""Fields of a pod that an environment refuses."""


@dataclass(frozen=True, order=True)
class Written:
    """A file of the catalog, its path relative to the site's root, and what became of it."""

    path: str
    state: Literal["created", "kept", "kept, differs"]


def adopt(
    source: Path,
    *,
    repository: str | None = None,
    values: Sequence[Path] = (),
    env_file: Path | None = None,
    known: Catalog | None = None,
) -> Adoption:
    """Read `source` and decide which apps it makes; nothing is written.

    `repository` is set in every app; `values` belong to a Helm chart, `env_file` to a compose file; apps of the catalog
    `known` may be called by name.

    Raises:
        InvalidInputError: the source is wrong or cannot be told; with every problem found.
        ToolError: kustomize or helm is needed and missing, or refuses the source.
    """
    log = Log()
    kind, items, declared = read_source(source, values, env_file, log)
    apps = find_apps(items, log)
    calls = Calls(apps, items, known.apps if known else (), log)
    calls.search()
    for edge in declared:
        calls.add(edge.app, edge.needs, *edge.evidence)
    decided = [_decide(group, items, calls, repository, log) for group in apps.groups]
    secrets = sorted(secret for _, found in decided for secret in found)
    for item in (item for item in items if item.kind == "Secret"):
        readers = ", ".join(secret.app for secret in secrets if secret.name == item.name)
        reason = f"values stay out of git; declared in {readers}" if readers else "no adopted workload reads it"
        log.leave_out(item.file, item.label, reason)
    return Adoption(
        kind=kind,
        apps=tuple(app for app, _ in decided),
        edges=calls.edges,
        unresolved=tuple(sorted(calls.unresolved.values())),
        ambiguous=tuple(sorted(calls.ambiguous.values())),
        left_out=log.left_out(),
        secrets=tuple(secrets),
        notes=tuple(sorted(log.notes)),
    )


def _decide(
    group: Group, everything: Sequence[Item], calls: Calls, repository: str | None, log: Log
) -> tuple[AdoptedApp, list[DeclaredSecret]]:
    exposure = choose_exposure(group, everything, calls.called, log)
    items = [copy.deepcopy(item) for item in (group.workload, *group.members)]
    hide_secrets(group.name, items, everything, log)
    workload = items[0]
    secrets = declared_secrets(group.name, workload, everything, log)
    refused = {key for key, value in walk(workload.pod) if key in _REFUSED and value}
    if refused:
        log.notes.add(f"{group.name}: environments refuse {', '.join(sorted(refused))}; take it out of the base")
    images = {str(container.get("image", "")) for container in workload.containers}
    untagged = sorted(image for image in images if image and "@" not in image and ":" not in image.rpartition("/")[2])
    edges = [edge for edge in calls.edges if edge.app == group.name]
    text = app_file(repository, edges, untagged, exposure, secrets)
    read_document(Path(), f"apps/{group.name}/app.yaml", text).parse(App)
    return AdoptedApp(group.name, {"app.yaml": text, **object_files(items)}), secrets


def write(adoption: Adoption, root: Path, dry_run: bool = False) -> list[Written]:
    """Write the apps below `root`/apps, or with `dry_run` only say what would be written; sorted by path.

    A file that is there already is kept, whatever it holds. All files are staged before the first is put in place.

    Raises:
        InvalidInputError: a path in the way is no folder, no file, or leads out of `root`.
    """
    texts = {f"apps/{app.name}/{name}": text for app in adoption.apps for name, text in app.files.items()}
    problems = [problem for path in texts for problem in _obstacles(root, path)]
    if problems:
        raise InvalidInputError(problems)
    written = [Written(path, _state(root / path, text)) for path, text in sorted(texts.items())]
    if not dry_run:
        _create(root, {file.path: texts[file.path] for file in written if file.state == "created"})
    return written


def _obstacles(root: Path, path: str) -> list[Problem]:
    target = root / path
    if not Path(os.path.realpath(target)).is_relative_to(os.path.realpath(root)):
        return [Problem(path, 0, "", "leads out of the site through a symbolic link; remove the link")]
    if target.exists() and not target.is_file():
        return [Problem(path, 0, "", "is no file; remove what stands in its place")]
    blocking = [parent for parent in target.parents if parent.exists() and not parent.is_dir()]
    return [Problem(path, 0, "", f"{parent.name} is a file where a folder must be; remove it") for parent in blocking]


def _state(path: Path, text: str) -> Literal["created", "kept", "kept, differs"]:
    if not path.exists():
        return "created"
    return "kept" if path.read_bytes() == text.encode() else "kept, differs"


def _create(root: Path, texts: Mapping[str, str]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".adopt-") as staging:
        for path, text in texts.items():
            for folder in (root, Path(staging)):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(staging) / path).write_bytes(text.encode())
        for path in texts:
            (Path(staging) / path).rename(root / path)
