"""Keep secrets out of git: literal ones become keys of the Secret `<app>-secrets`, of which only the names are written.

What cannot be rewritten without changing what the pod does (a probe with a password in it) is left out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from layersite.adopt.addresses import keyed
from layersite.adopt.objects import Item, every, first, references, walk
from layersite.adopt.result import DeclaredSecret, Log
from layersite.adopt.secret_shapes import is_secret_key, secret_spans
from layersite.model.names import dns_label, fit
from layersite.model.yaml import Yaml

__all__ = ["declared_secrets", "hide_secrets"]

_HOOKS = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")


class _Vault:
    """The Secret `name` of one app as it fills; values are kept only to tell equal ones from different ones."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: dict[str, str] = {}

    def reference(self, wanted: str, value: str) -> Yaml:
        """Return what stands instead of `value`: its key is `wanted`, with a number where another value has that."""
        base = key = re.sub(r"[^A-Za-z0-9._-]", "-", wanted)
        number = 2
        while self.values.setdefault(key, value) != value:
            key = f"{base}-{number}"
            number += 1
        return {"name": self.name, "key": key}


Moved = Mapping[str, Mapping[str, str]]
"""For each ConfigMap the entries that are or hold secrets, which it loses."""


def hide_secrets(app: str, items: Sequence[Item], everything: Sequence[Item], log: Log) -> None:
    """Replace, in place, every literal secret in the objects of `app`, its workload first, by a reference."""
    moved = {item.name: _secret_entries(item) for item in everything if item.kind == "ConfigMap"}
    taken = {item.name for item in everything if item.kind == "Secret"}
    name = fit(f"{app}-secrets", 63)
    vault = _Vault(name if name not in taken else fit(f"{app}-adopted-secrets", 63))
    workload = items[0]
    for container in workload.containers:
        _hide_in_variables(container, moved, vault)
        for part in ("command", "args"):
            if container.get(part):
                container[part] = _hide_in_words(container, [str(word) for word in container[part]], vault)
        for hook in _HOOKS:
            if any(isinstance(text, str) and secret_spans("", text) for _, text in walk(container.get(hook))):
                del container[hook]
                reason = "holds a secret that a probe cannot read from a Secret; add it by hand"
                log.leave_out(workload.file, f"{workload.label} {hook} of {container['name']}", reason)
    for volume in every(workload.pod, "volumes"):
        _hide_in_volume(volume, moved, vault)
    for item in (item for item in items if item.kind == "ConfigMap"):
        for key in moved[item.name]:
            del item.data["data"][key]
            log.leave_out(item.file, f"{item.label} key {key}", "holds a secret")
    if vault.values:
        keys = ", ".join(sorted(vault.values))
        log.notes.add(f"{app}: {keys} had literal values; put them into the Secret {vault.name}")


def _secret_entries(config: Item) -> dict[str, str]:
    entries = {key: str(value) for key, value in (config.data.get("data") or {}).items()}
    return {key: value for key, value in entries.items() if secret_spans(key, value)}


def _hide_in_variables(container: Yaml, moved: Moved, vault: _Vault) -> None:
    env = list(every(container, "env"))
    for entry in env:
        value = str(entry.get("value") or "")
        reference = first(entry, "valueFrom", "configMapKeyRef") or {}
        entries = moved.get(reference.get("name", ""), {})
        if secret_spans(entry["name"], value):
            del entry["value"]
            entry["valueFrom"] = {"secretKeyRef": vault.reference(entry["name"], value)}
        elif reference.get("key") in entries:
            entry["valueFrom"] = {"secretKeyRef": vault.reference(reference["key"], entries[reference["key"]])}
    added: list[Yaml] = [
        {"name": f"{source.get('prefix', '')}{key}", "valueFrom": {"secretKeyRef": vault.reference(key, value)}}
        for source in every(container, "envFrom")
        for key, value in moved.get(first(source, "configMapRef", "name") or "", {}).items()
        if f"{source.get('prefix', '')}{key}" not in {entry["name"] for entry in env}
    ]
    if added:
        container["env"] = added + env


