"""What the environments repository holds at one commit, parsed; a directory that does not belong there is an error."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pygit2

from layersite.model.document import near_miss, read_document
from layersite.model.environment import Environment, Tombstone
from layersite.model.errors import InvalidInputError, Problem, UnknownNameError
from layersite.model.names import is_environment_name, shard
from layersite.store.parsed import Directory, Parsed

__all__ = [
    "ENVIRONMENTS",
    "Entry",
    "Snapshot",
    "all_id",
    "child",
    "directory_of",
    "read_entry",
    "read_files",
    "read_snapshot",
]

ENVIRONMENTS = "environments"
_ENVIRONMENT_FILE = "environment.yaml"
_TOMBSTONE_FILE = "tombstone.yaml"


@dataclass(frozen=True)
class Entry:
    """One environment's directory: its document (one of both), its git tree id and that of `manifests/`, in hex."""

    environment: Environment | None
    tombstone: Tombstone | None
    tree: str
    manifests: str | None

    @property
    def document(self) -> Environment | Tombstone | None:
        """What it holds."""
        return self.environment or self.tombstone


@dataclass(frozen=True)
class Snapshot:
    """Every environment by name, sorted, as of `commit`; that is None while the branch does not exist.

    `tree` is the git tree id of all of them together.
    """

    commit: str | None
    entries: Mapping[str, Entry]
    tree: str = ""

    def entry(self, name: str) -> Entry:
        """Return the directory of the environment `name`. Raises UnknownNameError."""
        if name not in self.entries:
            raise UnknownNameError(f"there is no environment `{name}`{near_miss(name, self.entries)}")
        return self.entries[name]

    def living(self, name: str) -> Environment:
        """Return the environment `name`, which is not going away. Raises UnknownNameError."""
        alive = {name: each for name, entry in self.entries.items() if (each := entry.environment)}
        if name not in alive:
            raise UnknownNameError(f"there is no environment `{name}`{near_miss(name, alive)}")
        return alive[name]


def directory_of(name: str) -> str:
    """Return the path of the environment `name` in the repository."""
    return f"{ENVIRONMENTS}/{shard(name)}/{name}"


def child(tree: pygit2.Tree | None, path: str) -> pygit2.Tree | None:
    """Return the folder at `path` below `tree`, None where there is none."""
    found = tree[path] if tree is not None and path in tree else None
    return found if isinstance(found, pygit2.Tree) else None


def read_snapshot(
    repo: pygit2.Repository, tip: pygit2.Oid | None, before: Mapping[str, Entry], parsed: Parsed
) -> Snapshot:
    """Read every environment at the commit `tip`; what has the tree that it had `before`, or is `parsed`, is not again.

    Raises:
        InvalidInputError: with every directory and document that is not as the bot writes it.
    """
    entries: dict[str, Entry] = {}
    problems: list[Problem] = []
    commit = None if tip is None else repo[tip].peel(pygit2.Commit)
    for path, name, tree in _directories(commit and child(commit.tree, ENVIRONMENTS), problems.append):
        if name in before and before[name].tree == str(tree.id):
            entries[name] = before[name]
            continue
        try:
            entries[name] = _read_again(tree, path, name, parsed)
        except InvalidInputError as error:
            problems += error.problems
    parsed.save({entry.tree for entry in entries.values()})
    if problems:
        raise InvalidInputError(problems)
    return Snapshot(None if tip is None else str(tip), dict(sorted(entries.items())), all_id(commit and commit.tree))


def all_id(root: pygit2.Tree | None) -> str:
    """Return the tree id of all environments below `root` together, nothing where there is none."""
    found = child(root, ENVIRONMENTS)
    return "" if found is None else str(found.id)


def _name(entry: pygit2.Object) -> str:
    return (entry.raw_name or b"").decode("utf-8", "backslashreplace")


def _folders(tree: pygit2.Tree | None) -> Iterator[tuple[str, pygit2.Tree]]:
    for entry in tree or ():
        if isinstance(entry, pygit2.Tree):
            yield _name(entry), entry


def _directories(
    environments: pygit2.Tree | None, report: Callable[[Problem], None]
) -> Iterator[tuple[str, str, pygit2.Tree]]:
    """Yield path, name and tree of each environment's directory, and report those that stand in a wrong place."""
    for code, folder in _folders(environments):
        if not re.fullmatch("[0-9a-f]{2}", code):
            report(_misplaced(f"{ENVIRONMENTS}/{code}", code))
            continue
        for name, tree in _folders(folder):
            path = f"{ENVIRONMENTS}/{code}/{name}"
            if is_environment_name(name) and shard(name) == code:
                yield path, name, tree
            else:
                report(_misplaced(path, name))


def _misplaced(path: str, name: str) -> Problem:
    if is_environment_name(name):
        return Problem(path, 0, "", f"the environment `{name}` belongs in `{directory_of(name)}`; move or remove it")
    text = "is not an environment's name (lower-case letters, digits and single hyphens, 3 to 40 characters); remove it"
    return Problem(ascii(path)[1:-1], 0, "", f"{name!a} {text}")


def read_files(tree: pygit2.Tree | None) -> dict[str, bytes]:
    """Return every file below `tree` by its path."""
    files: dict[str, bytes] = {}
    for entry in tree or ():
        if isinstance(entry, pygit2.Tree):
            files |= {f"{_name(entry)}/{path}": content for path, content in read_files(entry).items()}
        elif isinstance(entry, pygit2.Blob):
            files[_name(entry)] = entry.data
    return files


def _read_again(tree: pygit2.Tree, path: str, name: str, parsed: Parsed) -> Entry:
    """Return what is known of the directory, without reading any of it, or read it and remember that."""
    found = parsed.get(str(tree.id), name)
    if found is None:
        entry = read_entry(tree, path, name)
        document = {"environment": entry.environment} if entry.environment else {"tombstone": entry.tombstone}
        parsed.add(entry.tree, found := Directory(**document, manifests=entry.manifests))
    return Entry(found.environment, found.tombstone, str(tree.id), found.manifests)


def read_entry(tree: pygit2.Tree, path: str, name: str) -> Entry:
    """Read one environment's directory. Raises InvalidInputError."""
    documents = (_ENVIRONMENT_FILE, _TOMBSTONE_FILE)
    files = [file for file in documents if file in tree and isinstance(tree[file], pygit2.Blob)]
    if len(files) != 1:
        text = f"must hold one of `{_ENVIRONMENT_FILE}` and `{_TOMBSTONE_FILE}`, and holds {len(files) or 'none'}"
        raise InvalidInputError([Problem(path, 0, "", f"{text}; revert the commit that did it, or remove it")])
    parsed = _read_document(tree[files[0]], f"{path}/{files[0]}", name)
    manifests = child(tree, "manifests")
    return Entry(
        parsed if isinstance(parsed, Environment) else None,
        parsed if isinstance(parsed, Tombstone) else None,
        str(tree.id),
        None if manifests is None else str(manifests.id),
    )


def _read_document(blob: pygit2.Object, source: str, name: str) -> Environment | Tombstone:
    try:
        text = blob.read_raw().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInputError([Problem(source, 0, "", f"is not UTF-8 ({error}); revert its last change")]) from error
    document = read_document(Path(source), source, text)
    model: type[Environment] | type[Tombstone] = Environment if source.endswith(_ENVIRONMENT_FILE) else Tombstone
    parsed = document.parse(model)
    if parsed.name != name:
        text = f"`{parsed.name}` stands in the directory of `{name}`; restore the name or move the directory"
        raise InvalidInputError([document.problem(("name",), text)])
    return parsed
