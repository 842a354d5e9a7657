"""What the bot reads from, and hides in, texts that people write: descriptions, comments, URLs."""

import re

from layersite.model.errors import ForgeError

__all__ = ["declared_environment", "mark", "project_path", "slug", "unmark"]


def declared_environment(description: str) -> str | None:
    """Return the name on the description's first line `Environment: <name>` that is not commented out, or None."""
    shown = re.sub(r"(?s)<!--.*?(-->|\Z)", "", description)
    found = re.search(r"(?im)^[ \t]*Environment:[ \t]*(\S.*?)[ \t\r]*$", shown)
    return found[1] if found else None


def mark(key: str, body: str) -> str:
    """Return `body` as a comment that `unmark` recognises as the one for `key`; the mark is not shown."""
    return f"{_marker(key)}\n{_normal(body)}"


def unmark(key: str, comment: str) -> str | None:
    """Return the body of a comment that `mark` made for `key`, None if it is not one.

    The mark counts on the first line alone: what follows may quote anything.
    """
    first, _, body = _normal(comment).partition("\n")
    return body if first == _marker(key) else None


def _marker(key: str) -> str:
    return f"<!-- layersite: {key} -->"


def _normal(text: str) -> str:
    """Return `text` without what forges change by themselves: line ends and outer white space."""
    return text.replace("\r\n", "\n").strip()


def slug(url: str) -> str:
    """Return `owner/name` of a repository's git URL. Raises ForgeError."""
    found = re.search(r"(?:^|/)([^/]+/[^/]+?)(?:\.git)?/*$", _path(url))
    if not found:
        raise ForgeError(f"repository URL `{url}` does not end in owner/name; copy it from the forge's page")
    return found[1]


def project_path(url: str, forge: str) -> str:
    """Return the path of groups and project of a repository's git URL, on the server at `forge`. Raises ForgeError."""
    path = _path(url).strip("/").removesuffix(".git")
    if "://" in url:
        path = path.removeprefix(f"{_path(forge).strip('/')}/") if _path(forge) else path
    if "/" not in path:
        raise ForgeError(f"repository URL `{url}` does not end in group/project; copy it from the forge's page")
    return path


def _path(url: str) -> str:
    return re.sub(r"^([a-z+]+://[^/]*/?|[^/]*:)", "", url)
