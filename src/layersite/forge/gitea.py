"""Gitea and Forgejo: every open pull request of the site's repositories is a change."""

import contextlib
import functools
import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote

from layersite.forge._gitea import Comment, CommitStatus, Counted, File, Permitted, Pull, Ref, User, as_change
from layersite.forge._gitea_asked import Comments, Stamp
from layersite.forge._http import Http, MissingError
from layersite.forge._text import mark, slug, unmark
from layersite.forge.status import Status
from layersite.model.change import Change
from layersite.model.command import Asked
from layersite.model.document import near_miss
from layersite.model.errors import ForgeError
from layersite.model.site import Repository

__all__ = ["GiteaForge"]

_AT_ONCE = 8
_VARIABLE = "LAYERSITE_FORGE_TOKEN"
_SCOPES = "read:user, write:issue and write:repository"
_ADVICE = {
    300: "the repository was renamed, or this is not the forge's own address; write the new one in layersite.yaml",
    400: "it does not accept this request; see whether its version is one that the documentation names",
    401: f"the token in {_VARIABLE} is wrong or was revoked; make a new one with the scopes {_SCOPES}",
    403: f"the token may not do this; it needs the scopes {_SCOPES}, and its user must be able to write here",
    404: "there is none, or the token's user may not see it; check `url` in layersite.yaml and the user's access",
    429: "too many requests; the next run asks again",
    500: "the forge is in trouble, see its log; nothing was decided and the next run asks again",
}


@dataclass(frozen=True)
class _Place:
    """A repository as people call it, and where the API has it."""

    name: str
    slug: str

    @property
    def path(self) -> str:
        return f"/repos/{quote(self.slug)}"

    def what(self, text: str) -> str:
        return f"repository `{self.name}` ({self.slug}): {text}"


