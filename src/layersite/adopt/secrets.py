"""Keep secrets out of git: literal ones become keys of the Secret `<app>-secrets`, of which only the names are written.

What cannot be rewritten without changing what the pod does (a probe with a password in it) is left out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from layersite.adopt.addresses import keyed
from layersite.adopt.redaction import is_secret, is_secret_key, secret_spans
from layersite.model.yaml import Yaml

__all__ = ["Vault", "hide_secrets", "secret_keys"]

_HOOKS = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")


@dataclass
class Vault:
    """The Secret `name` of one app as it fills; values are kept only to tell equal ones from different ones."""

    name: str
    dropped: list[str] = field(default_factory=list)
    _values: dict[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that the Secret must have."""
        return tuple(sorted(self._values))

    def key(self, wanted: str, value: str) -> str:
        """Return the key under which `value` is kept: `wanted`, with a number where another value has that."""
        base = key = re.sub(r"[^A-Za-z0-9._-]", "-", wanted)
        number = 2
        while self._values.setdefault(key, value) != value:
            key = f"{base}-{number}"
            number += 1
        return key

    def reference(self, wanted: str, value: str) -> Yaml:
        """Return what stands in a variable instead of `value`."""
        return {"secretKeyRef": {"name": self.name, "key": self.key(wanted, value)}}


def secret_keys(config: Yaml) -> dict[str, str]:
    """Return the entries of a ConfigMap that are or hold secrets."""
    data = {key: str(value) for key, value in (config.get("data") or {}).items()}
    return {key: value for key, value in data.items() if is_secret(key, value)}


def hide_secrets(spec: Yaml, maps: Mapping[str, Mapping[str, str]], vault: Vault) -> None:
    """Replace in the pod spec `spec`, in place, every literal secret by a reference into `vault`.

    `maps` has for each ConfigMap the secret entries that it loses.
    """
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        _hide_in_variables(container, maps, vault)
        for part in ("command", "args"):
            if container.get(part):
                container[part] = _hide_in_words(container, [str(word) for word in container[part]], vault)
        for hook in _HOOKS:
            if hook in container and any(secret_spans(text) for text in _texts(container[hook])):
                del container[hook]
                vault.dropped.append(f"{hook} of {container['name']}")
    for volume in spec.get("volumes") or []:
        _hide_in_volume(volume, maps, vault)


def _hide_in_variables(container: Yaml, maps: Mapping[str, Mapping[str, str]], vault: Vault) -> None:
    env = list(container.get("env") or [])
    set_already = {entry["name"] for entry in env}
    for entry in env:
        value = str(entry.get("value") or "")
        reference = (entry.get("valueFrom") or {}).get("configMapKeyRef") or {}
        moved = maps.get(reference.get("name", ""), {}).get(reference.get("key", ""))
        if is_secret(entry["name"], value):
            entry.pop("value")
            entry["valueFrom"] = vault.reference(entry["name"], value)
        elif moved is not None:
            entry["valueFrom"] = vault.reference(reference["key"], moved)
    added = []
    for source in container.get("envFrom") or []:
        for key, value in maps.get((source.get("configMapRef") or {}).get("name", ""), {}).items():
            name = f"{source.get('prefix', '')}{key}"
            if name not in set_already:
                added.append({"name": name, "valueFrom": vault.reference(key, value)})
    if added:
        container["env"] = added + env


def _hide_in_words(container: Yaml, words: list[str], vault: Vault) -> list[str]:
    """Put `$(NAME)`, which Kubernetes fills in, in place of the secrets among the words of a command."""
    hidden = []
    for flag, word in keyed(words):
        is_whole = is_secret_key(flag) and is_secret(flag, word)
        for start, end in reversed([(0, len(word))] if is_whole else secret_spans(word)):
            before = re.search(r"([A-Za-z][\w.-]*)[\"']?\s*[=:]\s*[\"']?$", word[:start])
            wanted = flag if is_whole else before[1] if before else "argument"
            name = re.sub(r"\W+", "_", wanted).strip("_").upper()
            name = _declare(container, name, word[start:end], vault)
            word = f"{word[:start]}$({name}){word[end:]}"
        hidden.append(word)
    return hidden


def _declare(container: Yaml, name: str, value: str, vault: Vault) -> str:
    reference = vault.reference(name, value)
    variable = re.sub(r"\W", "_", reference["secretKeyRef"]["key"])
    env = container.setdefault("env", [])
    while any(entry["name"] == variable and entry.get("valueFrom") != reference for entry in env):
        variable += "_ARGUMENT"
    if not any(entry["name"] == variable for entry in env):
        env.append({"name": variable, "valueFrom": reference})
    return variable


def _texts(value: Yaml) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(child)


def _hide_in_volume(volume: Yaml, maps: Mapping[str, Mapping[str, str]], vault: Vault) -> None:
    """Let files that were secret entries of a ConfigMap come from the vault, under the same paths."""
    if maps.get((volume.get("configMap") or {}).get("name", "")):
        config = volume.pop("configMap")
        mode = config.pop("defaultMode", None)
        volume["projected"] = {"sources": [{"configMap": config}], **({"defaultMode": mode} if mode else {})}
    sources = (volume.get("projected") or {}).get("sources") or []
    if sources:
        volume["projected"]["sources"] = [part for source in sources for part in _without_secrets(source, maps, vault)]


def _without_secrets(source: Yaml, maps: Mapping[str, Mapping[str, str]], vault: Vault) -> Iterator[Yaml]:
    """Yield what is left of a projected source, and what the vault gives in its place."""
    config = source.get("configMap") or {}
    moved = maps.get(config.get("name", ""), {})
    entries = config.get("items") or [{"key": key, "path": key} for key in moved]
    kept = [entry for entry in entries if entry["key"] not in moved]
    taken = [entry for entry in entries if entry["key"] in moved]
    if taken and "items" in config:
        config["items"] = kept
    if kept or "items" not in config:
        yield source
    if taken:
        items = [{**entry, "key": vault.key(entry["key"], moved[entry["key"]])} for entry in taken]
        yield {"secret": {"name": vault.name, "items": items}}
