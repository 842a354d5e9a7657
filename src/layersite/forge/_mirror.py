"""The bare caches through which git reads repositories, one for each."""

import hashlib
from pathlib import Path

from layersite.process import git

__all__ = ["mirror"]


def mirror(cache: Path, url: str) -> Path:
    """Return the cache of the repository `url` below `cache`, made where it is missing. Raises ToolError."""
    path = cache / hashlib.sha256(url.encode()).hexdigest()[:16]
    if not (path / "HEAD").exists():
        git("init", "--quiet", "--bare", "--", str(path))
    return path
