"""Write one app as text: `app.yaml` with a comment of evidence behind each need, and one file per object."""

import re
from collections.abc import Iterable

from layersite.adopt.exposure import Exposure
from layersite.adopt.material import Item
from layersite.adopt.result import DeclaredSecret, Edge
from layersite.model.yaml import Yaml, dump

__all__ = ["app_file", "object_files"]

_SCHEMA = "# yaml-language-server: $schema=../../schemas/app.schema.json"
_HIDDEN = re.compile(r"[^\x20-\x7e\u00a0-\u167f\u1681-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\ud7ff]")
"""What a comment must not hold: control characters, line ends of any alphabet, marks that turn its direction."""


def app_file(
    repository: str | None,
    edges: Iterable[Edge],
    images: Iterable[str],
    exposure: Exposure | None,
    secrets: Iterable[DeclaredSecret],
) -> str:
    """Return the text of `app.yaml`."""
    lines = [_SCHEMA, "---", "base:", "  directory: base"]
    if repository is not None:
        lines.append(f"repository: {_scalar(repository)}")
    needs = [f"  - app: {_scalar(edge.needs)}{_comment(str(edge.evidence[0]))}" for edge in edges]
    lines += _block("needs", needs)
    hint = '    # repository: registry.example.com/{name}\n    # tag: "{{sha}}"'
    lines += _block(
        "images", [f"  - name: {_scalar(name)}\n" + hint.format(name=name.rpartition("/")[2]) for name in images]
    )
    if exposure is not None:
        entry = [f"  service: {_scalar(exposure.service)}{_comment(exposure.evidence)}", f"  port: {exposure.port}"]
        lines += _block("expose", entry)
    for number, secret in enumerate(secrets):
        lines += [] if number else ["secrets:"]
        lines += [f"  - name: {_scalar(secret.name)}", "    source: copy"]
        lines += _block("    keys", [f"      - {_scalar(key)}" for key in secret.keys])
    return "\n".join([*lines, ""])


def _block(key: str, lines: list[str]) -> list[str]:
    return [f"{key}:", *lines] if lines else []


def _scalar(value: Yaml) -> str:
    return dump(value).removeprefix("---\n").rstrip("\n")


def _comment(text: str) -> str:
    return f"  # {_HIDDEN.sub(lambda found: ascii(found[0])[1:-1], text)}"


def object_files(items: Iterable[Item]) -> dict[str, str]:
    """Return the text of each object by its path in the app's folder.

    A RoleBinding names the namespace of its accounts, which only the environment knows: it becomes an overlay.
    """
    files = {}
    for item in items:
        name = re.sub(r"[^a-z0-9.-]", "-", f"{item.kind}-{item.name}".lower())
        if item.kind == "RoleBinding":
            accounts = [{**subject, "namespace": "{{ environment.namespace }}"} for subject in item.data["subjects"]]
            files[f"overlays/{name}.yaml.j2"] = dump({**item.data, "subjects": accounts})
        else:
            files[f"base/{name}.yaml"] = dump(item.data)
    return files
