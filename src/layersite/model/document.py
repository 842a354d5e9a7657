"""Parse a YAML file into a model once; of a bad one, say where, which key, which value, and what was likely meant."""

import difflib
import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core.core_schema import CoreSchema, no_info_after_validator_function

from layersite.model.errors import InvalidInputError, Problem
from layersite.model.yaml import Yaml, load_nodes

__all__ = ["Document", "Label", "Many", "Matching", "Model", "near_miss", "read_document"]

Key = str | int


class Model(BaseModel):
    """The base of every model: frozen, unknown keys refused, nothing converted in silence."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, strict=True, use_attribute_docstrings=True
    )


M = TypeVar("M", bound=Model)
T = TypeVar("T")
Many = Annotated[tuple[T, ...], Field(strict=False)]
"""A list in the file, a tuple inside: models are frozen all the way down."""


@dataclass(frozen=True)
class Matching:
    """Text of at most `limit` characters that matches `pattern` (ECMA 262, for editors too), which `what` says."""

    pattern: str
    what: str
    limit: int = 255

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check after pydantic has made sure that it is text."""
        return no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Tell editors the same rule."""
        return {**handler(schema), "pattern": self.pattern, "maxLength": self.limit}

    def _check(self, text: str) -> str:
        if len(text) > self.limit or not re.search(self.pattern, text) or "\n" in text:
            raise ValueError(f"must be {self.what}, at most {self.limit} characters")
        return text


Label = Annotated[str, Matching(r"^[a-z0-9]+(-[a-z0-9]+)*$", "lower-case letters, digits and single hyphens", 63)]


def near_miss(name: str, known: Iterable[str]) -> str:
    """Return `, did you mean …?` with the names of `known` most like `name`, or the empty string."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.7)
    return f", did you mean {' or '.join(f'`{match}`' for match in close)}?" if close else ""


class Document:
    """One YAML document with the line of every key; turns into models and places problems."""

    def __init__(self, source: str, node: yaml.Node, data: Yaml) -> None:
        self.source = source
        self.data = data
        self._lines: dict[tuple[Key, ...], int] = {}
        self._index(node, ())

    def _index(self, node: yaml.Node, path: tuple[Key, ...]) -> None:
        self._lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._lines[(*path, key.value)] = key.start_mark.line + 1
                self._index(value, (*path, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._index(value, (*path, index))

    def problem(self, path: tuple[Key, ...], message: str) -> Problem:
        """Place `message` at `path`, or at its nearest ancestor that is written in the file."""
        known = path
        while known and known not in self._lines:
            known = known[:-1]
        return Problem(self.source, self._lines.get(known, 0), ".".join(map(str, path)), message)

    def parse(self, model: type[M]) -> M:
        """Return the document as `model`.

        Raises:
            InvalidInputError: with every problem, each at its line.
        """
        if not isinstance(self.data, dict):
            raise InvalidInputError([self.problem((), f"expected keys and values, found {_show(self.data)}")])
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            raise InvalidInputError(self._explain(model, dict(found)) for found in error.errors()) from error

    def _explain(self, model: type[Model], found: Mapping[str, Any]) -> Problem:
        path = self._written(found["loc"], found["type"])
        if found["type"] == "extra_forbidden":
            return self.problem(path, f"unknown key{near_miss(str(path[-1]), _keys_at(model, path[:-1]))}")
        if found["type"] == "missing":
            return self.problem(path, "this key is needed")
        message = found["msg"].removeprefix("Value error, ")
        message = message[0].lower() + message[1:]
        return self.problem(path, f"{_show(found['input'])}: {message}{_hint(found)}")

    def _written(self, location: tuple[Key, ...], kind: str) -> tuple[Key, ...]:
        """Return `location` without what is no key of the document, such as which member of a union was tried."""
        path: list[Key] = []
        inside = self.data
        for index, step in enumerate(location):
            is_list = isinstance(inside, list) and isinstance(step, int)
            if is_list or (isinstance(inside, dict) and step in inside):
                path.append(step)
                inside = inside[step]
            elif kind == "missing" and index == len(location) - 1:
                path.append(step)
        return tuple(path)


def _show(value: Yaml) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _hint(found: Mapping[str, Any]) -> str:
    if found["type"] == "string_type" and isinstance(found["input"], (int, float, bool)):
        return "; put it in quotes"
    if found["type"] in {"literal_error", "enum"} and isinstance(found["input"], str):
        return near_miss(found["input"], found["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", "))
    return ""


def _keys_at(model: type[Model], path: tuple[Key, ...]) -> list[str]:
    """Return the keys that `model` allows at `path`, following fields, lists and dicts."""
    annotation: Any = model
    for step in path:
        arguments = [a for a in typing.get_args(annotation) if a not in (types.NoneType, Ellipsis)]
        if typing.get_origin(annotation) in (typing.Union, types.UnionType):
            annotation = arguments[0]
            arguments = list(typing.get_args(annotation))
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            fields = {field.alias or name: field for name, field in annotation.model_fields.items()}
            annotation = fields[str(step)].annotation
        elif arguments:
            annotation = arguments[-1] if isinstance(step, str) else arguments[0]
    arguments = [a for a in typing.get_args(annotation) if isinstance(a, type) and issubclass(a, BaseModel)]
    target = arguments[0] if arguments and not isinstance(annotation, type) else annotation
    if isinstance(target, type) and issubclass(target, BaseModel):
        return [field.alias or name for name, field in target.model_fields.items()]
    return []


def read_document(path: Path, source: str | None = None, text: str | None = None) -> Document:
    """Read `path` (or `text` as if it stood there), which holds exactly one YAML document.

    Raises:
        InvalidInputError: it cannot be read, is not UTF-8, is not YAML, or holds more than one document.
    """
    name = source or str(path)
    try:
        content = path.read_text(encoding="utf-8") if text is None else text
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError([Problem(name, 0, "", f"cannot be read: {error}")]) from error
    documents = load_nodes(content, name)
    if len(documents) != 1:
        raise InvalidInputError([Problem(name, 0, "", f"expected one YAML document, found {len(documents)}")])
    return Document(name, *documents[0])
