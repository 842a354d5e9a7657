"""Find addresses of Services in free text: environment variables, arguments, shell scripts, configuration files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Address", "addresses", "keyed", "rewrite"]

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*"
_ADDRESS = re.compile(
    rf"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{{0,40}})://|(?<![\w.@/$%{{:-]))"
    r"(?:[^\s/@,\"'<>()\[\]]{1,256}@)?"
    rf"(?P<host>{_HOST})\.?(?::(?P<port>[0-9]{{1,5}}|\$[({{]\w+[)}}]))?(?![\w@-])"
)
_PROBED = re.compile(
    r"(?:\b(?:nc|ncat|netcat|telnet)\s+(?:-\S+\s+(?:[0-9]+\s+)?)*|\b(?:nslookup|getent\s+hosts)\s+"
    rf"|\s(?:-h|--host|--hostname)[\s=])[\"']?(?P<host>{_HOST})(?:[\"']?\s+(?P<port>[0-9]{{2,5}})\b)?"
)
_SETTING = re.compile(rf"(?m)^[\s-]*[\"']?(?P<key>[\w.-]+)[\"']?\s*[:=]\s*[\"']?(?P<host>{_HOST})[\"']?\s*[,;]?\s*$")
_FLAG = re.compile(r"--?(?P<key>[\w.-]+)=")
_WORD = re.compile(rf"(?P<host>{_HOST})(?![^\s,;])|[^\s,;]+")
_ADDRESS_KEY = re.compile(
    r"(?:HOST|HOST_?NAME|ADDR|ADDRESS(?:E)?|UR[LI]|ENDPOINT|SERVER|SERVICE|BACKEND|UPSTREAM|BROKER|TARGET|DSN|PEER"
    r"|NODE|SEED|CONNECTION_?STRING)S?$",
    re.IGNORECASE,
)
_IMAGE_KEY = re.compile(r"(?:IMAGE|TAG|VERSION|LABEL|DIGEST)S?$", re.IGNORECASE)
_NO_HOST = frozenset({"file", "unix", "s3", "gs", "docker", "data", "jar", "classpath"})
"""Schemes after which no host name of the cluster stands."""


@dataclass(frozen=True)
class Address:
    """A host in a text from `start` to `end`; `is_plain` where it can be nothing else, even if nobody knows it."""

    host: str
    port: int | None
    start: int
    end: int
    is_plain: bool


def addresses(text: str, key: str = "", in_file: bool = False) -> list[Address]:
    """Return the addresses in `text`, the value of `key`, in their order.

    A bare word counts only where the key says that it is an address. In a file, settings have keys of their own, and
    only what follows a scheme is plainly an address.
    """
    if _IMAGE_KEY.search(key):
        return []
    flag = _FLAG.match(text)
    start, key = (flag.end(), flag["key"]) if flag else (0, key)
    found: dict[tuple[int, int], Address] = {}

    def add(match: re.Match[str], port: str, is_plain: bool) -> None:
        number = int(port) if port.isdigit() else None
        found.setdefault(match.span("host"), Address(match["host"], number, *match.span("host"), is_plain))

    for match in _ADDRESS.finditer(text):
        scheme, port = (match["scheme"] or "").lower(), match["port"] or ""
        if (scheme or port) and scheme not in _NO_HOST:
            is_item = re.fullmatch(r"[\s,;]*", text[start : match.start()].rpartition(",")[2]) is not None
            is_alone = is_item and len(port) > 1 and not in_file
            add(match, port, scheme.startswith("http") or bool(scheme and port) or is_alone)
    if _ADDRESS_KEY.search(key) or key in ("h", "host"):
        for match in (match for match in _WORD.finditer(text, start) if match["host"]):
            add(match, "", False)
    for match in _PROBED.finditer(text):
        add(match, match["port"] or "", bool(match["port"]))
    for match in _SETTING.finditer(text) if in_file else ():
        if _ADDRESS_KEY.search(match["key"]):
            add(match, "", False)
    return [found[span] for span in sorted(found)]


def keyed(words: list[str]) -> list[tuple[str, str]]:
    """Pair each word of a command with the flag before it, if that flag waits for a value."""
    flags = [word.lstrip("-") if re.fullmatch(r"--?[A-Za-z][\w.-]*", word) else "" for word in words]
    return list(zip(["", *flags], words, strict=False))


def rewrite(text: str, key: str, names: Mapping[str, str]) -> str:
    """Replace every host in `text` that is a key of `names`."""
    for address in reversed(addresses(text, key)):
        if address.host in names:
            text = text[: address.start] + names[address.host] + text[address.end :]
    return text
