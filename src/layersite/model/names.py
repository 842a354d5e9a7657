"""Names that git, DNS and Kubernetes all accept, made from untrusted text without ever mapping two texts to one."""

import hashlib
import re

__all__ = ["BASELINE", "dns_label", "environment_name", "fit", "is_environment_name", "shard"]

BASELINE = "baseline"
"""The name of the managed baseline environment; no change may take it."""
_LONGEST = 40
_HASHED = re.compile(r"-[0-9a-f]{6}\Z")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\Z")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]


def dns_label(text: str, limit: int = 63) -> bool:
    """Whether `text` is a DNS label (RFC 1123) of at most `limit` characters without a doubled hyphen.

    The doubled hyphen is kept free: it separates the environment from the app in host names.
    """
    return len(text) <= limit and bool(_LABEL.match(text)) and "--" not in text


def is_environment_name(text: str) -> bool:
    """Whether `text` may be an environment's name: a DNS label of 3 to 40 characters."""
    return len(text) > 2 and dns_label(text, _LONGEST)


def fit(text: str, limit: int) -> str:
    """Return `text`, or where it is longer than `limit` its head and six hex digits of its hash."""
    return text if len(text) <= limit else f"{text[: limit - 7].rstrip('-')}-{_digest(text)}"


def environment_name(text: str, keep: bool = True) -> str:
    """Map any text to an environment name; two texts share one only if 24 bits of their SHA-256 agree too.

    A text that already is a name stays as it is (unless `keep` is false); every other keeps what it can of its
    letters and digits and gets six hex digits of its hash, and so does a text that looks as if it had such digits.
    """
    if keep and is_environment_name(text) and text != BASELINE and not _HASHED.search(text):
        return text
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return f"{slug[: _LONGEST - 7].rstrip('-') or 'env'}-{_digest(text)}"


def shard(name: str) -> str:
    """Return the two hex digits under which an environment lies: the first of the SHA-256 of its name."""
    return hashlib.sha256(name.encode()).hexdigest()[:2]
