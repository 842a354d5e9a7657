"""Tell secrets from settings by the names of what holds them and by their shapes."""

import re

__all__ = ["is_secret_key", "redact", "secret_spans"]

_SECRET_KEY = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|(?:^|[_.-])(?:PASS|PWD)$"
    r"|(?:API|PRIVATE|ACCESS|APP|MASTER|ENCRYPTION|SIGNING|LICENSE|SESSION|JWT|HMAC)[_.-]?KEY",
    re.IGNORECASE,
)
_SETTING_KEY = re.compile(
    r"[_.-](?:FILE|NAME|PATH|DIR|UR[LI]|HOST|ENDPOINT|TTL|EXPIR[A-Z]*|LIFETIME|TIMEOUT|LENGTH|SIZE|TYPE|ALGORITHM|HEADER"
    r"|ISSUER|AUDIENCE|ENABLED|REQUIRED|POLICY|LIMIT|COUNT|BACKEND|PROVIDER|STORE|CLASS|SECONDS|MINUTES|HOURS|DAYS)S?$"
    r"|(?:File|Name|Path)$|^PWD$|(?:^|_)(?:MAX|MIN|NUM)_",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(
    r"|true|false|yes|no|on|off|null|none|0|1|\$\([^)]*\)?|\$\{\w+(?::?-)?\}?|\$\w+|\{\{.*\}\}|<[^>]*>|\*+",
    re.IGNORECASE,
)
"""Values that hold no secret: empty, a switch, a variable that something else fills in, a gap left for a person."""
_SHAPES = (
    re.compile(r"://(?P<secret>[^\s/:@\"']{0,256}:(?P<value>[^\s/\"']{1,256}))@"),
    re.compile(r"(?<![\w/.-])(?!mailto:)(?P<secret>[\w.-]{1,256}:(?P<value>[^\s:@/\"',]{1,256}))@(?!sha256:)[A-Za-z(]"),
    re.compile(
        r"(?:^|[?&;,\s{\"'])[\w.-]{0,60}?(?:password|passwd|passphrase|pwd|secret|token|(?:api|access|private)[_.-]?key)[\"']?"
        r"\s*[=:]\s*[\"']?(?P<secret>(?P<value>[^\s;&,\"'}]+))",
        re.IGNORECASE | re.MULTILINE,
    ),
    re.compile(r"\b(?:bearer|basic)\s+(?P<secret>(?P<value>[A-Za-z0-9+/=._-]{8,}))", re.IGNORECASE),
    re.compile(
        r"(?P<secret>(?P<value>-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*|\bAKIA[0-9A-Z]{16}\b"
        r"|\bgh[pousr]_[A-Za-z0-9]{36}|\bxox[abprs]-[A-Za-z0-9-]{10,}))"
    ),
)


def is_secret_key(key: str) -> bool:
    """Whether a variable, key or flag of this name holds a secret itself, rather than where or how to find one."""
    return _SECRET_KEY.search(key) is not None and _SETTING_KEY.search(key) is None


def secret_spans(key: str, text: str) -> list[tuple[int, int]]:
    """Return where secrets stand in `text`, the value of `key`: all of it, or passwords and tokens inside."""
    if is_secret_key(key) and not _NO_SECRET.fullmatch(text.strip()):
        return [(0, len(text))]
    found = (match for shape in _SHAPES for match in shape.finditer(text) if not _NO_SECRET.fullmatch(match["value"]))
    spans: list[tuple[int, int]] = []
    for start, end in sorted((match.span("secret") for match in found), key=lambda span: (span[0], -span[1])):
        if not spans or start >= spans[-1][1]:
            spans.append((start, end))
    return spans


def redact(key: str, text: str) -> str:
    """Return `text`, the value of `key`, with `***` in place of every secret."""
    for start, end in reversed(secret_spans(key, text)):
        text = f"{text[:start]}***{text[end:]}"
    return text
