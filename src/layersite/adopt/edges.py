"""Find out which app calls which, with the evidence: addresses in variables, arguments, scripts and mounted files."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from layersite.adopt.addresses import Address, addresses, keyed
from layersite.adopt.group import Grouping
from layersite.adopt.material import Hint, Item, containers, pod_spec
from layersite.adopt.redaction import redact
from layersite.adopt.result import Edge, Evidence, Reference
from layersite.adopt.uses import used_objects
from layersite.model.yaml import Yaml

__all__ = ["References", "find_references"]

_SELF = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})
_LONGEST = 120
"""Characters of a value that evidence shows."""


@dataclass(frozen=True)
class References:
    """All that was found; `called` are the Services that some address names."""

    edges: tuple[Edge, ...]
    unresolved: tuple[Reference, ...]
    ambiguous: tuple[Reference, ...]
    called: frozenset[str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Text:
    file: str
    place: str
    key: str
    text: str
    in_file: bool = False

    def evidence(self, address: Address) -> Evidence:
        """Show a short value whole, of a long one the line with the address."""
        text, key = self.text, self.key
        if self.in_file or "\n" in text:
            start = text.rfind("\n", 0, address.start) + 1
            text, key = text[start:].split("\n", 1)[0], ""
        shown = redact(key, text.strip())
        return Evidence(self.file, self.place, shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}...")


def find_references(
    grouping: Grouping, items: Iterable[Item], hints: Iterable[Hint], known: Collection[str]
) -> References:
    """Return who calls whom; `known` are the names of apps that the catalog has already."""
    items = list(items)
    search = _Search(grouping, items, known)
    for group in grouping.groups:
        for text in _texts(group.workload, {item.name: item for item in items if item.kind == "ConfigMap"}):
            for address in addresses(text.text, text.key, text.in_file):
                search.look_up(group.name, address, text)
    apps = {group.workload.name: group.name for group in grouping.groups}
    for hint in hints:
        search.add(apps[hint.user], apps[hint.needed], Evidence(hint.file, hint.place, ""))
    return search.result()


class _Search:
    """Collects what addresses lead to."""

    def __init__(self, grouping: Grouping, items: list[Item], known: Collection[str]) -> None:
        self._owners = grouping.services
        self._names = {name for group in grouping.groups for name in (group.name, group.workload.name)}
        self._known = known
        self._ports = {item.name: _port_numbers(item) for item in items if item.kind == "Service"}
        self._namespaces = {"default"} | {
            item.data["metadata"]["namespace"] for item in items if item.data["metadata"].get("namespace")
        }
        self._evidence: dict[tuple[str, str], list[Evidence]] = {}
        self._unresolved: dict[tuple[str, str], Reference] = {}
        self._ambiguous: dict[tuple[str, str], Reference] = {}
        self._called: set[str] = set()
        self._notes: set[str] = set()

    def add(self, app: str, needed: str, evidence: Evidence) -> None:
        if app != needed:
            found = self._evidence.setdefault((app, needed), [])
            if evidence not in found:
                found.append(evidence)

    def look_up(self, app: str, address: Address, text: _Text) -> None:
        service = self._service(address)
        evidence = text.evidence(address)
        owners = self._owners.get(service or "", ())
        if service is not None and owners:
            self._called.add(service)
        if service is not None and owners and "." in address.host and app not in owners:
            self._notes.add(f"{app}: {evidence} names a namespace; say `{service}` alone, it is the same in each one")
        if app in owners:
            return
        if len(owners) == 1:
            self.add(app, owners[0], evidence)
        elif owners:
            reason = f"leads to the pods of {', '.join(owners)}"
            self._ambiguous.setdefault((app, address.host), Reference(app, address.host, reason, evidence))
        elif service is None and address.host in self._known and address.host != app:
            self.add(app, address.host, evidence)
        elif service is None and self._is_in_cluster(address) and address.host not in (*self._names, *_SELF):
            reason = "no adopted app has a Service of this name"
            self._unresolved.setdefault((app, address.host), Reference(app, address.host, reason, evidence))

    def _service(self, address: Address) -> str | None:
        """Return the Service that the address names, None where it names none of the source's."""
        first, *rest = address.host.lower().split(".")
        if rest and rest[0] in self._ports and re.search(r"-[0-9]+$", first):
            first, *rest = rest  # one pod of a StatefulSet
        if first not in self._ports:
            return None
        is_short = not rest or (rest[0] in self._namespaces and len(rest) == 1)
        is_full = len(rest) > 1 and rest[1] == "svc"
        is_called = len(rest) == 1 and address.port in self._ports[first] - {80, 443}
        return first if is_short or is_full or is_called else None

    def _is_in_cluster(self, address: Address) -> bool:
        labels = address.host.split(".")
        if len(labels) > 2:
            return "svc" in labels[2:4]
        return len(labels) == 1 and address.is_plain and address.host[0].isalpha()

    def result(self) -> References:
        return References(
            tuple(Edge(app, needed, tuple(found)) for (app, needed), found in sorted(self._evidence.items())),
            tuple(sorted(self._unresolved.values())),
            tuple(sorted(self._ambiguous.values())),
            frozenset(self._called),
            tuple(sorted(self._notes)),
        )


def _port_numbers(service: Item) -> set[int]:
    return {port["port"] for port in (service.data.get("spec") or {}).get("ports") or []}


def _texts(workload: Item, maps: Mapping[str, Item]) -> Iterator[_Text]:
    for container in containers(workload):
        for source in container.get("envFrom") or []:
            config = maps.get((source.get("configMapRef") or {}).get("name", ""))
            if config is not None:
                for key, value in _data(config):
                    yield _Text(config.file, f"ConfigMap {config.name} key {key}", key, value)
        for entry in container.get("env") or []:
            yield from _variable(workload, entry, maps)
        for field in ("command", "args"):
            for flag, word in keyed([str(word) for word in container.get(field) or []]):
                yield _Text(workload.file, f"{field} of {container['name']}", flag, word, "\n" in word)
    spec = pod_spec(workload)
    mounted = {name for kind, name in used_objects(workload) if kind == "ConfigMap"} & _volume_maps(spec)
    for name in sorted(mounted & maps.keys()):
        for key, value in _data(maps[name]):
            yield _Text(maps[name].file, f"ConfigMap {name} key {key}", key, value, in_file=True)


def _variable(workload: Item, entry: Yaml, maps: Mapping[str, Item]) -> Iterator[_Text]:
    if entry.get("value") is not None:
        yield _Text(workload.file, f"env {entry['name']}", entry["name"], str(entry["value"]))
    reference = (entry.get("valueFrom") or {}).get("configMapKeyRef") or {}
    config = maps.get(reference.get("name", ""))
    value = dict(_data(config)).get(reference.get("key", "")) if config is not None else None
    if config is not None and value is not None:
        yield _Text(config.file, f"env {entry['name']} of ConfigMap {config.name}", entry["name"], value)


def _data(config: Item) -> list[tuple[str, str]]:
    return sorted((key, str(value)) for key, value in (config.data.get("data") or {}).items())


def _volume_maps(spec: Yaml) -> set[str]:
    volumes = spec.get("volumes") or []
    sources = [source for volume in volumes for source in (volume.get("projected") or {}).get("sources") or []]
    return {(source.get("configMap") or {}).get("name", "") for source in (*volumes, *sources)}
