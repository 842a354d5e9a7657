"""The bot's own comments on changes: one for each key, sent when it is news, read when it is not known."""

import contextlib
from collections.abc import Callable, Mapping

from layersite.forge._http import Http, MissingError
from layersite.forge._pull import Comment, User
from layersite.forge._text import mark, unmark
from layersite.model.change import Change

__all__ = ["OwnComments"]


class OwnComments:
    """Keeps one comment of the account `me` for each key; anyone else's marks count for nothing.

    `path` is where a change's comments are, or the one of an id; `what` says in an error what on the change was asked
    for; `edit` is the method that replaces a comment, `params` list no more than comments.
    """

    def __init__(
        self,
        http: Http,
        me: Callable[[], User],
        path: Callable[[Change, int | None], str],
        what: Callable[[Change, str], str],
        edit: str,
        params: Mapping[str, str],
    ) -> None:
        self._http = http
        self._me = me
        self._path = path
        self._what = what
        self._edit = edit
        self._params = params
        self._said: dict[tuple[str, str], tuple[int, str]] = {}
        self._silent: set[tuple[str, int | str]] = set()

    def learn(self, change: Change, is_silent: bool) -> None:
        """Remember whether the forge said that nobody has commented on a change: then there is nothing to read.

        Before the first word comments are listed all the same, for another run may have spoken since.
        """
        (self._silent.add if is_silent else self._silent.discard)(change.key)

    def read(self, change: Change, key: str) -> str | None:
        """Return what the comment for `key` says, None if there is none. Raises ForgeError."""
        if change.key in self._silent and (str(change), key) not in self._said:
            return None
        found = self._comments(change, key)
        return found[0][1] if found else None

    def say(self, change: Change, key: str, body: str) -> None:
        """Create or replace the comment for `key`; copies of it are removed. Raises ForgeError."""
        what, content = self._what(change, "a comment on"), {"body": mark(key, body)}
        found = self._comments(change, key)
        self._said.pop((str(change), key), None)  # what is there is not known while this may fail
        self._silent.discard(change.key)
        if not found:
            made = self._http.post(self._path(change, None), Comment, what, content)
            self._said[str(change), key] = (made.id, unmark(key, content["body"]) or "")
            return
        if mark(key, found[0][1]) != content["body"]:
            self._http.send(self._edit, self._path(change, found[0][0]), what, content)
        for number, _ in found[1:]:
            with contextlib.suppress(MissingError):  # another run was faster
                self._http.send("DELETE", self._path(change, number), what)
        self._said[str(change), key] = (found[0][0], unmark(key, content["body"]) or "")

    def _comments(self, change: Change, key: str) -> list[tuple[int, str]]:
        """Return id and body of the comments for `key`, oldest first."""
        if (known := self._said.get((str(change), key))) is not None:
            return [known]
        what = self._what(change, "the comments on")
        found = self._http.listing(self._path(change, None), Comment, what, lambda each: each.id, params=self._params)
        bodies = [(each.id, unmark(key, each.body)) for each in found if each.is_by(self._me())]
        comments = sorted((number, body) for number, body in bodies if body is not None)
        if len(comments) == 1:
            self._said[str(change), key] = comments[0]
        return comments
