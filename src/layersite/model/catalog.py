"""The catalog: one app per folder `apps/<app>/`, each described by its `app.yaml`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from layersite.model.app import App
from layersite.model.database import secret_name
from layersite.model.document import Document, near_miss, read_document
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.names import dns_label
from layersite.model.site import Site

__all__ = ["APP_FILE", "Catalog", "load_catalog"]

APP_FILE = "app.yaml"


@dataclass(frozen=True)
class Catalog:
    """All apps of a site by name; `root` is the folder that holds theirs, `digests` hash what each folder holds.

    `parts` has the hash of each app's overlays, and of all else in its folder, by path.
    """

    root: Path
    apps: Mapping[str, App]
    digests: Mapping[str, str]
    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of_repository(self, repository: str) -> dict[str, App]:
        """Return the apps whose source is `repository`, by name."""
        return {name: app for name, app in self.apps.items() if app.repository == repository}


def _hashes(folder: Path) -> dict[str, str]:
    """Hash every file below `folder`, by path; of a symbolic link only where it points."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or path.is_file():
            content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
            found[path.relative_to(folder).as_posix()] = hashlib.sha256(content).hexdigest()
    return found


def _digest(hashes: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(f"{path}\0{each}\n" for path, each in hashes.items()).encode()).hexdigest()


def _parts(name: str, hashes: Mapping[str, str]) -> dict[str, str]:
    """Return the digest of an app's overlays, if there are any, and of all the rest."""
    overlays = {path: each for path, each in hashes.items() if path.startswith("overlays/")}
    rest = {path: each for path, each in hashes.items() if path not in overlays}
    found = {f"apps/{name}": rest, f"apps/{name}/overlays": overlays}
    return {path: _digest(each) for path, each in found.items() if each}


def _cross_problems(name: str, app: App, document: Document, site: Site, known: set[str]) -> list[Problem]:
    problems = []
    if not dns_label(name) or name == "namespace":
        text = f"the folder name `{name}` must be a DNS label without `--`, and not `namespace`"
        problems.append(document.problem((), text))
    if app.repository is not None and app.repository not in site.repositories:
        text = f"`{app.repository}` is not among `repositories` of layersite.yaml"
        problems.append(document.problem(("repository",), text + near_miss(app.repository, site.repositories)))
    for index, need in enumerate(app.needs):
        if need.app is not None and need.app not in known:
            text = f"there is no app `{need.app}`{near_miss(need.app, known)}"
            problems.append(document.problem(("needs", index, "app"), text))
        if need.database is not None and need.database not in site.databases:
            text = f"`{need.database}` is not among `databases` of layersite.yaml"
            near = near_miss(need.database, site.databases)
            problems.append(document.problem(("needs", index, "database"), text + near))
    for index, secret in enumerate(app.secrets):
        if secret.name in map(secret_name, site.databases):
            text = (
                f"`{secret.name}` is the Secret that leads to a clone, which the bot writes; give this one another name"
            )
            problems.append(document.problem(("secrets", index, "name"), text))
    return problems


def load_catalog(root: Path, site: Site) -> Catalog:
    """Read every `apps/<app>/app.yaml` below `root`.

    Raises:
        InvalidInputError: with the problems of all files, unknown names with their near misses.
    """
    folder = root / "apps"
    apps: dict[str, App] = {}
    documents: dict[str, Document] = {}
    problems: list[Problem] = []
    known = {path.parent.name for path in folder.glob(f"*/{APP_FILE}")}
    for name in sorted(known):
        try:
            documents[name] = read_document(folder / name / APP_FILE, f"apps/{name}/{APP_FILE}")
            apps[name] = documents[name].parse(App)
        except InvalidInputError as error:
            problems += error.problems
    for name, app in apps.items():
        problems += _cross_problems(name, app, documents[name], site, known)
    if problems:
        raise InvalidInputError(problems)
    hashes = {name: _hashes(folder / name) for name in apps}
    digests = {name: _digest(each) for name, each in hashes.items()}
    return Catalog(folder, apps, digests, {name: _parts(name, each) for name, each in hashes.items()})