class GiteaForge:
    """Reads changes from, and speaks on, the Gitea or Forgejo at `url` with an access token.

    Changed files are asked for in the repositories `files_of` alone, by default in all, and kept for as long as
    neither head nor merge base moves. Its own comments and statuses are asked for once, and then remembered.
    """

    def __init__(
        self,
        repositories: Mapping[str, Repository],
        url: str,
        token: str,
        *,
        files_of: Collection[str] | None = None,
        timeout: float = 15,
    ) -> None:
        if not re.fullmatch(r"https?://[^\s/@?#]+[^\s@?#]*", url):
            raise ForgeError(
                "the forge's `url` must be an http(s) address such as https://git.example.com, without user"
            )
        if not re.fullmatch(r"[!-~]+", token):
            raise ForgeError(f"{_VARIABLE} is empty or holds no token; make one with the scopes {_SCOPES}")
        headers = {"Authorization": f"token {token}"}
        self._http = Http(url.rstrip("/") + "/api/v1", headers, _ADVICE, timeout)
        self._places = {name: _Place(name, slug(each.url)) for name, each in sorted(repositories.items())}
        self._files_of = self._places.keys() if files_of is None else files_of
        self._files: dict[tuple[str, int, str, str], tuple[str, ...] | None] = {}
        self._said: dict[tuple[str, str], tuple[int, str]] = {}
        self._statuses: dict[tuple[str, str], Status] = {}
        self._stamps: dict[tuple[str, int], Stamp] = {}
        self._asked = Comments(self._http, lambda: self._me)

    def close(self) -> None:
        """Give the connections to the forge back."""
        self._http.close()

    def changes(self) -> list[Change]:
        """Return every open pull request of every repository. Raises ForgeError if one cannot be read in full."""
        with ThreadPoolExecutor(_AT_ONCE) as pool, ThreadPoolExecutor(_AT_ONCE) as counting:
            places = self._places.values()
            counts = [counting.submit(self._counted, place) for place in places]
            listed = pool.map(self._open, places, counts)
            pulls = [(place, pull) for place, found in zip(places, listed, strict=True) for pull in found]
            files = list(pool.map(lambda each: self._changed(*each), pulls))
        self._files = {_key(*each): paths for each, paths in zip(pulls, files, strict=True)}
        self._stamps = {(place.name, pull.number): (pull.updated_at, pull.comments) for place, pull in pulls}
        return [as_change(place.name, pull, paths) for (place, pull), paths in zip(pulls, files, strict=True)]

    def find(self, change: Change) -> Change | None:
        """Ask for one pull request by its number; None if it is closed, merged or gone. Raises ForgeError."""
        if change.number is None:
            return None
        place = self._place(change.repository)
        what = place.what(f"pull request {change.number}")
        try:
            pull = self._http.get(f"{place.path}/pulls/{change.number}", Pull, what)
        except MissingError:
            # Gone for certain only if this token can see the repository's pull requests at all.
            self._http.get(f"{place.path}/pulls", list[Pull], place.what("its pull requests"), {"limit": 1})
            return None
        return as_change(place.name, pull) if pull.state == "open" else None

    def resolve(self, repository: str, ref: str) -> str:
        """Return the commit of a branch, else of a tag, else `ref` itself if it is a full id. Raises ForgeError."""
        place = self._place(repository)
        for kind in ("branches", "tags"):
            if found := self._ref(place, kind, ref):
                return found
        self._http.get(place.path, Counted, place.what("the repository"))
        if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", ref):
            return ref
        raise ForgeError(f"repository `{repository}` has no branch or tag `{ref}`; push it or name another")

    def comment(self, change: Change, key: str) -> str | None:
        """Return what the bot's own comment for `key` says, None if there is none. Raises ForgeError."""
        found = self._comments(change, key)
        return found[0][1] if found else None

    def say(self, change: Change, key: str, body: str) -> None:
        """Create or replace the bot's one comment for `key`; copies of it are removed. Raises ForgeError."""
        place = self._place(change.repository)
        what, content = place.what(f"a comment on pull request {change.number}"), {"body": mark(key, body)}
        found = self._comments(change, key)
        self._said.pop((str(change), key), None)  # what is there is not known while this may fail
        if not found:
            self._http.send("POST", _comments_path(place, change), what, content)
            return
        if mark(key, found[0][1]) != content["body"]:
            self._http.send("PATCH", f"{place.path}/issues/comments/{found[0][0]}", what, content)
        for number, _ in found[1:]:
            with contextlib.suppress(MissingError):  # another run was faster
                self._http.send("DELETE", f"{place.path}/issues/comments/{number}", what)
        self._said[str(change), key] = (found[0][0], unmark(key, content["body"]) or "")

    def asked(self, change: Change) -> list[Asked]:
        """Return what people ask for in comments that bear no reaction of the bot's account. Raises ForgeError."""
        if change.number is None:
            return []
        place = self._place(change.repository)
        stamp = self._stamps.get((change.repository, change.number))
        what = place.what(f"what is asked on pull request {change.number}")
        return self._asked.asked(change, stamp, place.path, what)

    def answer(self, asked: Asked, is_done: bool) -> None:
        """React to a comment with a thumb, up or down. Raises ForgeError."""
        place = self._place(asked.change.repository)
        self._asked.answer(asked, is_done, place.path, place.what(f"a reaction to comment {asked.comment}"))

    def set_status(self, change: Change, status: Status) -> None:
        """Put `status` on the change's commit unless the newest of its context says the same. Raises ForgeError."""
        place = self._place(change.repository)
        path, what = f"{place.path}/statuses/{change.sha}", place.what(f"the statuses of commit {change.sha}")
        key = (path, status.context)
        if self._statuses.get(key) == status or (key not in self._statuses and self._shows(path, what, status)):
            return
        self._statuses.pop(key, None)
        content = {"state": status.state, "description": status.description, "target_url": status.url}
        self._http.send("POST", path, what, {**content, "context": status.context})
        self._statuses[key] = status

    def _shows(self, path: str, what: str, status: Status) -> bool:
        found = self._http.listing(path, CommitStatus, what, lambda each: each.id)
        same = [each for each in found if each.context == status.context]
        return bool(same) and max(same, key=lambda each: each.id).says(status)

    def may_write(self, repository: str) -> bool:
        """Return whether the token's account may push to a repository, and so set statuses. Raises ForgeError."""
        place = self._place(repository)
        return self._http.get(place.path, Permitted, place.what("the repository")).permissions.push

    @functools.cached_property
    def _me(self) -> User:
        return self._http.get("/user", User, "the token's own user")

    def _place(self, repository: str) -> _Place:
        if repository not in self._places:
            raise ForgeError(
                f"there is no repository `{repository}` in layersite.yaml{near_miss(repository, self._places)}"
            )
        return self._places[repository]

    def _counted(self, place: _Place) -> int:
        return self._http.get(place.path, Counted, place.what("the repository")).open_pr_counter

    def _open(self, place: _Place, count: "Future[int]") -> list[Pull]:
        """List what is open, and compare it with what was counted meanwhile, then with what is counted after it."""
        counts = iter([count.result])

        def check(found: Sequence[Pull]) -> str:
            if any(pull.state != "open" for pull in found):
                return "closed ones are listed as open"
            counted = next(counts, functools.partial(self._counted, place))()
            # Counting too few is a known fault (go-gitea/gitea#27472) and hides nothing from a list that is longer.
            return f"{len(found)} are listed, but the repository counts {counted}" if counted > len(found) else ""

        path, what = f"{place.path}/pulls", place.what("its open pull requests")
        order = {"state": "open", "sort": "oldest"}
        return self._http.listing(path, Pull, what, lambda pull: pull.number, params=order, check=check)

    def _changed(self, place: _Place, pull: Pull) -> tuple[str, ...] | None:
        """Return the paths that a pull request adds, changes, removes or moves, or None if they are not known."""
        if place.name not in self._files_of or _key(place, pull) in self._files:
            return self._files.get(_key(place, pull))
        path, what = f"{place.path}/pulls/{pull.number}/files", place.what(f"the files of pull request {pull.number}")
        found = self._http.listing(path, File, what, lambda file: (file.filename, file.status))
        if len({file.filename for file in found}) < len(found):
            # A file that became a link, or back, is given twice but counted once, and as many others are left out.
            return None
        return tuple(sorted({path for file in found for path in (file.filename, file.previous_filename) if path}))

    def _ref(self, place: _Place, kind: str, ref: str) -> str | None:
        if re.search(r"(^|/)(\.|/|$)|\.\.", ref):  # git allows no such name, and a server would take it for a path
            return None
        try:
            found = self._http.get(f"{place.path}/{kind}/{quote(ref)}", Ref, place.what(f"`{ref}` among its {kind}"))
        except MissingError:
            return None
        return found.commit.sha if found.name == ref else None

    def _comments(self, change: Change, key: str) -> list[tuple[int, str]]:
        """Return id and body of the bot's comments for `key`, oldest first; anyone else's marks count for nothing."""
        if (known := self._said.get((str(change), key))) is not None:
            return [known]
        place = self._place(change.repository)
        what = place.what(f"the comments on pull request {change.number}")
        found = self._http.listing(_comments_path(place, change), Comment, what, lambda each: each.id)
        bodies = [(each.id, unmark(key, each.body)) for each in found if each.user.id == self._me.id]
        comments = sorted((number, body) for number, body in bodies if body is not None)
        if len(comments) == 1:
            self._said[str(change), key] = comments[0]
        return comments


def _key(place: _Place, pull: Pull) -> tuple[str, int, str, str]:
    return place.name, pull.number, pull.head.sha, pull.merge_base


def _comments_path(place: _Place, change: Change) -> str:
    if change.number is None:
        raise ForgeError(f"`{change}` is no pull request, so there is nowhere to comment")
    return f"{place.path}/issues/{change.number}/comments"
