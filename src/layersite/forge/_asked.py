"""What people ask the bot for by comments on changes, and who may."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from layersite.forge._http import ForbiddenError, Http, MissingError
from layersite.forge._pull import Comment, Reaction, User
from layersite.model.change import Change
from layersite.model.command import Asked, is_command

__all__ = ["Comments", "Thumbs"]

_MOST = 100
Stamp = tuple[str, int | None]
"""When a pull request last moved, and how many comments it has, where the forge says."""


@dataclass(frozen=True)
class Thumbs:
    """Where below a comment its reactions are, the key that holds one, and what up and down are called."""

    path: str = "reactions"
    key: str = "content"
    up: str = "+1"
    down: str = "-1"


class Comments:
    """Reads comments with the account `me`; a pull request whose stamp did not move is not asked for again.

    `path` is where a change's comments are, or the one of an id; `writes` tells whether somebody may push to
    its repository; `params` list no more than comments.
    """

    def __init__(
        self,
        http: Http,
        me: Callable[[], User],
        path: Callable[[Change, int | None], str],
        writes: Callable[[Change, User, str], bool],
        thumbs: Thumbs,
        params: Mapping[str, str],
    ) -> None:
        self._http = http
        self._me = me
        self._path = path
        self._writes = writes
        self._thumbs = thumbs
        self._params = params
        self._known: dict[tuple[str, int | str], tuple[Stamp, list[Asked]]] = {}
        self._answered: set[int] = set()

    def asked(self, change: Change, stamp: Stamp | None, what: str) -> list[Asked]:
        """Return what is asked on `change` and unanswered. Raises ForgeError."""
        if stamp is not None and stamp[1] == 0:
            return []
        known = self._known.get(change.key)
        if known is None or stamp is None or known[0] != stamp:
            path = self._path(change, None)
            found = self._http.listing(path, Comment, what, lambda each: each.id, params=self._params)
            asked = [
                Asked(change, each.id, each.by, each.body, self._refusal(change, each.user, what))
                for each in found
                if is_command(each.body) and not self._is_answered(change, each.id, what)
            ]
            known = self._known[change.key] = (stamp or ("", None), asked)
        return [each for each in known[1] if each.comment not in self._answered]

    def answer(self, asked: Asked, is_done: bool, what: str) -> None:
        """React to a comment once. Raises ForgeError."""
        if asked.comment not in self._answered:
            content = {self._thumbs.key: self._thumbs.up if is_done else self._thumbs.down}
            self._http.send("POST", f"{self._path(asked.change, asked.comment)}/{self._thumbs.path}", what, content)
            self._answered.add(asked.comment)

    def _is_answered(self, change: Change, comment: int, what: str) -> bool:
        if comment not in self._answered:
            path = f"{self._path(change, comment)}/{self._thumbs.path}"
            given = self._http.get(path, _Reactions, what, {"per_page": _MOST})
            if any(each.is_by(self._me()) for each in given or ()):
                self._answered.add(comment)
        return comment in self._answered

    def _refusal(self, change: Change, user: User | None, what: str) -> str:
        """Say why `user` may not ask for anything, nothing if they may."""
        try:
            may = user is not None and self._writes(change, user, what)
        except MissingError:
            return "its author is not known here any more"
        except ForbiddenError:
            return "the forge does not tell the bot who may write here; make its account an administrator of it"
        return "" if may else "only who may write to the repository may ask for something"


_Reactions: type[list[Reaction] | None] = list[Reaction] | None  # type: ignore[assignment] # it is a shape, not a class
