"""Read a compose file: its variables filled in, checked against the Compose Specification.

Variables come from env files, never from this process's environment. The schema beside this module is compose-go
v2.16.2's, Apache-2.0; see README.md.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path

import expandvars
import jsonschema_rs
import yaml
from dotenv.parser import parse_stream

from layersite.adopt.objects import read_text, refused, walk
from layersite.adopt.result import Log
from layersite.model.document import Document
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.yaml import Yaml, load_nodes

__all__ = ["Composition", "read_composition", "read_env_file"]

_DOLLAR = "\ue000"
"""Stands for `$$`, which means one dollar sign, while the library looks for variables."""
_EMPTY_IS_SET = re.compile(r"\$\{(\w+)([-?+])([^${}]*)\}")
_PLAIN = re.compile(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))")
_MERGE_TAG = re.compile(r"([:-]\s+)!(?:override|reset)(?!\S)")
_MERGED = "pass the merged output of `docker compose config` instead"


@dataclass(frozen=True)
class Composition:
    """A valid compose file whose variables are filled in; `variables` are those from outside."""

    document: Document
    folder: Path
    variables: Mapping[str, str]
    log: Log

    def note(self, text: str) -> None:
        """Tell people."""
        self.log.notes.add(f"{self.document.source}: {text}")


def read_composition(path: Path, env_file: Path | None, log: Log) -> Composition:
    """Read the compose file at `path`, with the variables of `env_file`, else of a `.env` beside it.

    Raises InvalidInputError with every problem where it is not valid, or says only in part what to run.
    """
    beside = path.with_name(".env")
    variables = read_env_file(env_file or beside, {}) if env_file or beside.is_file() else {}
    document = _parse(path)
    if not isinstance(document.data, dict):
        raise InvalidInputError([document.problem((), "expected the keys of a compose file, such as `services`")])
    composition = Composition(document, path.parent, variables, log)
    for name in {name for _, text in walk(document.data.get("services")) for name in _unset(text, variables)}:
        composition.note(f"`{name}` is not set: an empty text takes its place, as in compose")
    document.data = _filled_in(document, document.data, (), variables)
    problems = list(_problems(document))
    if problems:
        raise InvalidInputError(problems)
    for other in path.parent.glob(f"{path.stem}.override.y*ml"):
        composition.note(f"{other.name} beside it is not merged; {_MERGED}")
    return composition


def _parse(path: Path) -> Document:
    """Parse the file as Compose does: merge tags are dropped, and `yes`, `no`, `on`, `off` are text."""
    text = _MERGE_TAG.sub(r"\1", read_text(path, path.name))
    documents = load_nodes(text, path.name)
    if len(documents) != 1:
        raise refused(path.name, f"expected one YAML document, found {len(documents)}")
    node, data = documents[0]
    return Document(path.name, node, _as_compose(node, data))


def _as_compose(node: yaml.Node, data: Yaml) -> Yaml:
    if isinstance(node, yaml.MappingNode):
        return {key.value: _as_compose(child, data[key.value]) for key, child in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_as_compose(child, value) for child, value in zip(node.value, data, strict=True)]
    return node.value if isinstance(data, bool) and node.value.lower() not in ("true", "false") else data


def _unset(text: Yaml, variables: Mapping[str, str]) -> set[str]:
    """Return the variables that `text` uses without a default and that are not set."""
    found = _PLAIN.findall(text.replace("$$", "")) if isinstance(text, str) else []
    return {braced or bare for braced, bare in found} - variables.keys()


def _filled_in(document: Document, value: Yaml, path: tuple[str | int, ...], variables: Mapping[str, str]) -> Yaml:
    """Interpolate every text below `value`, which stands at `path`, keys excepted."""
    if isinstance(value, dict):
        return {key: _filled_in(document, child, (*path, key), variables) for key, child in value.items()}
    if isinstance(value, list):
        return [_filled_in(document, child, (*path, index), variables) for index, child in enumerate(value)]
    if not isinstance(value, str) or "$" not in value:
        return value
    try:
        return _interpolated(value, variables)
    except ValueError as error:
        raise InvalidInputError([document.problem(path, str(error))]) from error


def _interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Fill in `$NAME`, `${NAME}` and the forms with `:-`, `-`, `:?`, `?`, `:+` and `+`; `$$` is a dollar sign.

    Raises ValueError, which names no value, where a brace is missing or a variable that the text demands is not set.
    """

    def without_colon(match: re.Match[str]) -> str:
        # expandvars treats an empty variable as unset in these three forms; Compose does not.
        if variables.get(match[1]) != "":
            return match[0]
        return match[3] if match[2] == "+" else ""

    prepared = _EMPTY_IS_SET.sub(without_colon, text.replace("$$", _DOLLAR))
    try:
        expanded = expandvars.expand(prepared, environ=dict(variables), escape_char="")
    except expandvars.ParameterNullOrNotSet as error:
        raise ValueError(f"a variable that must be set is not: {error.args[0]}; set it in the env file") from None
    except (expandvars.ExpandvarsException, ValueError):
        raise ValueError("holds a variable that cannot be read; is a brace missing, or `$$` meant?") from None
    return str(expanded).replace(_DOLLAR, "$")


def read_env_file(path: Path, known: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a `.env` file, each able to use `known` and those above it. Raises InvalidInputError."""
    variables: dict[str, str] = {}
    for binding in parse_stream(StringIO(read_text(path, path.name))):
        text, line = binding.original
        value = binding.value
        if binding.error:
            raise refused(path.name, "is no `NAME=value`", line)
        if binding.key is None or value is None:
            continue
        is_literal = re.search(r"=\s*'", text)
        try:
            variables[binding.key] = value if is_literal else _interpolated(value, {**known, **variables})
        except ValueError as error:
            raise refused(path.name, str(error), line, binding.key) from error
    return variables


@cache
def _schema() -> jsonschema_rs.Validator:
    text = Path(__file__).with_name("compose-spec.json").read_text(encoding="utf-8")
    return jsonschema_rs.validator_for(text, mask="the value")


def _problems(document: Document) -> Iterator[Problem]:
    errors = [(tuple(error.instance_path), error.message) for error in _schema().iter_errors(document.data)]
    for path, message in errors:
        # A service with one bad key has all its keys "unevaluated" too; the deeper error is the one that helps.
        if not any(len(other) > len(path) and other[: len(path)] == path for other, _ in errors):
            yield document.problem(path, message)
    if not errors:
        yield from _missing_parts(document)


def _missing_parts(document: Document) -> Iterator[Problem]:
    """Yield what a valid file leaves to other files, which are not read."""
    services = document.data.get("services", {})
    bare = [name for name, service in services.items() if not service.keys() & {"image", "build", "extends"}]
    if not services:
        yield document.problem(("services",), "holds no service")
    if "include" in document.data:
        yield document.problem(("include",), f"other files are not read; {_MERGED}")
    if bare and len(bare) == len(services):
        text = f"no service has an `image` or a `build`: this is an override file of another one; {_MERGED}"
        yield document.problem(("services",), text)
        return
    for name, service in services.items():
        if name in bare:
            yield document.problem(("services", name), f"has neither `image` nor `build`; {_MERGED}")
        if "extends" in service:
            yield document.problem(("services", name, "extends"), f"is not followed; {_MERGED}")
