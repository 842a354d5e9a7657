"""Image references as Docker reads them: one without a host is on Docker Hub, one without a tag means `latest`."""

import re
from dataclasses import dataclass

from layersite.model.errors import RegistryError

__all__ = ["HUB", "Reference", "parse_reference"]

HUB = "docker.io"
_HUB_SERVER = "registry-1.docker.io"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = re.compile(r"(?=.*[.:]|localhost$)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,4}|:[1-5]\d{4})?")
_REST = re.compile(rf"(?P<name>{_PART}(?:/{_PART})*)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?")


@dataclass(frozen=True, order=True)
class Reference:
    """One tag of one repository; `host` is `docker.io` for Docker Hub."""

    host: str
    name: str
    tag: str

    @property
    def server(self) -> str:
        """The `host[:port]` that answers for the registry."""
        return _HUB_SERVER if self.host == HUB else self.host


def parse_reference(text: str) -> Reference:
    """Read `[host[:port]/]name[:tag]`. Raises RegistryError if it is no such thing."""
    head, slash, tail = text.partition("/")
    has_host = bool(slash) and _HOST.fullmatch(head) is not None
    host, rest = (head.lower(), tail) if has_host else (HUB, text)
    found = _REST.fullmatch(rest)
    if found is None:
        raise RegistryError(f"`{text}` is no image reference; write [host[:port]/]name[:tag], the name in lower case")
    host = HUB if host in ("index.docker.io", _HUB_SERVER) else host
    name = f"library/{found['name']}" if host == HUB and "/" not in found["name"] else found["name"]
    return Reference(host, name, found["tag"] or "latest")
