"""What a repository's files hold at a commit, of whatever forge: git speaks to all of them alike."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from layersite.forge._mirror import mirror
from layersite.model.errors import ForgeError, ToolError
from layersite.model.site import Repository
from layersite.process import git, said

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
        try:
            cache = mirror(self._cache, url)
            _fetch(cache, url, [sha])
            blobs = _blobs(cache, sha, folder)
            _fetch(cache, url, sorted(set(blobs.values())))
            return _texts(cache, blobs)
        except ToolError as error:
            raise ForgeError(f"repository `{repository}` cannot be read at {sha[:12]}: {said(error)}") from None


def _fetch(cache: Path, url: str, objects: Sequence[str]) -> None:
    """Fetch commits without their history and their files' contents, or such contents; all at once."""
    options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--depth=1", "--filter=blob:none", "--stdin")
    if objects:
        git("fetch", *options, "--", url, cwd=cache, stdin="\n".join(objects).encode() + b"\n")


def _blobs(cache: Path, sha: str, folder: str) -> dict[str, str]:
    """Return the ids of the files below `folder`, links left aside."""
    listing = git("ls-tree", "-r", "-z", sha, "--", f"{folder.strip('/')}/" if folder.strip("/.") else ".", cwd=cache)
    entries = [entry.partition("\t") for entry in listing.split("\0")[:-1]]
    if len(entries) > _LIMIT:
        raise ForgeError(f"`{folder}` holds {len(entries)} files; name the folder that holds migrations alone")
    return {path: head.split()[2] for head, _, path in entries if head.startswith("100")}


def _texts(cache: Path, blobs: Mapping[str, str]) -> dict[str, str]:
    told = git("cat-file", "--batch", cwd=cache, stdin="".join(f"{each}\n" for each in blobs.values()).encode())
    rest = told.encode("utf-8", "surrogateescape")
    found = {}
    for path in blobs:
        head, _, rest = rest.partition(b"\n")
        size = int(head.split()[2])
        with contextlib.suppress(UnicodeDecodeError):
            found[path] = rest[:size].decode("utf-8")
        rest = rest[size + 1 :]
    return found
