"""Write the reference pages that follow from the code, so that they cannot fall behind it."""

from collections.abc import Iterator
from pathlib import Path

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from layersite.cli import main as cli
from layersite.database.fixtures import Fixtures
from layersite.model.app import App
from layersite.model.contract import Contract
from layersite.model.environment import Environment, Tombstone
from layersite.model.site import Site

FOLDER = Path(__file__).parent / "reference"
FILES: dict[str, type[BaseModel]] = {
    "layersite.yaml": Site,
    "apps/&lt;app&gt;/app.yaml": App,
    "data/&lt;database&gt;/contract.yaml": Contract,
    "data/&lt;database&gt;/fixtures.yaml": Fixtures,
    "environments/&lt;2 hex&gt;/&lt;name&gt;/environment.yaml": Environment,
    "environments/&lt;2 hex&gt;/&lt;name&gt;/tombstone.yaml": Tombstone,
}


def command_page() -> str:
    """Return the page of all commands, as `--help` prints them."""
    context = click.Context(cli, info_name="layersite", max_content_width=100, terminal_width=100)
    parts = ["# Commands\n\nWritten from the program's own help.\n", f"```text\n{cli.get_help(context)}\n```\n"]
    for name in sorted(cli.commands):
        command = cli.commands[name]
        inner = click.Context(command, info_name=name, parent=context, max_content_width=100, terminal_width=100)
        parts.append(f"## {name}\n\n```text\n{command.get_help(inner)}\n```\n")
        if isinstance(command, click.Group):
            parts += [_part(name, each, inner) for each in sorted(command.commands.items())]
    return "\n".join(parts)


def _part(group: str, named: tuple[str, click.Command], parent: click.Context) -> str:
    name, command = named
    context = click.Context(command, info_name=name, parent=parent, max_content_width=100, terminal_width=100)
    return f"### {group} {name}\n\n```text\n{command.get_help(context)}\n```\n"


def file_page() -> str:
    """Return the page of all files: each key with its type, default and meaning."""
    parts = ["# Files\n\nWritten from the models that read them. Unknown keys are refused.\n"]
    for name, model in FILES.items():
        rows = [f"| `{key}` | {kind} | {default} | {text} |" for key, kind, default, text in _rows(model, "")]
        head = ["| key | type | default | meaning |", "|---|---|---|---|"]
        parts.append("\n".join([f"## {name}\n", f"{_one_line(model.__doc__)}\n", *head, *rows, ""]))
    return "\n".join(parts)


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    properties = model.model_json_schema(by_alias=True)
    for name, field in model.model_fields.items():
        key = field.alias or name
        default = "needed" if field.is_required() else _default(field.get_default(call_default_factory=True))
        kind = _kind(properties["properties"][key])
        inner = _models_in(field.annotation)
        text = field.description or (_one_line(inner[0].__doc__) if inner else "")
        yield f"{prefix}{key}", kind, default, _one_line(text).replace("|", "\\|")
        for found in inner:
            step = {"list": f"{prefix}{key}[].", "mapping": f"{prefix}{key}.&lt;name&gt;."}.get(kind, f"{prefix}{key}.")
            yield from _rows(found, step)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in getattr(annotation, "__args__", ()) for found in _models_in(argument)]


def _kind(schema: dict[str, object]) -> str:
    if "anyOf" in schema:
        choices = schema["anyOf"]
        return _kind(choices[0]) if isinstance(choices, list) else "any"
    if isinstance(values := schema.get("enum"), list):
        return "one of " + ", ".join(f"`{value}`" for value in values)
    if "const" in schema:
        return f"`{schema['const']}`"
    named = {"array": "list", "string": "text", "integer": "number", "boolean": "true or false"}
    if schema.get("type") == "object":
        return "mapping"
    return named.get(str(schema.get("type")), "keys")


def _default(value: object) -> str:
    if value is None or value is PydanticUndefined or value in ((), {}, ""):
        return ""
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "cli.md").write_text(command_page(), encoding="utf-8")
    (FOLDER / "files.md").write_text(file_page(), encoding="utf-8")
