"""What was read before, in a file beside the clone: YAML takes many times as long to read as this."""

from collections.abc import Collection
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from layersite.model.document import Model
from layersite.model.environment import Environment, Tombstone

__all__ = ["Directory", "Parsed"]

_SPARE = 1000
"""Lines about what is gone, beyond as many as there are environments, before the file is written anew."""


class Directory(Model):
    """One environment's directory: its document (one of both), and the git tree id of `manifests/`."""

    environment: Environment | None = None
    tombstone: Tombstone | None = None
    manifests: str | None = None

    @property
    def name(self) -> str | None:
        """The name in its document."""
        document = self.environment or self.tombstone
        return document.name if document else None


class Parsed:
    """The directories in the file `path`, each a line of tree id and JSON; a line that cannot be read is none.

    One process uses it at a time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._new: dict[str, str] = {}

    @cached_property
    def _known(self) -> dict[str, str]:
        text = self._path.read_text("utf-8", "replace") if self._path.exists() else ""
        return {tree: found for tree, _, found in (line.partition(" ") for line in text.split("\n"))}

    def get(self, tree: str, name: str) -> Directory | None:
        """Return what the directory `tree` of the environment `name` holds, if it is known."""
        try:
            found = Directory.model_validate_json(self._known[tree]) if tree in self._known else None
        except ValidationError:  # torn, or by another version; the directory itself tells what is wrong with it
            return None
        return found if found is not None and found.name == name else None

    def add(self, tree: str, directory: Directory) -> None:
        """Remember what `tree` holds, without the defaults, which may change."""
        self._new[tree] = directory.model_dump_json(exclude_unset=True, by_alias=True)

    def save(self, alive: Collection[str]) -> None:
        """Write down what is new; where most of the file is about other trees than `alive`, only these are kept."""
        if not self._new:
            return
        self._known.update(self._new)
        is_long = len(self._known) > 2 * len(alive) + _SPARE
        kept = {tree: self._known[tree] for tree in alive if tree in self._known} if is_long else self._new
        with self._path.open("w" if is_long else "a", encoding="utf-8", newline="\n") as file:
            file.write("".join(f"\n{tree} {found}" for tree, found in kept.items()))
        self._new = {}
