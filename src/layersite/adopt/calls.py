"""Find out which app calls which, with the evidence: addresses in variables, arguments, scripts and mounted files."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from layersite.adopt.addresses import Address, addresses, keyed
from layersite.adopt.apps import Apps
from layersite.adopt.objects import Item, every
from layersite.adopt.result import Edge, Evidence, Log, Reference
from layersite.adopt.secret_shapes import redact

__all__ = ["Calls"]

_SELF = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})
_LONGEST = 120
"""Characters of a value that evidence shows."""


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


class Calls:
    """Who calls whom among `apps`, and of the apps `known` to the catalog."""

    def __init__(self, apps: Apps, items: Sequence[Item], known: Collection[str], log: Log) -> None:
        self.called: set[str] = set()
        """The Services that some address names."""
        self.unresolved: dict[tuple[str, str], Reference] = {}
        self.ambiguous: dict[tuple[str, str], Reference] = {}
        self._apps, self._known, self._log = apps, known, log
        self._maps = {item.name: item for item in items if item.kind == "ConfigMap"}
        self._ports = {
            item.name: {*every(item.data, "spec", "ports", "port")} for item in items if item.kind == "Service"
        }
        self._namespaces = {"default", *(name for item in items for name in every(item.data, "metadata", "namespace"))}
        self._names = {name for group in apps.groups for name in (group.name, group.workload.name)}
        self._edges: dict[tuple[str, str], dict[Evidence, None]] = {}

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Each call once, with all its evidence."""
        return tuple(Edge(app, needed, tuple(found)) for (app, needed), found in sorted(self._edges.items()))

    def add(self, app: str, needed: str, *evidence: Evidence) -> None:
        """Add a call that the source declares itself; an app does not call itself."""
        if app != needed:
            self._edges.setdefault((app, needed), {}).update(dict.fromkeys(evidence))

    def search(self) -> None:
        """Add every call that an address in the texts of a workload shows."""
        for group in self._apps.groups:
            for text in _texts(group.workload, self._maps):
                for address in addresses(text.text, text.key, text.in_file):
                    self._look_up(group.name, address, text)

    def _look_up(self, app: str, address: Address, text: _Text) -> None:
        service, host, evidence = self._service(address), address.host, text.evidence(address)
        owners = self._apps.owners.get(service or "", ())
        if service and owners:
            self.called.add(service)
        if app in owners:
            return
        if service and owners and "." in host:
            note = f"{app}: {evidence} names a namespace; say `{service}` alone, it is the same in each one"
            self._log.notes.add(note)
        if len(owners) == 1:
            self.add(app, owners[0], evidence)
        elif owners:
            reason = f"leads to the pods of {', '.join(owners)}"
            self.ambiguous.setdefault((app, host), Reference(app, host, reason, evidence))
        elif not service and host in self._known:
            self.add(app, host, evidence)
        elif not service and _is_in_cluster(address) and host not in self._names | _SELF:
            reason = "no adopted app has a Service of this name"
            self.unresolved.setdefault((app, host), Reference(app, host, reason, evidence))

    def _service(self, address: Address) -> str | None:
        """Return the Service that the address names, None where it names none of the source's."""
        name, *rest = address.host.lower().split(".")
        if rest and rest[0] in self._ports and re.search(r"-[0-9]+$", name):
            name, *rest = rest  # one pod of a StatefulSet
        if name not in self._ports:
            return None
        is_short = not rest or (rest[0] in self._namespaces and len(rest) == 1)
        is_full = len(rest) > 1 and rest[1] == "svc"
        is_called = len(rest) == 1 and address.port in self._ports[name] - {80, 443}
        return name if is_short or is_full or is_called else None


def _is_in_cluster(address: Address) -> bool:
    labels = address.host.split(".")
    if len(labels) > 2:
        return "svc" in labels[2:4]
    return len(labels) == 1 and address.is_plain and address.host[0].isalpha()


def _texts(workload: Item, maps: Mapping[str, Item]) -> Iterator[_Text]:
    for container in workload.containers:
        for name in every(container, "envFrom", "configMapRef", "name"):
            yield from _entries(maps, name)
        for entry in every(container, "env"):
            name = entry["name"]
            for value in every(entry, "value"):
                yield _Text(workload.file, f"env {name}", name, str(value))
            for reference in every(entry, "valueFrom", "configMapKeyRef"):
                for text in _entries(maps, reference.get("name", "")):
                    if text.key == reference["key"]:
                        yield replace(text, place=f"env {name} of ConfigMap {reference['name']}", key=name)
        for field in ("command", "args"):
            for flag, word in keyed([str(word) for word in container.get(field) or []]):
                yield _Text(workload.file, f"{field} of {container['name']}", flag, word, "\n" in word)
    volumes = list(every(workload.pod, "volumes"))
    for name in sorted({*every([volumes, *every(volumes, "projected", "sources")], "configMap", "name")}):
        yield from _entries(maps, name, in_file=True)


def _entries(maps: Mapping[str, Item], name: str, in_file: bool = False) -> Iterator[_Text]:
    data = (maps[name].data.get("data") or {}) if name in maps else {}
    for key, value in sorted(data.items()):
        yield _Text(maps[name].file, f"ConfigMap {name} key {key}", key, str(value), in_file)
