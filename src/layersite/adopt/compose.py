"""Read a compose file: variables filled in, checked against the Compose Specification, its services ready to convert.

The schema beside this module is compose-go v2.16.2's, Apache-2.0; see README.md.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import jsonschema_rs
import yaml

from layersite.adopt.composition import Composition
from layersite.adopt.convert import convert
from layersite.adopt.objects import Item, read_text
from layersite.adopt.result import Edge, Log
from layersite.adopt.variables import interpolate_all, read_env_file, unset_variables
from layersite.model.document import Document, read_document
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.yaml import Yaml, load_nodes

__all__ = ["read_compose"]

_MERGED = "pass the merged output of `docker compose config` instead"


def read_compose(path: Path, env_file: Path | None, log: Log) -> tuple[list[Item], list[Edge]]:
    """Read the compose file at `path`, with the variables of `env_file`, else of a `.env` beside it.

    Raises:
        InvalidInputError: it is not valid, or says only in part what to run; with every problem.
    """
    name = path.name
    beside = path.with_name(".env")
    variables = read_env_file(env_file or beside) if env_file or beside.is_file() else {}
    document = _document(path)
    if not isinstance(document.data, dict):
        raise InvalidInputError([document.problem((), "expected the keys of a compose file, such as `services`")])
    unset = unset_variables(_services(document.data), variables)
    try:
        data = interpolate_all(document.data, variables)
    except ValueError as error:
        raise InvalidInputError([document.problem((), str(error))]) from error
    problems = list(_problems(data, document))
    if problems:
        raise InvalidInputError(problems)
    lines = {service: document.problem(("services", service), "").line for service in data["services"]}
    for variable in unset:
        log.notes.add(f"{name}: `{variable}` is not set: an empty text takes its place, as in compose")
    for other in path.parent.glob(f"{path.stem}.override.y*ml"):
        log.notes.add(f"{name}: {other.name} beside it is not merged; {_MERGED}")
    return convert(Composition(data, name, lines, variables, _env_files(data, path, variables, log), log))


def _document(path: Path) -> Document:
    """Parse the file as Compose does: merge tags are dropped, and `yes`, `no`, `on`, `off` are text."""
    text = _without_merge_tags(read_text(path, path.name))
    data = read_document(path, path.name, text).data
    node, _ = load_nodes(text, path.name)[0]
    return Document(path.name, node, _as_compose(node, data))


def _without_merge_tags(text: str) -> str:
    if "!override" not in text and "!reset" not in text:
        return text
    try:
        tokens = [token for token in yaml.scan(text) if isinstance(token, yaml.TagToken)]
    except yaml.YAMLError:
        return text  # the reader says what is wrong, and where
    for token in reversed(tokens):
        if token.value in (("!", "override"), ("!", "reset")):
            text = text[: token.start_mark.index] + text[token.end_mark.index :]
    return text


def _as_compose(node: yaml.Node, data: Yaml) -> Yaml:
    if isinstance(node, yaml.MappingNode):
        children = {key.value: child for key, child in node.value}
        return {key: _as_compose(child, data[key]) for key, child in children.items()}
    if isinstance(node, yaml.SequenceNode):
        return [_as_compose(child, value) for child, value in zip(node.value, data, strict=True)]
    return node.value if isinstance(data, bool) and node.value.lower() not in ("true", "false") else data


@cache
def _schema() -> jsonschema_rs.Validator:
    text = Path(__file__).with_name("compose-spec.json").read_text(encoding="utf-8")
    return jsonschema_rs.validator_for(text, mask="the value")


def _services(data: Yaml) -> Mapping[str, Yaml]:
    services = data.get("services")
    return services if isinstance(services, dict) else {}


def _problems(data: Yaml, document: Document) -> Iterator[Problem]:
    errors = [(tuple(error.instance_path), error.message) for error in _schema().iter_errors(data)]
    paths = [path for path, _ in errors]
    for path, message in errors:
        # A service with one bad key has all its keys "unevaluated" too; the deeper error is the one that helps.
        if not any(len(other) > len(path) and other[: len(path)] == path for other in paths):
            yield document.problem(path, message)
    if errors:
        return
    services = _services(data)
    if not services:
        yield document.problem(("services",), "holds no service")
    if "include" in data:
        yield document.problem(("include",), f"other files are not read; {_MERGED}")
    bare = [name for name, service in services.items() if not _says_what_to_run(service)]
    if bare and len(bare) == len(services):
        text = f"no service has an `image` or a `build`: this is an override file of another one; {_MERGED}"
        yield document.problem(("services",), text)
        return
    for name, service in services.items():
        if name in bare:
            yield document.problem(("services", name), f"has neither `image` nor `build`; {_MERGED}")
        if service and "extends" in service:
            yield document.problem(("services", name, "extends"), f"is not followed; {_MERGED}")


def _says_what_to_run(service: Yaml) -> bool:
    return bool(service) and any(key in service for key in ("image", "build", "extends"))


def _env_paths(service: Yaml) -> list[str]:
    entries = service.get("env_file") or []
    listed = [entries] if isinstance(entries, str) else entries
    return [entry if isinstance(entry, str) else entry["path"] for entry in listed]


def _env_files(data: Yaml, path: Path, variables: Mapping[str, str], log: Log) -> dict[str, dict[str, str]]:
    """Return the variables that each service gets from its own env files; a file that is not there gives none."""
    found: dict[str, dict[str, str]] = {}
    for name, service in data["services"].items():
        for entry in _env_paths(service):
            if (path.parent / entry).is_file():
                found.setdefault(name, {}).update(read_env_file(path.parent / entry, variables))
            else:
                log.leave_out(path.name, f"env_file {entry}", "the file is not there", name)
    return found
