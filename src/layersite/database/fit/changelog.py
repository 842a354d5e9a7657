"""Liquibase's change sets, in formatted SQL, XML, YAML and JSON; includes and contexts are its own business."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from xml.parsers import expat

from layersite.database.fit.history import History, Step
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.yaml import Yaml, load_all

__all__ = ["name_of", "read_liquibase"]

_CHANGE_SET = re.compile(r"""(?mi)^[ \t]*--[ \t]*changeset[ \t]+("[^"]+"|[^\s:"]+):("[^"]+"|[^\s"]+)([^\n]*)$""")
_Found = tuple[str, str, str]
"""Path as the ledger has it, identifier, author."""


def read_liquibase(files: Mapping[str, str]) -> History:
    """Read every change set below a folder.

    A ledger names a file from wherever Liquibase looked for it, so each of a file's path endings that no other file
    shares is a name of its change sets too. Raises InvalidInputError.
    """
    steps: dict[str, Step] = {}
    endings: dict[str, set[str]] = {}
    for file, text in sorted(files.items()):
        for path, identifier, author in _change_sets(file, text):
            name = name_of(path, identifier, author)
            steps[name] = Step(name, file)
            parts = PurePosixPath(path).parts
            for start in range(1, len(parts)):
                endings.setdefault(name_of("/".join(parts[start:]), identifier, author), set()).add(name)
    aliases = {ending: min(names) for ending, names in endings.items() if len(names) == 1 and ending not in steps}
    return History(steps, aliases=aliases)


def name_of(path: str, identifier: str, author: str) -> str:
    """Return what a change set is called here: what makes it one to Liquibase."""
    return f"{path.removeprefix('classpath:').removeprefix('./').lstrip('/')}::{identifier}::{author}"


def _change_sets(file: str, text: str) -> Iterator[_Found]:
    suffix = PurePosixPath(file).suffix.lower()
    if suffix == ".sql" and re.match(r"\s*--\s*liquibase\s+formatted\s+sql", text, re.IGNORECASE):
        for author, identifier, rest in _CHANGE_SET.findall(text):
            logical = re.search(r"logicalFilePath:(\S+)", text.split("\n", 1)[0] + rest)
            yield logical[1] if logical else file, identifier.strip('"'), author.strip('"')
    elif suffix == ".xml":
        yield from _of_xml(file, text)
    elif suffix in (".yaml", ".yml", ".json"):
        yield from (found for document in load_all(text, file) for found in _of_yaml(file, document))


def _of_xml(file: str, text: str) -> Iterator[_Found]:
    found: list[_Found] = []
    logical = [file]

    def start(tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "databaseChangeLog":
            logical[0] = attributes.get("logicalFilePath", file)
        if tag == "changeSet":
            path = attributes.get("logicalFilePath", logical[0])
            found.append((path, attributes.get("id", ""), attributes.get("author", "")))

    def refuse(*_: object) -> None:
        raise InvalidInputError([Problem(file, parser.CurrentLineNumber, "", "has a document type; remove it")])

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise InvalidInputError([Problem(file, error.lineno, "", f"is not XML: {error}")]) from error
    yield from found


def _of_yaml(file: str, document: Yaml) -> Iterator[_Found]:
    entries = document.get("databaseChangeLog") if isinstance(document, dict) else None
    logical = file
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        logical = str(entry.get("logicalFilePath", logical))
        if isinstance(change := entry.get("changeSet"), dict):
            path = str(change.get("logicalFilePath", logical))
            yield path, str(change.get("id", "")), str(change.get("author", ""))
