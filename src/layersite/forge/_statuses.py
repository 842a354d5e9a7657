"""The bot's own statuses of commits: sent when they are news, read when they are not known."""

from layersite.forge._http import Http
from layersite.forge._place import Place
from layersite.forge._pull import CommitStatus
from layersite.forge.status import Status

__all__ = ["Statuses"]


class Statuses:
    """Remembers what was last said of each commit; `shown` is where below a repository the statuses of one are read."""

    def __init__(self, http: Http, shown: str) -> None:
        self._http = http
        self._shown = shown
        self._said: dict[tuple[str, str, str], Status] = {}

    def set(self, place: Place, sha: str, status: Status) -> None:
        """Put `status` on a commit unless the newest of its context says the same. Raises ForgeError."""
        what, key = place.what(f"the statuses of commit {sha}"), (place.name, sha, status.context)
        if self._said.get(key) == status or (key not in self._said and self._shows(place, sha, status, what)):
            return
        self._said.pop(key, None)  # what is there is not known while this may fail
        content = {"state": status.state, "description": status.description, "context": status.context}
        target = {"target_url": status.url} if status.url else {}
        self._http.send("POST", f"{place.path}/statuses/{sha}", what, {**content, **target})
        self._said[key] = status

    def _shows(self, place: Place, sha: str, status: Status, what: str) -> bool:
        path = f"{place.path}/{self._shown.format(sha)}"
        found = self._http.listing(path, CommitStatus, what, lambda each: each.id)
        newest = max((each for each in found if each.context == status.context), key=lambda each: each.id, default=None)
        return newest is not None and newest.says(status)
