"""The rim of adoption: read a source, and write what was decided without ever overwriting what a person edited."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from layersite.adopt.decide import decide
from layersite.adopt.result import Adoption
from layersite.adopt.source import read_source
from layersite.model.catalog import Catalog
from layersite.model.errors import InvalidInputError, Problem

__all__ = ["Written", "adopt", "write"]


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
    return decide(read_source(source, values, env_file), repository, frozenset(known.apps if known else ()))


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


def _create(root: Path, texts: dict[str, str]) -> None:
    staged: list[tuple[Path, Path]] = []
    placed: list[Path] = []
    try:
        for path, text in texts.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.partial")
            staged.append((partial, target))
            partial.write_bytes(text.encode())
        for partial, target in staged:
            partial.rename(target)
            placed.append(target)
    except OSError:
        for target in placed:
            target.unlink()
        raise
    finally:
        for partial, _ in staged:
            partial.unlink(missing_ok=True)
