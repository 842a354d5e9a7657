"""The overlay language: the part of Jinja that says what stands where; everything else is refused on the syntax tree.

What is left cannot grow: each loop, include, literal and joined text is charged to the render's caps.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NoReturn

import jinja2
from jinja2 import nodes, pass_context
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.runtime import Context, Undefined
from jinja2.visitor import NodeTransformer

from layersite.model.document import near_miss
from layersite.model.yaml import Yaml

__all__ = ["FILTERS", "STATE", "State", "restrict", "to_text"]

STATE = "render state"
"""The variable that holds the render's State; no template can spell it."""
_CAPS = {
    "loop iterations": 10_000,
    "includes": 100,
    "values": 20_000,
    "characters": 2**20,
    "characters after YAML aliases": 2**22,
}
_ALLOWED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Include, nodes.CondExpr),
    *(nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Slice, nodes.Keyword),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Concat, nodes.Test, nodes.Filter),
    *(nodes.Getattr, nodes.Getitem),
)
_TAGS: dict[type[nodes.Node], str] = {
    nodes.Assign: "set",
    nodes.AssignBlock: "set",
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.FilterBlock: "filter",
    nodes.With: "with",
    nodes.Block: "block",
    nodes.Extends: "extends",
    nodes.Import: "import",
    nodes.FromImport: "from … import",
    nodes.ScopedEvalContextModifier: "autoescape",
}
_MEND = "write the result out, or keep it out of overlays: they only say what stands where"


@dataclass
class State:
    """What one render has used up so far, and the values it keeps aside, by the number in their token."""

    values: list[Yaml] = field(default_factory=list)
    spent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_CAPS, 0))

    def spend(self, what: str, amount: int) -> None:
        """Charge `amount` to a cap. Raises TemplateRuntimeError once it is used up."""
        self.spent[what] += amount
        if self.spent[what] > _CAPS[what]:
            raise jinja2.TemplateRuntimeError(f"more than {_CAPS[what]:,} {what}; make the overlay smaller")


def to_text(value: Yaml) -> str:
    """Return a scalar as it reads inside a longer string. Raises TemplateRuntimeError for anything else."""
    if isinstance(value, Undefined):
        return str(value)  # raises the error that names the variable
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    kind = {"dict": "map", "tuple": "list"}.get(type(value).__name__, type(value).__name__)
    text = f"a {kind} cannot stand inside text; give it a place of its own, or join its items"
    raise jinja2.TemplateRuntimeError(text)


@pass_context
def _joined(context: Context, values: Iterable[Yaml], separator: str = "") -> str:
    texts = [to_text(value) for value in values]
    between = to_text(separator)
    context[STATE].spend("characters", sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


@pass_context
def _looped(context: Context, values: Iterable[Yaml]) -> list[Yaml]:
    items = list(values)
    context[STATE].spend("loop iterations", len(items))
    return items


@pass_context
def _included(context: Context, name: str) -> str:
    context[STATE].spend("includes", 1)
    return name


@pass_context
def _literal(context: Context, value: Yaml) -> Yaml:
    """Charge a literal with all that it holds: nested loops over `[x, x]` would double it without end."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        context[STATE].spend("values", 1)
        if isinstance(item, (list, tuple)):
            waiting += item
        elif isinstance(item, dict):
            waiting += (*item, *item.values())
        else:
            context[STATE].spend("characters", len(to_text(item)))
    return value


def _changed(change: Callable[[str], str]) -> Callable[[Context, Yaml], str]:
    return pass_context(lambda context, value: change(_joined(context, [value])))


FILTERS = {
    **{name: JINJA_FILTERS[name] for name in ("default", "d", "length", "count", "first", "last", "sort", "unique")},
    **{name: JINJA_FILTERS[name] for name in ("list", "items", "dictsort")},
    "int": lambda value, default=0: JINJA_FILTERS["int"](value, default),
    "join": _joined,
    "lower": _changed(str.lower),
    "upper": _changed(str.upper),
    "trim": _changed(str.strip),
    "string": _changed(str),
    "a loop": _looped,
    "an include": _included,
    "a literal": _literal,
}
_NAMES = frozenset(name for name in FILTERS if " " not in name)


def restrict(tree: nodes.Template, name: str) -> dict[str, int]:
    """Put the caps into `tree` and return the names it includes, each with a line.

    Raises:
        TemplateSyntaxError: it holds what is not part of the overlay language.
    """
    language = _Language(name)
    language.visit(tree)
    return language.includes


class _Language(NodeTransformer):
    """Walks a syntax tree; one method per node that needs more than being allowed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.includes: dict[str, int] = {}

    def visit(self, node: nodes.Node, *args: object, **kwargs: object) -> nodes.Node:
        if not isinstance(node, _ALLOWED):
            self._refuse(node, f"{_construct(node)} is not part of the overlay language; {_MEND}")
        found: nodes.Node = super().visit(node, *args, **kwargs)
        return found

    def _refuse(self, node: nodes.Node, message: str) -> NoReturn:
        raise jinja2.TemplateSyntaxError(message, node.lineno, self.name)

    def _charged(self, node: nodes.Node, by: str) -> nodes.Filter:
        return nodes.Filter(node, by, [], [], None, None, lineno=node.lineno)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802 (jinja2 names the visitor's methods)
        if node.name not in _NAMES or node.dyn_args or node.dyn_kwargs:
            known = ", ".join(sorted(_NAMES))
            mend = near_miss(node.name, _NAMES) or f"; there are {known}"
            self._refuse(node, f"the filter `{node.name}` is not part of the overlay language{mend}")
        return self.generic_visit(node)

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802
        if node.attr.startswith("_"):
            self._refuse(node, f"`.{node.attr}` is not part of the overlay language: names start with a letter")
        return self.generic_visit(node)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        if node.recursive:
            self._refuse(node, f"`recursive` loops are not part of the overlay language; {_MEND}")
        self.generic_visit(node)
        node.iter = self._charged(node.iter, "a loop")
        return node

    def visit_Include(self, node: nodes.Include) -> nodes.Node:  # noqa: N802
        if not isinstance(node.template, nodes.Const) or not isinstance(node.template.value, str):
            self._refuse(node, "an include must name one file in quotes; choose between files with `{% if %}`")
        if node.ignore_missing or not node.with_context:
            self._refuse(node, "`ignore missing` and `without context` are not part of the overlay language")
        self.includes[node.template.value] = node.lineno
        node.template = self._charged(node.template, "an include")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return self._charged(nodes.List(node.nodes, lineno=node.lineno), "join")

    def visit_List(self, node: nodes.List | nodes.Tuple | nodes.Dict) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return node if getattr(node, "ctx", "load") == "store" else self._charged(node, "a literal")

    visit_Tuple = visit_List  # noqa: N815
    visit_Dict = visit_List  # noqa: N815


def _construct(node: nodes.Node) -> str:
    if type(node) in _TAGS:
        return f"`{{% {_TAGS[type(node)]} %}}`"
    if isinstance(node, nodes.Call):
        return "a call (`…()`)"
    if isinstance(node, (nodes.BinExpr, nodes.UnaryExpr)):
        return f"`{node.operator}`"
    return f"`{type(node).__name__.lower()}`"
