"""The site's folder `bootstrap/`: rendered from layersite.yaml, committed by the team, checked to be current."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from layersite.bootstrap import objects
from layersite.model.errors import Problem
from layersite.model.site import SITE_FILE, Site
from layersite.model.yaml import dump

__all__ = ["FOLDER", "State", "files", "stale", "states", "write"]

FOLDER = "bootstrap"
_HEADER = f"# Rendered by layersite: change {SITE_FILE} and run `layersite bootstrap`, edits here are overwritten.\n"

State = Literal["new", "changed", "current", "removed"]
"""What writing does to a file; `removed` is one that layersite rendered once and renders no more."""


def files(site: Site) -> dict[str, bytes]:
    """Return what `bootstrap/` holds, by name in the order in which it is applied.

    `site` is layersite.yaml as it stands there, so that the bytes are the same on any machine.

    Raises:
        InvalidInputError: the site names no Argo CD, or its repository is a local path.
    """
    found = {"project.yaml": objects.project(site)}
    if (credentials := objects.settings(site).credentials) is not None:
        found["repository.yaml"] = objects.external_secret(site, credentials)
    found["applicationset.yaml"] = objects.application_set(site)
    return {name: (_HEADER + dump(item)).encode() for name, item in found.items()}


def states(root: Path, wanted: Mapping[str, bytes]) -> dict[str, State]:
    """Compare `wanted` with what is in the folder; files that layersite did not write are not looked at."""
    found: dict[str, State] = {}
    for name, content in wanted.items():
        path = root / FOLDER / name
        found[name] = "new" if not path.exists() else "current" if path.read_bytes() == content else "changed"
    for path in sorted((root / FOLDER).glob("*.yaml")):
        if path.name not in wanted and path.read_bytes().startswith(_HEADER.encode()):
            found[path.name] = "removed"
    return found


def write(root: Path, wanted: Mapping[str, bytes]) -> None:
    """Make the folder hold `wanted`."""
    for name, state in states(root, wanted).items():
        path = root / FOLDER / name
        if state == "removed":
            path.unlink()
        elif state != "current":
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(wanted[name])


def stale(root: Path, wanted: Mapping[str, bytes]) -> list[Problem]:
    """Return one problem for each file that is not as `wanted`."""
    said = {"new": "is missing", "changed": f"is not what {SITE_FILE} says", "removed": "is not needed any more"}
    return [
        Problem(f"{FOLDER}/{name}", 0, "", f"{said[state]}; run `layersite bootstrap` and commit what it writes")
        for name, state in states(root, wanted).items()
        if state != "current"
    ]
