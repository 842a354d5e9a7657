"""Jinja without Python: no globals, no attributes, no file outside one folder, and every template checked first."""

from collections.abc import Callable
from pathlib import Path
from types import CodeType

import jinja2
from jinja2.runtime import Context, LoopContext, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from layersite.model.document import near_miss
from layersite.model.yaml import Yaml
from layersite.render.language import FILTERS, STATE, State, restrict, to_text

__all__ = ["CLOSE", "NO_VARIABLE", "OPEN", "Sandbox"]

OPEN, CLOSE = "\ue000", "\ue001"
"""The private-use characters around the number of a value that is kept aside."""
NO_VARIABLE = "there is no variable "
_MAX_BYTES = 256 * 1024


class Sandbox(ImmutableSandboxedEnvironment):
    """Compiles the templates of `folder`; `source` names it in errors. Raises jinja2.TemplateError only."""

    def __init__(self, folder: Path, source: str) -> None:
        super().__init__(
            loader=_Loader(folder, source),
            undefined=_Undefined,
            finalize=_keep_aside,
            autoescape=False,
            auto_reload=False,
            optimized=False,
            keep_trailing_newline=True,
            cache_size=-1,
        )
        self.globals.clear()
        self.filters = dict(FILTERS)
        self._includes: dict[str, dict[str, int]] = {}

    def load(self, name: str, above: tuple[str, ...] = ()) -> jinja2.Template:
        """Return the template `name` once all that it includes is compiled too; refuse a cycle."""
        template = self.get_template(name)
        for include, line in sorted(self._includes[name].items()):
            if include in (*above, name):
                cycle = " -> ".join((*above, name, include))
                raise jinja2.TemplateSyntaxError(f"the includes form a cycle: {cycle}", line, name)
            try:
                self.load(include, (*above, name))
            except jinja2.TemplateNotFound as error:
                message = f"cannot include `{include}`: {error.message}"
                raise jinja2.TemplateSyntaxError(message, line, name) from error
        return template

    def compile(  # type: ignore[override]  # the loader, its only caller, gives text and names
        self, source: str, name: str, filename: str
    ) -> CodeType:
        """Check the syntax tree of `source` before Jinja turns it into Python."""
        tree = self.parse(source, name, filename)
        self._includes[name] = restrict(tree, name)
        return super().compile(tree, name, filename)

    def getattr(self, obj: Yaml, attribute: str) -> Yaml:
        """Return the item `attribute` of a map; only `loop` has attributes."""
        return super().getattr(obj, attribute) if isinstance(obj, LoopContext) else self.getitem(obj, attribute)

    def getitem(self, obj: Yaml, argument: Yaml) -> Yaml:
        """Return an item of a map, list or text, or what is undefined; never an attribute."""
        if isinstance(obj, Undefined):
            str(obj)  # raises the error that names what is undefined
        try:
            return (
                obj[argument] if isinstance(obj, (dict, list, tuple, str)) else self.undefined(obj=obj, name=argument)
            )
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=argument)


class _Undefined(StrictUndefined):
    """Names the variable or key that is missing, and what was likely meant."""

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        if self._undefined_obj is missing:
            return f"{NO_VARIABLE}`{self._undefined_name}`"
        known = self._undefined_obj if isinstance(self._undefined_obj, dict) else ()
        return f"there is no `{self._undefined_name}` here{near_miss(str(self._undefined_name), map(str, known))}"


class _Loader(jinja2.BaseLoader):
    """Reads templates from one folder, and never what a name or a symbolic link reaches outside of it."""

    def __init__(self, folder: Path, source: str) -> None:
        self._folder = folder
        self._source = source

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool] | None]:
        """Return the text of `template` and its name in errors."""
        path = self._folder / template
        if "\0" in template or not path.resolve().is_relative_to(self._folder.resolve()):
            raise jinja2.TemplateNotFound(template, "it lies outside the app's `overlays` folder")
        if not path.is_file():
            known = [file.relative_to(self._folder).as_posix() for file in self._folder.rglob("*.j2")]
            raise jinja2.TemplateNotFound(template, f"there is no such file in `overlays`{near_miss(template, known)}")
        text = _text(path, template)
        if OPEN in text or CLOSE in text:
            message = "it holds the private-use character U+E000 or U+E001; remove it"
            raise jinja2.TemplateSyntaxError(message, 0, template)
        return text, f"{self._source}/{template}", None


def _text(path: Path, name: str) -> str:
    if path.stat().st_size > _MAX_BYTES:
        raise jinja2.TemplateSyntaxError(f"it is larger than {_MAX_BYTES // 1024} KiB; split it", 0, name)
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"it is not UTF-8: {error.reason} at byte {error.start}"
        raise jinja2.TemplateSyntaxError(message, 0, name) from error


@jinja2.pass_context
def _keep_aside(context: Context, value: Yaml) -> str:
    """Keep `value` and return its token; taking the context keeps Jinja from running this at compile time."""
    state: State = context[STATE]
    if not isinstance(value, (dict, list, tuple)):
        to_text(value)
    state.spend("values", 1)
    state.values.append(value)
    return f"{OPEN}{len(state.values) - 1}{CLOSE}"
