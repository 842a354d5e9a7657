"""YAML in and out: read as Kubernetes' own parser reads it, written so that every parser reads the same values.

Reading follows sigs.k8s.io/yaml (go-yaml v2), not YAML 1.1 as PyYAML has it: `0644` is octal, `1e3` a float, `on` a
boolean, but `12:30` and dates are strings. Writing quotes every string that any YAML version could read as something
else; ryaml and PyYAML both leave some of those plain (`no`, `1e3`).
"""

import json
import re
from collections.abc import Iterable
from json.encoder import encode_basestring
from math import isfinite
from typing import Any

import yaml

from layersite.model.errors import InvalidInputError, Problem

__all__ = ["Yaml", "dump", "dump_all", "load_all", "load_nodes"]

_TAG = "tag:yaml.org,2002:"
_MAX_NODES = 200_000
"""Nodes that one file may expand to, aliases counted each time: a bomb of 236 bytes expands to 28 MB."""

_MAX_DEPTH = 200

Yaml = Any
"""A parsed YAML value: dict, list, str, int, float, bool or None. Kubernetes objects have no tighter type."""


class _Loader(yaml.CSafeLoader):
    """A safe loader with go-yaml's idea of what a plain scalar means."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    (
        "bool",
        r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
        "yYnNtTfFoO",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
    ("int", r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?", "-+0123456789."),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
):
    _Loader.add_implicit_resolver(_TAG + _tag, re.compile(rf"(?:{_pattern})\Z"), list(_first))


def _construct_bool(loader: _Loader, node: yaml.ScalarNode) -> bool:
    return node.value.lower() in {"y", "yes", "true", "on"}


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = node.value.replace("_", "")
    octal = re.fullmatch(r"([-+]?)0o?([0-7]+)", text)
    return int(octal[1] + octal[2], 8) if octal else int(text, 0)


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(node.value.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor(_TAG + "bool", _construct_bool)
_Loader.add_constructor(_TAG + "int", _construct_int)
_Loader.add_constructor(_TAG + "float", _construct_float)


_SCALARS = {_TAG + name for name in ("str", "int", "float", "bool", "null", "merge")}
_TAGS = {yaml.ScalarNode: _SCALARS, yaml.SequenceNode: {_TAG + "seq"}, yaml.MappingNode: {_TAG + "map"}}


def _inspect(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Refuse what no plain data holds, make every key text, and return the size of `node` with aliases expanded.

    This takes time linear to the nodes that are written down. PyYAML itself would keep the last of two equal keys in
    silence, and merges `<<` in place, so it must happen before values are made.
    """
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise yaml.YAMLError("an alias refers to the node that it stands in")
        return sizes[id(node)]
    sizes[id(node)] = 0
    if node.tag not in _TAGS[type(node)]:
        raise yaml.MarkedYAMLError(problem=f"the tag {node.tag!r} has no meaning here", problem_mark=node.start_mark)
    children: Iterable[yaml.Node] = ()
    if isinstance(node, yaml.SequenceNode):
        children = node.value
    elif isinstance(node, yaml.MappingNode):
        _make_keys_text(node)
        children = [child for pair in node.value for child in pair]
    sizes[id(node)] = 1 + sum(_inspect(child, sizes) for child in children)
    return sizes[id(node)]


def _make_keys_text(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != _TAG + "merge":
            if key.value in seen:
                text = f"the key {key.value!r} stands here twice"
                raise yaml.MarkedYAMLError(problem=text, problem_mark=key.start_mark)
            seen.add(key.value)
            key.tag = _TAG + "str"


def _check_depth(text: str) -> None:
    """Refuse nesting that would overflow the C stack of PyYAML, which crashes the process."""
    if sum(map(text.count, "[{-?:")) < 5_000:
        return
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise yaml.YAMLError(f"it is nested more than {_MAX_DEPTH} deep; make it flatter")


def load_nodes(text: str, source: str) -> list[tuple[yaml.Node, Yaml]]:
    """Parse every document of `text` into its node tree (which knows lines) and its value.

    Raises:
        InvalidInputError: `text` is not YAML, repeats a key, or expands to more than 200,000 nodes.
    """
    documents = []
    try:
        _check_depth(text)
        loader = _Loader(text)
        while loader.check_node() and (node := loader.get_node()) is not None:
            if _inspect(node, {}) > _MAX_NODES:
                raise yaml.YAMLError(f"its aliases expand to more than {_MAX_NODES:,} nodes; write it out shorter")
            documents.append((node, loader.construct_document(node)))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        text = getattr(error, "problem", None) or str(error).split("\n")[0]
        line = mark.line + 1 if mark else 0
        raise InvalidInputError([Problem(source, line, "", f"not valid YAML: {text}")]) from error
    return documents


def load_all(text: str, source: str) -> list[Yaml]:
    """Parse every document of `text`; `source` is named in errors. Raises InvalidInputError."""
    return [value for _, value in load_nodes(text, source)]


_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*\Z")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_BLOCK = re.compile(r"(?![ \t\n])[\t\x20-\x7e\n\u00a0-\u2027\u202a-\ud7ff]*[\x21-\x7e\u00a1-\u2027\u202a-\ud7ff]\n\Z")
"""Text that a literal block holds unchanged: printable, no leading space, exactly one final newline."""


def _scalar(value: Yaml) -> str:
    if isinstance(value, str):
        if _PLAIN.match(value) and value.lower() not in _WORDS:
            return value
        return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", encode_basestring(value))
    if isinstance(value, float):
        return repr(value) if isfinite(value) else str(value).replace("inf", ".inf").replace("nan", ".nan")
    return json.dumps(value)


def _indent(lines: list[str]) -> list[str]:
    return [f"  {line}" if line else line for line in lines]


def _block(value: Yaml) -> list[str]:
    """Return `value`'s lines in block style, keys sorted, not indented."""
    lines: list[str] = []
    if isinstance(value, dict) and value:
        for key in sorted(value):
            child, name = value[key], _scalar(key)
            if isinstance(child, (dict, list)) and child:
                lines += [f"{name}:", *_indent(_block(child))]
            elif isinstance(child, str) and _BLOCK.match(child):
                lines += [f"{name}: |", *_indent(child[:-1].split("\n"))]
            else:
                lines.append(f"{name}: {_scalar(child)}")
    elif isinstance(value, list) and value:
        for child in value:
            first, *rest = _block(child)
            lines += [f"- {first}", *_indent(rest)]
    else:
        lines.append(_scalar(value))
    return lines


def dump(value: Yaml) -> str:
    """Write one document: sorted keys, two spaces, stable bytes, every ambiguous string quoted."""
    return "\n".join(["---", *_block(value), ""])


def dump_all(values: Iterable[Yaml]) -> str:
    """Write several documents, each behind its `---`."""
    return "".join(dump(value) for value in values)
