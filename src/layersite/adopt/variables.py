"""Compose's variables: read from an env file and put in place of `${NAME}`, never from this process's environment."""

import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import expandvars
from dotenv.parser import parse_stream

from layersite.model.errors import InvalidInputError, Problem
from layersite.model.yaml import Yaml

__all__ = ["interpolate", "interpolate_all", "read_env_file", "unset_variables"]

_DOLLAR = "\ue000"
"""Stands for `$$`, which means one dollar sign, while the library looks for variables."""
_EMPTY_IS_SET = re.compile(r"\$\{(\w+)([-?+])([^${}]*)\}")
_PLAIN = re.compile(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))")


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Fill in `$NAME`, `${NAME}` and the forms with `:-`, `-`, `:?`, `?`, `:+` and `+`; `$$` is a dollar sign.

    Raises:
        ValueError: a brace is missing, or a variable that the text demands is not set. Values are never named.
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


def interpolate_all(value: Yaml, variables: Mapping[str, str]) -> Yaml:
    """Interpolate every text below `value`, keys excepted. Raises ValueError."""
    if isinstance(value, dict):
        return {key: interpolate_all(child, variables) for key, child in value.items()}
    if isinstance(value, list):
        return [interpolate_all(child, variables) for child in value]
    return interpolate(value, variables) if isinstance(value, str) and "$" in value else value


def unset_variables(value: Yaml, variables: Mapping[str, str]) -> set[str]:
    """Return the names that a text below `value` uses without a default and that `variables` lacks."""
    if isinstance(value, (dict, list)):
        children = value.values() if isinstance(value, dict) else value
        return {name for child in children for name in unset_variables(child, variables)}
    found = _PLAIN.findall(value.replace("$$", "")) if isinstance(value, str) else []
    return {braced or bare for braced, bare in found} - variables.keys()


def read_env_file(path: Path, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of a `.env` file, each able to use `known` and those above it; single quotes are literal.

    Raises:
        InvalidInputError: it cannot be read, or a line is no `NAME=value`.
    """
    variables: dict[str, str] = {}
    try:
        bindings = list(parse_stream(StringIO(path.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError) as error:
        text = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise InvalidInputError([Problem(path.name, 0, "", text)]) from error
    for binding in bindings:
        if binding.error:
            raise InvalidInputError([Problem(path.name, binding.original.line, "", "is no `NAME=value`")])
        if binding.key is None or binding.value is None:
            continue
        is_literal = re.search(r"=\s*'", binding.original.string) is not None
        try:
            seen = {**(known or {}), **variables}
            variables[binding.key] = binding.value if is_literal else interpolate(binding.value, seen)
        except ValueError as error:
            raise InvalidInputError([Problem(path.name, binding.original.line, binding.key, str(error))]) from error
    return variables
