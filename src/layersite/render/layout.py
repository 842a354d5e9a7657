"""The files of one environment as bytes, and the git tree id of its manifests, known without a repository."""

import hashlib
from collections.abc import Mapping

__all__ = ["git_tree_id"]


def git_tree_id(files: Mapping[str, bytes]) -> str:
    """Return the SHA-1 id that git gives to a flat folder holding `files` (gitformat-pack, "tree" objects)."""
    entries = [b"100644 %s\0%s" % (name.encode(), _object(b"blob", files[name])) for name in sorted(files)]
    return _object(b"tree", b"".join(entries)).hex()


def _object(kind: bytes, content: bytes) -> bytes:
    return hashlib.sha1(b"%s %d\0%s" % (kind, len(content), content), usedforsecurity=False).digest()
