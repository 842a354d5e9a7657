"""A forge whose API is like GitHub's: every open pull request of the site's repositories is a change."""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from typing import ClassVar
from urllib.parse import quote

from layersite.forge._asked import Comments, Stamp, Thumbs
from layersite.forge._http import Http, MissingError
from layersite.forge._own import OwnComments
from layersite.forge._place import Place, Places, Repositories, check_access
from layersite.forge._pull import File, Permission, Pull, User, as_change
from layersite.forge._statuses import Statuses
from layersite.forge.status import Status
from layersite.model.change import Change
from layersite.model.command import Asked
from layersite.model.errors import ForgeError

__all__ = ["PullForge"]

_AT_ONCE = 8


class PullForge(ABC):
    """Reads changes from, and speaks on, the forge at `url`; what its pull requests are called is a subclass's.

    Changed files are asked for in the repositories `files_of` alone, by default in all, and kept for as long as
    neither head nor merge base moves. Its own comments and statuses are asked for once, and then remembered.
    """

    _needs: ClassVar[str]
    """What the token must be allowed."""
    _pull: ClassVar[type[Pull]]
    _list: ClassVar[str] = "pulls"
    _edit: ClassVar[str] = "PATCH"
    _thumbs: ClassVar[Thumbs] = Thumbs()
    _order: ClassVar[Mapping[str, str]]
    _written: ClassVar[Mapping[str, str]] = {}
    """Parameters that list pull requests from the oldest to the newest, and comments alone."""
    _shown: ClassVar[str] = "statuses/{}"
    """Where the statuses of a commit are read."""

    def __init__(
        self,
        repositories: Repositories,
        url: str,
        token: str,
        *,
        files_of: Collection[str] | None = None,
        timeout: float = 15,
    ) -> None:
        check_access(url, token, self._needs)
        self._http, self._places = self._reach(repositories, url.rstrip("/"), token, timeout)
        self._files_of = repositories if files_of is None else files_of
        self._files: dict[tuple[str, int, str, str, str], tuple[str, ...] | None] = {}
        self._statuses = Statuses(self._http, self._shown)
        self._stamps: dict[tuple[str, int], Stamp] = {}
        self._own = OwnComments(self._http, lambda: self._me, self._comments, self._on, self._edit, self._written)
        self._asked = Comments(self._http, lambda: self._me, self._comments, self._writes, self._thumbs, self._written)

    @abstractmethod
    def _reach(self, repositories: Repositories, url: str, token: str, timeout: float) -> tuple[Http, Places]:
        """Return the API of the forge at `url`, and where it has the repositories. Raises ForgeError."""

    @abstractmethod
    def _counted(self, place: Place) -> int:
        """Return how many pull requests are open, by another way than their list. Raises ForgeError."""

    @abstractmethod
    def _commit(self, place: Place, kind: str, ref: str) -> str | None:
        """Return the commit of a ref among the `branches` or `tags`, None if there is none. Raises ForgeError."""

    @abstractmethod
    def _user(self) -> User:
        """Return the token's own user. Raises ForgeError."""

    @abstractmethod
    def may_write(self, repository: str) -> bool:
        """Return whether the token may set statuses in a repository. Raises ForgeError."""

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
        return [self._as_change(place, pull, paths) for (place, pull), paths in zip(pulls, files, strict=True)]

    def find(self, change: Change) -> Change | None:
        """Ask for one pull request by its number; None if it is closed, merged or gone. Raises ForgeError."""
        if change.number is None:
            return None
        place = self._places[change.repository]
        what = place.what(f"{self._pull.noun} {change.number}")
        try:
            pull = self._http.get(f"{place.path}/{self._list}/{change.number}", self._pull, what)
        except MissingError:
            # Gone for certain only if this token can see the repository's pull requests at all.
            self._http.some(f"{place.path}/{self._list}", self._pull, place.what(f"its {self._pull.noun}s"))
            return None
        if pull.state != "open":
            return None
        files = self._files[_key(place, pull)] = self._changed(place, pull)
        return self._as_change(place, pull, files)

    def resolve(self, repository: str, ref: str) -> str:
        """Return the commit of a branch, else of a tag, else `ref` itself if it is a full id. Raises ForgeError."""
        place = self._places[repository]
        if not re.search(r"(^|/)(\.|/|$)|\.\.", ref):  # git allows no such name, and a server would take it for a path
            for kind in ("branches", "tags"):
                if found := self._commit(place, kind, ref):
                    return found
        self._counted(place)
        if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", ref):
            return ref
        raise ForgeError(f"repository `{repository}` has no branch or tag `{ref}`; push it or name another")

    def comment(self, change: Change, key: str) -> str | None:
        """Return what the bot's own comment for `key` says, None if there is none. Raises ForgeError."""
        return self._own.read(change, key)

    def say(self, change: Change, key: str, body: str) -> None:
        """Create or replace the bot's one comment for `key`; copies of it are removed. Raises ForgeError."""
        self._own.say(change, key, body)

    def asked(self, change: Change) -> list[Asked]:
        """Return what people ask for in comments that bear no reaction of the bot's account. Raises ForgeError."""
        if change.number is None:
            return []
        stamp = self._stamps.get((change.repository, change.number))
        return self._asked.asked(change, stamp, self._on(change, "what is asked on"))

    def answer(self, asked: Asked, is_done: bool) -> None:
        """React to a comment with a thumb, up or down. Raises ForgeError."""
        self._asked.answer(asked, is_done, self._on(asked.change, f"a reaction to comment {asked.comment} on"))

    def set_status(self, change: Change, status: Status) -> None:
        """Put `status` on the change's commit unless the newest of its context says the same. Raises ForgeError."""
        self._statuses.set(self._places[change.repository], change.sha, status)

    @cached_property
    def _me(self) -> User:
        return self._user()

    def _on(self, change: Change, text: str) -> str:
        return self._places[change.repository].what(f"{text} {self._pull.noun} {change.number}")

    def _comments(self, change: Change, comment: int | None) -> str:
        if change.number is None:
            raise ForgeError(f"`{change}` is no {self._pull.noun}, so there is nowhere to comment")
        return self._comment(self._places[change.repository], change.number, comment)

    def _comment(self, place: Place, number: int, comment: int | None) -> str:
        """Return where the comments on a pull request are, or the one of an id."""
        return f"{place.path}/issues/" + (f"{number}/comments" if comment is None else f"comments/{comment}")

    def _writes(self, change: Change, user: User, what: str) -> bool:
        path = f"{self._places[change.repository].path}/collaborators/{quote(user.login, safe='')}/permission"
        return self._http.get(path, Permission, what).may_write

    def _open(self, place: Place, count: "Future[int]") -> list[Pull]:
        """List what is open, and compare it with what was counted meanwhile, then with what is counted after it."""
        counts = iter([count.result])

        def check(found: Sequence[Pull]) -> str:
            if any(pull.state != "open" for pull in found):
                return "closed ones are listed as open"
            counted = next(counts, partial(self._counted, place))()
            # Counting too few is a known fault (go-gitea/gitea#27472) and hides nothing from a list that is longer.
            return f"{len(found)} are listed, but the repository counts {counted}" if counted > len(found) else ""

        path, what = f"{place.path}/{self._list}", place.what(f"its open {self._pull.noun}s")
        order = {"state": "open", **self._order}
        return self._http.listing(path, self._pull, what, lambda pull: pull.number, params=order, check=check)

    def _as_change(self, place: Place, pull: Pull, files: tuple[str, ...] | None) -> Change:
        """Return a pull request as a change, and remember what it says of its comments."""
        change = as_change(place.name, pull, files)
        self._stamps[place.name, pull.number] = (pull.updated_at, pull.comments)
        self._own.learn(change, pull.comments == 0)
        return change

    def _changed(self, place: Place, pull: Pull) -> tuple[str, ...] | None:
        """Return the paths that a pull request adds, changes, removes or moves, or None if they are not known."""
        if place.name not in self._files_of or _key(place, pull) in self._files:
            return self._files.get(_key(place, pull))
        found = self._files_in(place, pull.number)
        if found is None or len({file.filename for file in found}) < len(found):
            # A file that became a link, or back, is given twice but counted once, and as many others are left out.
            return None
        return tuple(sorted({path for file in found for path in (file.filename, file.previous_filename) if path}))

    def _files_in(self, place: Place, number: int) -> Sequence[File] | None:
        """List what a pull request changes, None if the forge does not tell all of it. Raises ForgeError."""
        path, what = f"{place.path}/pulls/{number}/files", place.what(f"the files of pull request {number}")
        return self._http.listing(path, File, what, lambda file: (file.filename, file.status))


def _key(place: Place, pull: Pull) -> tuple[str, int, str, str, str]:
    return place.name, pull.number, pull.sha, pull.target, pull.base_sha
