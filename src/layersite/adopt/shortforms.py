"""Compose's short forms, each brought into the one long form that the conversion reads."""

import json
import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from layersite.model.yaml import Yaml

__all__ = ["Mount", "Port", "environment", "mounts", "ports", "quantity", "seconds", "words"]

_PORT = re.compile(
    r"(?:(?:(?P<ip>\[[0-9a-fA-F:]+\]|[0-9.]+):)?(?P<host>[0-9-]*):)?"
    r"(?P<first>[0-9]+)(?:-(?P<last>[0-9]+))?(?:/(?P<protocol>tcp|udp|sctp))?"
)


@dataclass(frozen=True)
class Port:
    """A container's port; published means that a person reaches it on a fixed port of the host."""

    number: int
    protocol: str = "TCP"
    published: bool = False


@dataclass(frozen=True)
class Mount:
    """What is mounted at `target`: a `volume`, a `bind` of the developer's machine, or a `tmpfs`."""

    type: str
    source: str
    target: str
    read_only: bool = False


def _text(value: Yaml) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def environment(value: Yaml, outside: Mapping[str, str]) -> dict[str, str]:
    """Return variables as text; one without a value gets its value from `outside`, or is not set at all."""
    if isinstance(value, list):
        value = {name: text if equals else None for name, equals, text in (entry.partition("=") for entry in value)}
    given = {name: outside.get(name) if text is None else _text(text) for name, text in (value or {}).items()}
    return {name: text for name, text in given.items() if text is not None}


def ports(value: Yaml) -> list[Port]:
    """Return the container ports of `ports` or `expose`. Raises ValueError."""
    found: list[Port] = []
    for entry in value or []:
        if isinstance(entry, dict) and "target" in entry:
            text = f"{entry.get('host_ip', '')}:{entry.get('published', '')}:{entry['target']}".lstrip(":")
            text += f"/{entry.get('protocol', 'tcp')}"
        else:
            text = _text(entry)
        match = _PORT.fullmatch(text)
        first, last = (int(match["first"]), int(match["last"] or match["first"])) if match else (0, 0)
        if match is None or not 0 < first <= last <= min(65535, first + 100):
            raise ValueError(f"`{text}` is no port; write `8080:80`, a range of at most 100, or the long form")
        is_local = (match["ip"] or "").startswith(("127.", "[::1]"))
        protocol = (match["protocol"] or "tcp").upper()
        found += [Port(number, protocol, bool(match["host"]) and not is_local) for number in range(first, last + 1)]
    return found


def mounts(volumes: Yaml, tmpfs: Yaml) -> list[Mount]:
    """Return what a service mounts, in its order. Raises ValueError."""
    found: list[Mount] = []
    for entry in volumes or []:
        if isinstance(entry, dict):
            if "target" not in entry:
                raise ValueError("a volume has no `target`; give the path in the container")
            is_read_only = entry.get("read_only") in (True, "true")
            found.append(Mount(entry["type"], entry.get("source", ""), entry["target"], is_read_only))
            continue
        source, _, rest = entry.rpartition(":") if entry.count(":") == 1 else ("", "", entry)
        mode = ""
        if entry.count(":") >= 2:
            source, rest, mode = entry.rsplit(":", 2)
        kind = "bind" if source.startswith((".", "/", "~", "$")) or re.match(r"[A-Za-z]:?\\", source) else "volume"
        found.append(Mount(kind, source, rest, "ro" in mode.split(",")))
    listed = [tmpfs] if isinstance(tmpfs, str) else tmpfs or []
    return [*found, *(Mount("tmpfs", "", entry.split(":")[0]) for entry in listed)]


def words(value: Yaml) -> list[str] | None:
    """Return a command as a list of words; None where the service has none. Raises ValueError."""
    if value is None:
        return None
    return shlex.split(value) if isinstance(value, str) else [_text(word) for word in value]


def quantity(value: Yaml) -> str:
    """Return a Kubernetes quantity for a compose size such as `300M`; compose's units are powers of two."""
    match = re.fullmatch(r"([0-9.]+)\s*([kmgt]?)i?b?", _text(value).lower())
    if match is None:
        raise ValueError(f"`{value}` is no size; write a number with b, k, m or g")
    unit = {"k": "Ki", "m": "Mi", "g": "Gi", "t": "Ti"}.get(match[2], "")
    return f"{match[1].removesuffix('.')}{unit}"


def seconds(value: Yaml) -> int:
    """Return a compose duration such as `1m30s` in whole seconds, at least one."""
    units = {"ms": 0.001, "us": 0.000001, "ns": 0.000000001, "s": 1, "m": 60, "h": 3600, "d": 86400}
    parts = re.findall(r"([0-9.]+)\s*(ms|us|ns|s|m|h|d)", _text(value))
    return max(1, math.ceil(sum(float(number) * units[unit] for number, unit in parts)))