def _hide_in_words(container: Yaml, words: list[str], vault: _Vault) -> list[str]:
    """Put `$(NAME)`, which Kubernetes fills in, in place of the secrets among the words of a command."""
    hidden = []
    for flag, word in keyed(words):
        for start, end in reversed(secret_spans(flag, word)):
            before = re.search(r"([A-Za-z][\w.-]*)[\"']?\s*[=:]\s*[\"']?$", word[:start])
            wanted = before[1] if before else flag if is_secret_key(flag) else "argument"
            name = re.sub(r"\W+", "_", wanted).strip("_").upper()
            name = _declare(container, name, word[start:end], vault)
            word = f"{word[:start]}$({name}){word[end:]}"
        hidden.append(word)
    return hidden


def _declare(container: Yaml, name: str, value: str, vault: _Vault) -> str:
    reference = vault.reference(name, value)
    entry: Yaml = {"name": re.sub(r"\W", "_", reference["key"]), "valueFrom": {"secretKeyRef": reference}}
    env = container.setdefault("env", [])
    while entry not in env and any(entry["name"] == other["name"] for other in env):
        entry["name"] += "_ARGUMENT"
    if entry not in env:
        env.append(entry)
    return str(entry["name"])


def _hide_in_volume(volume: Yaml, moved: Moved, vault: _Vault) -> None:
    """Let files that were secret entries of a ConfigMap come from the vault, under the same paths."""
    if moved.get(first(volume, "configMap", "name") or ""):
        config = volume.pop("configMap")
        mode = config.pop("defaultMode", None)
        volume["projected"] = {"sources": [{"configMap": config}], **({"defaultMode": mode} if mode else {})}
    sources = list(every(volume, "projected", "sources"))
    if sources:
        volume["projected"]["sources"] = [part for source in sources for part in _without_secrets(source, moved, vault)]


def _without_secrets(source: Yaml, moved: Moved, vault: _Vault) -> Iterator[Yaml]:
    """Yield what is left of a projected source, and what the vault gives in its place."""
    config = source.get("configMap") or {}
    values = moved.get(config.get("name", ""), {})
    entries = config.get("items") or [{"key": key, "path": key} for key in values]
    kept = [entry for entry in entries if entry["key"] not in values]
    taken = [entry for entry in entries if entry["key"] in values]
    if taken and "items" in config:
        config["items"] = kept
    if kept or "items" not in config:
        yield source
    if taken:
        items = [{**entry, "key": vault.reference(entry["key"], values[entry["key"]])["key"]} for entry in taken]
        yield {"secret": {"name": vault.name, "items": items}}


def declared_secrets(app: str, workload: Item, everything: Sequence[Item], log: Log) -> list[DeclaredSecret]:
    """Return the Secrets that the pods of `app` read, each with all its keys if they are known, else those in use."""
    known = {
        item.name: sorted({key for part in ("data", "stringData") for key in item.data.get(part) or {}})
        for item in everything
        if item.kind == "Secret"
    }
    pull = (("Secret", entry["name"], {"optional": True}) for entry in every(workload.pod, "imagePullSecrets"))
    used: dict[str, list[set[str]]] = {}
    for kind, name, reference in (*pull, *references(workload.pod)):
        if kind != "Secret" or (reference.get("optional") is True and name not in known):
            continue
        if not dns_label(name):
            log.notes.add(f"{app}: the Secret `{name}` is not declared, since its name is no DNS label")
            continue
        keys = {reference["key"]} if "key" in reference else set(every(reference, "items", "key"))
        used.setdefault(name, []).append(keys)
    return [
        DeclaredSecret(app, name, tuple(known.get(name) or sorted(set().union(*keys) if all(keys) else ())))
        for name, keys in sorted(used.items())
    ]
