"""Who else changed an environment's directory since it was as rendered, as the branch's history tells."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pygit2

from layersite.model.errors import InvalidInputError
from layersite.store.clone import Clone
from layersite.store.graft import AUTHOR
from layersite.store.snapshot import Entry, child, directory_of, read_entry

__all__ = ["Edit", "find_edits"]

_FORMAT = "--format=%x00%H%x00%an <%ae>%x00%s"
_BOT = "{} <{}>".format(*AUTHOR)


@dataclass(frozen=True)
class Edit:
    """One commit by somebody else; `files` are paths below the directory, each with git's letter: A, M or D."""

    commit: str
    author: str
    subject: str
    files: tuple[tuple[str, str], ...]


def find_edits(clone: Clone, name: str, is_rendered: Callable[[Entry], bool]) -> list[Edit]:
    """Return the commits since the newest at which the directory of `name` was as rendered; fetch history as needed."""
    while True:
        found: list[Edit] = []
        for edit in _log(clone, name):
            if _was_rendered(clone.repo[edit.commit].peel(pygit2.Commit), name, is_rendered):
                return found
            if edit.author != _BOT:
                found.append(edit)
        if not clone.deepen():
            return found


def _log(clone: Clone, name: str) -> Iterator[Edit]:
    """Yield every commit that touched the directory, the newest first; at the history's end all files seem added."""
    directory = directory_of(name)
    said = clone.git("log", _FORMAT, "--name-status", "--no-renames", str(clone.tip), "--", directory)
    fields = iter(said.split("\0")[1:])
    for commit, author, rest in zip(fields, fields, fields, strict=True):
        subject, *lines = rest.splitlines()
        files = (line.partition("\t")[::2] for line in lines if line)
        yield Edit(commit, author, subject, tuple((how, path.removeprefix(f"{directory}/")) for how, path in files))


def _was_rendered(commit: pygit2.Commit, name: str, is_rendered: Callable[[Entry], bool]) -> bool:
    path = directory_of(name)
    tree = child(commit.tree, path)
    try:
        return tree is not None and is_rendered(read_entry(tree, path, name))
    except InvalidInputError:
        return False
