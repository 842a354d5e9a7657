"""The plain-git forge: every branch below a prefix of an ordinary repository is an open change."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from layersite.forge._mirror import mirror
from layersite.model.change import Change
from layersite.model.document import near_miss
from layersite.model.errors import ForgeError, ToolError
from layersite.model.site import Repository
from layersite.process import CommandError, git, said

__all__ = ["GitForge"]

_FIELDS = (
    "refname",
    "objectname",
    "authorname",
    "committerdate:iso-strict",
    "contents:subject",
    "trailers:only,unfold",
)


class GitForge:
    """Reads changes from repositories by URL or path, through one bare cache each.

    A branch `<prefix>42` is change number 42; any other has no number and is told by its branch, which is given
    without the prefix. Title, author and the trailers `Labels:` and `Environment:` are those of the
    head commit. Changed files are those since the merge base with the default branch, known for changes of the
    repositories in `files_of`, for it takes git a while for each change; None stands for all.
    """

    def __init__(
        self,
        repositories: Mapping[str, Repository],
        prefix: str,
        cache: Path,
        files_of: Collection[str] | None = None,
    ) -> None:
        self._repositories = repositories
        self._prefix = prefix
        self._cache = cache
        self._files_of = repositories if files_of is None else files_of

    def changes(self) -> list[Change]:
        """Return every branch below the prefix of every repository. Raises ForgeError if one cannot be read."""
        return [change for name in sorted(self._repositories) for change in self._changes_of(name)]

    def find(self, change: Change) -> Change | None:
        """Ask the repository for the change's branch alone. Raises ForgeError."""
        found = self._ls_remote(change.repository, f"refs/heads/{self._prefix}{change.branch}")
        return Change(change.repository, change.number, change.branch, found) if found else None

    def resolve(self, repository: str, ref: str) -> str:
        """Return the commit of a branch, else of a tag, else `ref` itself if it is a full id. Raises ForgeError."""
        if repository not in self._repositories:
            raise ForgeError(
                f"there is no repository `{repository}` in layersite.yaml{near_miss(repository, self._repositories)}"
            )
        for pattern in (f"refs/heads/{ref}", f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}"):
            if found := self._ls_remote(repository, pattern):
                return found
        if re.fullmatch(r"[0-9a-f]{40}", ref):
            return ref
        raise ForgeError(f"repository `{repository}` has no branch or tag `{ref}`; push it or name another")

    def _ls_remote(self, repository: str, pattern: str) -> str | None:
        try:
            answer = git("ls-remote", "--", self._repositories[repository].url, pattern, timeout=60)
        except ToolError as error:
            raise _unreachable(repository, error) from error
        exact = [line.split("\t")[0] for line in answer.splitlines() if line.endswith(f"\t{pattern}")]
        return exact[0] if exact else None

    def _changes_of(self, name: str) -> Iterator[Change]:
        repository = self._repositories[name]
        path = self._fetch(name, repository)
        form = "%00".join(f"%({field})" for field in _FIELDS) + "%00"
        listing = git("for-each-ref", f"--format={form}", "refs/changes/", cwd=path)
        fields = listing.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").split("\0")[:-1]
        for start in range(0, len(fields), len(_FIELDS)):
            refname, sha, author, date, title, trailers = fields[start : start + len(_FIELDS)]
            branch = refname.lstrip("\n").removeprefix("refs/changes/")
            number = re.fullmatch(r"[1-9]\d{0,8}", branch)
            marks = {key.lower(): value for key, value in re.findall(r"(?m)^([\w-]+):[ \t]*(.*?)[ \t]*$", trailers)}
            yield Change(
                repository=name,
                number=int(branch) if number else None,
                branch=branch,
                sha=sha,
                target=repository.branch,
                title=title,
                author=author,
                labels=tuple(label.strip() for label in marks.get("labels", "").split(",") if label.strip()),
                updated_at=date,
                files=self._files(path, sha) if name in self._files_of else None,
                environment=marks.get("environment") or None,
            )

    def _fetch(self, name: str, repository: Repository) -> Path:
        """Bring the mirror up to date: the branches below the prefix, and the default branch, without file contents."""
        refs = (f"+refs/heads/{self._prefix}*:refs/changes/*", f"+refs/heads/{repository.branch}:refs/target")
        try:
            path = mirror(self._cache, repository.url)
            options = ("--quiet", "--prune", "--no-tags", "--filter=blob:none")
            git("fetch", *options, "--", repository.url, *refs, cwd=path)
        except ToolError as error:
            raise _unreachable(name, error) from error
        return path

    def _files(self, path: Path, sha: str) -> tuple[str, ...] | None:
        try:
            listing = git("diff", "--name-only", "--no-renames", "-z", f"refs/target...{sha}", "--", cwd=path)
        except CommandError as error:
            if "no merge base" in error.stderr:  # a history of its own: nothing can be said to be unchanged
                return None
            raise
        return tuple(listing.split("\0")[:-1])


def _unreachable(repository: str, error: ToolError) -> ForgeError:
    return ForgeError(f"repository `{repository}` cannot be read, so nothing was decided: {said(error)}")
