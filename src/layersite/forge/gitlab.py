"""GitLab, at gitlab.com or anywhere: every open merge request of the site's repositories is a change."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar
from urllib.parse import quote

from layersite.forge._asked import Thumbs
from layersite.forge._gitlab import Alone, CommitStatus, Counted, Diff, Member, MergeRequest, Ref
from layersite.forge._http import Http, MissingError, Paging
from layersite.forge._place import Place, Places, Repositories
from layersite.forge._pull import File, Pull, User
from layersite.forge._pulls import PullForge
from layersite.forge._text import project_path
from layersite.forge.status import Status
from layersite.model.change import Change
from layersite.model.errors import ForgeError
from layersite.process import FORGE_TOKEN

__all__ = ["GitLabForge"]

_NEEDS = "the scope api and the role Developer"
_ADVICE = {
    300: "the project was moved, or this is not the forge's own address; write the new one in layersite.yaml",
    400: "it does not accept this request; see whether its version is one that the documentation names",
    401: f"the token in {FORGE_TOKEN} is wrong, has expired or was revoked; make a new one with {_NEEDS}",
    403: f"the token may not do this; it needs {_NEEDS}",
    404: "there is none, or the token may not see it; check `url` in layersite.yaml and its memberships",
    500: "the forge is in trouble, see its log; nothing was decided and the next run asks again",
}
_COUNT = "query($path: ID!) { project(fullPath: $path) { mergeRequests(state: opened) { count } } }"


class GitLabForge(PullForge):
    """Reads changes from, and speaks on, the GitLab at `url` with a personal, group or project access token."""

    _needs = _NEEDS
    _pull = MergeRequest
    _list = "merge_requests"
    _order: ClassVar = {"state": "opened", "scope": "all", "order_by": "created_at", "sort": "asc"}
    _edit = "PUT"
    # Of references from where the token may not look, GitLab counts what it does not list.
    _written: ClassVar = {"activity_filter": "only_comments"}
    _thumbs = Thumbs("award_emoji", "name", "thumbsup", "thumbsdown")

    def _reach(self, repositories: Repositories, url: str, token: str, timeout: float) -> tuple[Http, Places]:
        paging = Paging("per_page", 50, "X-Total")
        http = Http(f"{url}/api", {"PRIVATE-TOKEN": token}, _ADVICE, timeout, paging)
        self._forks: set[tuple[str, int | str]] = set()
        self._seen: dict[tuple[str, str, str], CommitStatus] = {}
        return http, Places(repositories, _path, partial(project_path, forge=url))

    def may_write(self, repository: str) -> bool:
        """Return whether the token's account is a developer of a project, and may set statuses. Raises ForgeError."""
        place = self._places[repository]
        return self._is_developer(place, self._me, place.what("the token's own membership"))

    def say(self, change: Change, key: str, body: str) -> None:
        """Create or replace the bot's one note for `key`, no line of which is a quick action. Raises ForgeError."""
        super().say(change, key, re.sub(r"(?m)^(\s*)/(?=\w+(\s|$))", r"\1\\/", body))

    def set_status(self, change: Change, status: Status) -> None:
        """Move the status on the change's commit, unless the newest of its name says the same. Raises ForgeError."""
        place = self._places[change.repository]
        what, key = place.what(f"the statuses of commit {change.sha}"), (change.repository, change.sha, status.context)
        # A fork's branch may be called as one of the project's own, whose pipelines are others.
        ref = f"refs/merge-requests/{change.number}/head" if change.key in self._forks else change.branch
        before = self._seen.get(key) or self._newest(place, change.sha, {"name": status.context, "ref": ref}, what)
        if before is not None:
            self._seen[key] = before
        state = CommitStatus.after(before, status)
        if state is None:
            return
        told = {"description": status.description, **({"target_url": status.url} if status.url else {})}
        content = {"state": state, "name": status.context, "ref": ref, **told}
        self._seen.pop(key, None)  # what is there is not known while this may fail
        self._seen[key] = self._http.post(f"{place.path}/statuses/{change.sha}", CommitStatus, what, content)

    def _newest(self, place: Place, sha: str, params: Mapping[str, str], what: str) -> CommitStatus | None:
        path = f"{place.path}/repository/commits/{sha}/statuses"
        found = self._http.listing(path, CommitStatus, what, lambda each: each.id, params=params)
        return max(found, key=lambda each: each.id, default=None)

    def _user(self) -> User:
        return self._http.get("/v4/user", User, "the token's own user")

    def _counted(self, place: Place) -> int:
        content = {"query": _COUNT, "variables": {"path": place.slug}}
        found = self._http.post("/graphql", Counted, place.what("how many merge requests are open"), content)
        if found.data.project is None:
            raise ForgeError(f"{place.what('the project')}: {_ADVICE[404]}")
        return found.data.project.merge_requests.count

    def _commit(self, place: Place, kind: str, ref: str) -> str | None:
        path, what = f"{place.path}/repository/{kind}/{quote(ref, safe='')}", place.what(f"`{ref}` among its {kind}")
        try:
            found = self._http.get(path, Ref, what)
        except MissingError:
            return None
        return found.commit.id if found.name == ref else None

    def _comment(self, place: Place, number: int, comment: int | None) -> str:
        notes = f"{place.path}/merge_requests/{number}/notes"
        return notes if comment is None else f"{notes}/{comment}"

    def _writes(self, change: Change, user: User, what: str) -> bool:
        return self._is_developer(self._places[change.repository], user, what)

    def _is_developer(self, place: Place, user: User, what: str) -> bool:
        try:
            return self._http.get(f"{place.path}/members/all/{user.id}", Member, what).is_developer
        except MissingError:
            return False

    def _as_change(self, place: Place, pull: Pull, files: tuple[str, ...] | None) -> Change:
        change = super()._as_change(place, pull, files)
        (self._forks.add if change.fork else self._forks.discard)(change.key)
        return change

    def _files_in(self, place: Place, number: int) -> Sequence[File] | None:
        path, what = f"{place.path}/merge_requests/{number}", place.what(f"the files of merge request {number}")
        counted = self._http.get(path, Alone, what).changes_count
        found = self._http.listing(f"{path}/diffs", Diff, what, lambda each: each, params={"per_page": 20})
        return found if counted == str(len(found)) else None


def _path(project: str) -> str:
    return f"/v4/projects/{quote(project, safe='')}"
