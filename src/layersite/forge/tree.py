"""What a repository's files hold at a commit, of whatever forge: git speaks to all of them alike."""

import contextlib
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from layersite.model.errors import ForgeError, ToolError
from layersite.model.site import Repository
from layersite.process import CommandError, git

__all__ = ["GitTrees"]

_LIMIT = 5000
"""How many files one folder may give: more are no folder of migrations."""


class GitTrees:
    """Reads folders at commits through one bare cache per repository, which holds only what was read."""

    def __init__(self, repositories: Mapping[str, Repository], cache: Path) -> None:
        self._repositories = repositories
        self._cache = cache

    def read(self, repository: str, sha: str, folder: str) -> dict[str, str]:
        """Return every file below `folder` at the commit `sha` that is UTF-8, by its path in the repository.

        Raises:
            ForgeError: the commit cannot be read, or the folder holds far too much.
        """
        url = self._repositories[repository].url
        mirror = self._cache / hashlib.sha256(url.encode()).hexdigest()[:16]
        try:
            if not (mirror / "HEAD").exists():
                git("init", "--quiet", "--bare", "--", str(mirror))
            _fetch(mirror, url, [sha])
            blobs = _blobs(mirror, sha, folder)
            _fetch(mirror, url, sorted(set(blobs.values())))
            return _texts(mirror, blobs)
        except ToolError as error:
            said = error.stderr if isinstance(error, CommandError) else str(error)
            said = re.sub(r"(\w+://)[^/@\s]+@", r"\1***@", said)
            raise ForgeError(f"repository `{repository}` cannot be read at {sha[:12]}: {said}") from None


def _fetch(mirror: Path, url: str, objects: Sequence[str]) -> None:
    """Fetch commits without their history and their files' contents, or such contents; all at once."""
    options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--depth=1", "--filter=blob:none", "--stdin")
    if objects:
        git("fetch", *options, "--", url, cwd=mirror, stdin="\n".join(objects).encode() + b"\n")


def _blobs(mirror: Path, sha: str, folder: str) -> dict[str, str]:
    """Return the ids of the files below `folder`, links left aside."""
    listing = git("ls-tree", "-r", "-z", sha, "--", f"{folder.strip('/')}/" if folder.strip("/.") else ".", cwd=mirror)
    entries = [entry.partition("\t") for entry in listing.split("\0")[:-1]]
    if len(entries) > _LIMIT:
        raise ForgeError(f"`{folder}` holds {len(entries)} files; name the folder that holds migrations alone")
    return {path: head.split()[2] for head, _, path in entries if head.startswith("100")}


def _texts(mirror: Path, blobs: Mapping[str, str]) -> dict[str, str]:
    said = git("cat-file", "--batch", cwd=mirror, stdin="".join(f"{each}\n" for each in blobs.values()).encode())
    rest = said.encode("utf-8", "surrogateescape")
    found = {}
    for path in blobs:
        head, _, rest = rest.partition(b"\n")
        size = int(head.split()[2])
        with contextlib.suppress(UnicodeDecodeError):
            found[path] = rest[:size].decode("utf-8")
        rest = rest[size + 1 :]
    return found
