"""Turn environments into git trees and set them into the tree of the tip; the cost does not grow with their number."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import pygit2
from pygit2.enums import FileMode, ObjectType

from layersite.model.errors import InvalidInputError, Problem
from layersite.model.names import is_environment_name, shard
from layersite.store.snapshot import ENVIRONMENTS, child

__all__ = ["AUTHOR", "Write", "check_writes", "graft", "message", "write_commit", "write_tree"]

_COMPONENT = re.compile(r"(?!.*\.\Z)[A-Za-z0-9_][A-Za-z0-9._-]{0,254}\Z")
"""An allow-list: git's own checks let `-rf`, newlines and bidi marks pass, and a bad name breaks every clone."""
AUTHOR = ("layersite", "layersite@users.noreply.local")


@dataclass(frozen=True)
class Write:
    """What the directory of the environment `name` shall hold, by path below it; None removes the directory.

    `expected` is the tree id that the plan saw there (None: nothing); `trailer` is one line for the commit message.
    `manifests` is the tree id of a folder of that name that stays as it is beside `files`. `beside` is the tree id of
    all environments if none of them may have changed meanwhile, as where there is room for a certain number only.
    """

    name: str
    files: Mapping[str, bytes] | None
    expected: str | None
    trailer: str
    manifests: str | None = None
    beside: str | None = None


def check_writes(writes: Sequence[Write]) -> None:
    """Refuse every name and path that could harm a clone. Raises InvalidInputError with all of them."""
    problems = []
    for write in writes:
        if not is_environment_name(write.name):
            text = "is not an environment's name: lower-case letters, digits and single hyphens, 3 to 40 characters"
            problems.append(Problem(ascii(write.name), 0, "", text))
        for path in write.files or ():
            if not all(_COMPONENT.match(part) for part in path.split("/")):
                text = "each part of a path must be 1 to 255 of A-Z a-z 0-9 . _ - and begin with a letter, digit or _"
                problems.append(Problem(f"{write.name!a}, file {path!a}", 0, "", text))
    if problems:
        raise InvalidInputError(problems)


def write_tree(repo: pygit2.Repository, files: Mapping[str, bytes], manifests: str | None = None) -> pygit2.Oid:
    """Store `files` (paths as checked) as blobs and trees, beside the tree `manifests`, and return the tree."""
    builder = repo.TreeBuilder()
    if manifests is not None:
        builder.insert("manifests", pygit2.Oid(hex=manifests), FileMode.TREE)
    folders: dict[str, dict[str, bytes]] = {}
    for path, content in files.items():
        name, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(name, {})[rest] = content
        else:
            builder.insert(name, repo.write(ObjectType.BLOB, content), FileMode.BLOB)  # half create_blob's time
    for name, below in folders.items():
        builder.insert(name, write_tree(repo, below), FileMode.TREE)
    return builder.write()


def graft(
    repo: pygit2.Repository, root: pygit2.Tree | None, directories: Mapping[str, pygit2.Oid | None]
) -> pygit2.Oid:
    """Return `root` with each of `directories` (by environment) in its place, or taken out where it is None."""
    environments = child(root, ENVIRONMENTS)
    shards = {
        code: _with(repo, child(environments, code), {name: directories[name] for name in names})
        for code, names in groupby(sorted(directories, key=lambda name: (shard(name), name)), key=shard)
    }
    below = _with(repo, environments, shards)
    return _with(repo, root, {ENVIRONMENTS: below}) or repo.TreeBuilder().write()


def _with(
    repo: pygit2.Repository, tree: pygit2.Tree | None, folders: Mapping[str, pygit2.Oid | None]
) -> pygit2.Oid | None:
    """Return `tree` with `folders` put in or taken out, None if nothing is left of it: git has no empty folders."""
    builder = repo.TreeBuilder() if tree is None else repo.TreeBuilder(tree)
    for name, below in folders.items():
        if below is not None:
            builder.insert(name, below, FileMode.TREE)
        elif builder.get(name) is not None:
            builder.remove(name)
    return builder.write() if len(builder) else None


def message(subject: str, trailers: Iterable[str]) -> str:
    """Return the commit message; whatever is not printable (line ends, bidi marks) becomes `?`."""
    lines = [subject, "", *(f"Environment: {trailer}" for trailer in trailers)]
    return "\n".join("".join(c if c.isprintable() else "?" for c in line) for line in lines) + "\n"


def write_commit(
    repo: pygit2.Repository, tree: pygit2.Oid, parent: pygit2.Oid | None, text: str, now: int
) -> pygit2.Oid:
    """Store a commit by the bot at `now` (seconds since 1970, UTC) on top of `parent`; no ref moves."""
    bot = pygit2.Signature(*AUTHOR, now, 0)
    return repo.create_commit(None, bot, bot, text, tree, [] if parent is None else [parent])
