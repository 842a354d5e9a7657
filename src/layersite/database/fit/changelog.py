"""Liquibase's change sets, in formatted SQL, XML, YAML and JSON, under the paths by which its ledger knows them."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from pathlib import PurePosixPath
from xml.parsers import expat

from layersite.database.fit.history import History, Step
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.yaml import Yaml, load_all

__all__ = ["name_of", "read_liquibase"]

_HEADER = re.compile(r"\s*--\s*liquibase\s*formatted[^\n]*", re.IGNORECASE)
_CHANGE_SET = re.compile(r"""(?mi)^[ \t]*--[ \t]*changeset[ \t]+("[^"\n]+"|[^:\n]+):("[^"\n]+"|\S+)([^\n]*)$""")
_LOGICAL = re.compile(r"logicalFilePath:(\S+)", re.IGNORECASE)
_DEPTH = 32
"""How many folders above a file are looked at for where Liquibase may have begun: a change may bring thousands."""

_Lines = tuple[int, int | None]
_Element = tuple[str, Mapping[str, Yaml], _Lines]
"""What stands in a change log: its tag, attributes and lines."""


@dataclass(frozen=True)
class _ChangeSet:
    """A change set. `path` goes before its file's path; `fallback` is its path if its file has none of its own."""

    identifier: str
    author: str
    path: str | None
    fallback: str
    lines: _Lines = (0, None)


@dataclass(frozen=True)
class _Log:
    """A change log: its own path if it has one, its change sets, and the paths of what it includes with theirs.

    The path of an included folder ends in a slash. `is_plain`: SQL that is a change set only if something includes it.
    """

    path: str | None
    sets: tuple[_ChangeSet, ...]
    includes: Mapping[str, str | None]
    is_plain: bool = False


def read_liquibase(files: Mapping[str, str]) -> History:
    """Read every change set below a folder.

    A ledger names a file from wherever Liquibase looked for it, so each of a file's path endings that no other file
    shares is a name of its change sets too. Raises InvalidInputError.
    """
    logs = {file: _read(file, text.removeprefix("\ufeff")) for file, text in sorted(files.items())}
    includes = {path: logical for log in logs.values() for path, logical in log.includes.items()}
    steps: dict[str, Step] = {}
    endings: dict[str, set[str]] = {}
    for file, log in logs.items():
        included = [includes[each] for each in _included_as(file) if each in includes]
        if log.is_plain and not included:
            continue
        given = log.path or next(filter(None, included), None)
        for each in log.sets:
            path = each.path or given or each.fallback
            name = name_of(path, each.identifier, each.author)
            steps[name] = Step(name, file, lines=each.lines)
            parts = PurePosixPath(path).parts[-_DEPTH:]
            for start in range(1, len(parts)):
                ending = name_of("/".join(parts[start:]), each.identifier, each.author)
                endings.setdefault(ending, set()).add(name)
    aliases = {ending: min(names) for ending, names in endings.items() if len(names) == 1 and ending not in steps}
    return History(steps, aliases=aliases)


def name_of(path: str, identifier: str, author: str) -> str:
    """Return what a change set is called here: what makes it one to Liquibase."""
    return f"{path.removeprefix('classpath:').removeprefix('./').lstrip('/')}::{identifier}::{author}"


def _included_as(file: str) -> Iterator[str]:
    """Return every path under which an `include` or `includeAll` may mean `file`."""
    parts = file.split("/")[-_DEPTH:]
    for start in range(len(parts)):
        yield "/".join(parts[start:])
        yield from (f"{'/'.join(parts[start:end])}/" for end in range(start + 1, len(parts)))
    yield "./"


def _read(file: str, text: str) -> _Log:
    suffix = PurePosixPath(file).suffix.lower()
    if suffix == ".sql":
        header = _HEADER.match(text)
        return _of_sql(file, text, header[0]) if header else _plain_sql(file)
    if suffix == ".xml":
        return _of_elements(file, _xml(file, text))
    if suffix in (".yaml", ".yml", ".json"):
        return _of_elements(file, (found for document in load_all(text, file) for found in _yaml(document)))
    return _Log(None, (), {})


def _plain_sql(file: str) -> _Log:
    return _Log(None, (_ChangeSet("raw", "includeAll", file, file),), {}, is_plain=True)


def _of_sql(file: str, text: str, header: str) -> _Log:
    whole = _LOGICAL.search(header)
    found = list(_CHANGE_SET.finditer(text))
    starts = [text.count("\n", 0, each.start()) for each in found]
    sets = []
    for each, lines in zip(found, zip(starts, [*starts[1:], None], strict=False), strict=True):
        author, identifier, rest = each.groups()
        own = _LOGICAL.search(rest)
        fallback = own[1] if own else file
        sets.append(_ChangeSet(identifier.strip('"'), author.strip().strip('"'), None, fallback, lines))
    return _Log(whole[1] if whole else None, tuple(sets), {})


def _of_elements(file: str, elements: Iterator[_Element]) -> _Log:
    path, sets, includes = None, [], {}
    for tag, given, lines in elements:
        logical = _text(given.get("logicalFilePath", "")) or None
        if tag == "databaseChangeLog":
            path = path or logical
        elif tag == "changeSet":
            identifier, author = (_text(given.get(key, "")) for key in ("id", "author"))
            sets.append(_ChangeSet(identifier, author, logical, file, lines))
        elif tag in ("include", "includeAll"):
            place = str(given.get("path" if tag == "includeAll" else "file", "")).removeprefix("classpath:")
            is_relative = _text(given.get("relativeToChangelogFile", False)) == "true"
            place = posixpath.normpath(
                posixpath.join(posixpath.dirname(file) if is_relative else "", place.lstrip("/"))
            )
            includes[f"{place}/" if tag == "includeAll" else place] = logical
    return _Log(path, tuple(sets), includes)


def _xml(file: str, text: str) -> Iterator[_Element]:
    found: list[_Element] = []
    opened: list[int] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        opened.append(len(found))
        found.append((tag.rpartition(":")[2], attributes, (parser.CurrentLineNumber - 1, None)))

    def end(_: str) -> None:
        place = opened.pop()
        tag, attributes, lines = found[place]
        found[place] = tag, attributes, (lines[0], parser.CurrentLineNumber)

    def refuse(*_: object) -> None:
        raise InvalidInputError([Problem(file, parser.CurrentLineNumber, "", "has a document type; remove it")])

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise InvalidInputError([Problem(file, error.lineno, "", f"is not XML: {error}")]) from error
    yield from found


def _yaml(document: Yaml) -> Iterator[_Element]:
    entries = document.get("databaseChangeLog") if isinstance(document, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            yield "databaseChangeLog", entry, (0, None)
            yield from ((tag, given, (0, None)) for tag, given in entry.items() if isinstance(given, dict))


def _text(value: Yaml) -> str:
    """Return a scalar as Java writes it, in which Liquibase is written."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and isfinite(value) and value and not 1e-3 <= abs(value) < 1e7:
        mantissa, _, exponent = f"{Decimal(repr(value)).normalize():E}".partition("E")
        return f"{mantissa if '.' in mantissa else f'{mantissa}.0'}E{int(exponent)}"
    return str(value)
