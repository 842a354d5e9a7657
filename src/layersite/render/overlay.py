"""Overlays: Jinja files become Kubernetes objects, and no value that they show ever meets the YAML parser.

Each `{{ value }}` is kept aside and leaves a token; the text is parsed; then the tokens in the parsed tree give way to
their values, in one pass. So a value cannot add a key, a document, an anchor or a comment.
"""

import re
import traceback
from collections.abc import Mapping
from pathlib import Path

import jinja2

from layersite.model.document import near_miss
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.yaml import Yaml, load_all
from layersite.render.language import STATE, State, to_text
from layersite.render.sandbox import CLOSE, NO_VARIABLE, OPEN, Sandbox

__all__ = ["OverlaySet"]

_SUFFIX = ".yaml.j2"
_TOKEN = re.compile(f"{OPEN}([0-9]+){CLOSE}")
_FAILURES = (
    *(jinja2.TemplateError, SyntaxError, RecursionError, MemoryError),
    *(TypeError, ValueError, ArithmeticError, LookupError, AttributeError),
)
"""What a template can make Jinja, or the Python that Jinja writes, raise."""


class OverlaySet:
    """The overlays of one app: every `*.yaml.j2` at the top of `folder`, where `_*` is for include only.

    Nothing is read before it is used, and each file only once. `source` names the folder in errors.
    """

    def __init__(self, folder: Path, source: str | None = None) -> None:
        self._folder = folder
        self._source = source or "/".join(folder.parts[-3:])
        self._sandbox = Sandbox(folder, self._source)
        self._templates: dict[str, jinja2.Template] = {}

    @property
    def names(self) -> list[str]:
        """The file names to render, sorted."""
        return sorted(path.name for path in self._folder.glob(f"*{_SUFFIX}") if path.name[0] not in "._")

    def render(self, name: str, variables: Mapping[str, Yaml]) -> list[Yaml]:
        """Return the Kubernetes objects that `name` renders to.

        Raises:
            InvalidInputError: it cannot be read, is not in the overlay language, uses an unknown variable, passes a
                cap, or renders to something else than Kubernetes objects.
        """
        source = f"{self._source}/{name}"
        state = State()
        try:
            text = self._text(name, variables, state)
            documents = [_Filler(state).fill(document) for document in _parse(text, source)]
        except _FAILURES as error:
            raise InvalidInputError([self._problem(source, error, variables)]) from error
        found = [(number, document) for number, document in enumerate(documents, 1) if document is not None]
        for number, document in found:
            _check_object(document, number, source)
        return [document for _, document in found]

    def _text(self, name: str, variables: Mapping[str, Yaml], state: State) -> str:
        if name not in self._templates:
            self._templates[name] = self._sandbox.load(name)
        chunks = []
        for chunk in self._templates[name].generate({**variables, STATE: state}):
            state.spend("characters", len(chunk))
            chunks.append(chunk)
        return "".join(chunks)

    def _problem(self, source: str, error: BaseException, variables: Mapping[str, Yaml]) -> Problem:
        """Place `error` at the innermost template line that it passed through."""
        line = 0
        for frame, number in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename.startswith(f"{self._source}/"):
                source, line = frame.f_code.co_filename, number
        message = str(error)
        if isinstance(error, jinja2.TemplateSyntaxError):
            source, line, message = f"{self._source}/{error.name}", error.lineno, error.message or "not a template"
        elif isinstance(error, (RecursionError, SyntaxError)):
            message = "it is nested too deeply; make it flatter"
        elif message.startswith(NO_VARIABLE):
            message += near_miss(message.removeprefix(NO_VARIABLE).strip("`"), variables)
        return Problem(source, line, "", message)


def _parse(text: str, source: str) -> list[Yaml]:
    try:
        return load_all(text, source)
    except InvalidInputError as error:
        problem = error.problems[0]
        lines = text.split("\n")[problem.line - 1 : problem.line] if problem.line else []
        message = "".join(
            [problem.message, *(f"; once rendered, line {problem.line} is `{line[:80]}`" for line in lines)]
        )
        raise InvalidInputError([Problem(source, 0, "", _TOKEN.sub("{{ … }}", message))]) from error


class _Filler:
    """Replaces tokens by values; a value that holds what looks like a token is left alone."""

    def __init__(self, state: State) -> None:
        self._state = state

    def fill(self, node: Yaml) -> Yaml:
        """Return a copy of the parsed `node` with every token replaced."""
        if isinstance(node, str):
            whole = _TOKEN.fullmatch(node)
            return self._plain(self._value(whole)) if whole else self._filled_text(node)
        self._charge(node)
        if isinstance(node, dict):
            return self._filled_map(node)
        if isinstance(node, list):
            return [self.fill(item) for item in node]
        if node is None or isinstance(node, (int, float)):
            return node
        raise jinja2.TemplateRuntimeError(f"{node!r} is no value of Kubernetes; leave its YAML tag out and quote it")

    def _filled_map(self, node: Yaml) -> Yaml:
        result = {}
        for key, value in node.items():
            name = self._filled_text(key) if isinstance(key, str) else key
            if name in result:
                raise jinja2.TemplateRuntimeError(f"the key {name!r} stands here twice once rendered")
            result[name] = self.fill(value)
        return result

    def _filled_text(self, text: str) -> str:
        filled = _TOKEN.sub(lambda token: to_text(self._value(token)), text) if OPEN in text else text
        self._charge(filled)
        return filled

    def _value(self, token: re.Match[str]) -> Yaml:
        return self._state.values[int(token[1])]

    def _plain(self, value: Yaml) -> Yaml:
        """Return a copy of `value` that shares nothing with the variables."""
        self._charge(value)
        if isinstance(value, dict):
            return {to_text(key): self._plain(child) for key, child in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._plain(item) for item in value]
        to_text(value)
        return value

    def _charge(self, value: Yaml) -> None:
        self._state.spend("characters after YAML aliases", 1 + (len(value) if isinstance(value, str) else 0))


def _check_object(document: Yaml, number: int, source: str) -> None:
    """Refuse a document that does not say which object it is."""
    match document:
        case {"apiVersion": str(), "kind": str(), "metadata": {"name": str()}}:
            return
    text = f"document {number} is not a Kubernetes object; it needs `apiVersion`, `kind` and `metadata.name` as text"
    raise InvalidInputError([Problem(source, 0, "", text)])
