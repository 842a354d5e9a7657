"""GitHub, on github.com and on Enterprise: every open pull request of the site's repositories is a change."""

import re
from collections.abc import Collection, Mapping
from urllib.parse import quote

from layersite.forge._github import Counted, Pull, Ref, Reply, Tag
from layersite.forge._http import ForbiddenError, Http, InvalidError, MissingError, Paging
from layersite.forge._place import Place, Places, Repositories
from layersite.forge._pull import File, User
from layersite.forge._pulls import PullForge
from layersite.model.errors import ForgeError
from layersite.process import FORGE_TOKEN

__all__ = ["GitHubForge"]

_RIGHTS = "the permissions contents: read, and issues, pull requests and commit statuses: write"
_ADVICE = {
    300: "the repository was renamed, or this is not the forge's own address; write the new one in layersite.yaml",
    400: "it does not accept this request; see whether its version is one that the documentation names",
    401: f"the token in {FORGE_TOKEN} is wrong, expired or was revoked; make a new one with {_RIGHTS}",
    403: f"the token may not do this; it needs {_RIGHTS} in this repository",
    404: "there is none, or the token may not see it; check `url` in layersite.yaml, and that it has this repository",
    500: "the forge is in trouble, see its status page; nothing was decided and the next run asks again",
}
_NO_COMMIT = "0" * 40
_MOST_FILES = 3000
"""So many changed files GitHub tells, and no more."""


class GitHubForge(PullForge):
    """Reads changes from, and speaks on, the GitHub at `url` with a person's token, an app's or a workflow's own."""

    _needs = _RIGHTS
    _pull = Pull
    _order = {"sort": "created", "direction": "asc"}
    _shown = "commits/{}/statuses"

    def _reach(self, repositories: Repositories, url: str, token: str, timeout: float) -> tuple[Http, Places]:
        cloud = re.fullmatch(r"(https?)://(github\.com|[a-z0-9-]+\.ghe\.com)", url)
        api, rest = (f"{cloud[1]}://api.{cloud[2]}", "") if cloud else (f"{url}/api", "/v3")
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
        http = Http(api, headers, _ADVICE, timeout, Paging("per_page", 100))
        return http, Places(repositories, lambda slug: f"{rest}/repos/{quote(slug)}")

    def may_write(self, repository: str) -> bool:
        """Return whether the token may set statuses in a repository. Raises ForgeError.

        What GitHub says of rights is a person's and not the token's, so one is set on a commit that cannot exist.
        """
        place = self._places[repository]
        path, content = f"{place.path}/statuses/{_NO_COMMIT}", {"state": "success", "context": "layersite"}
        try:
            self._http.send("POST", path, place.what("a status of no commit"), content)
        except InvalidError:
            return True
        except (ForbiddenError, MissingError):
            self._counted(place)
            return False
        raise ForgeError(f"{place.what('a status of no commit')} was taken; see whether a proxy answers in its place")

    def _user(self) -> User:
        # An app has no `/user`, but it is its own viewer.
        reply = self._query("the token's own account", "query { viewer { databaseId login } }", {})
        if reply.data is None or reply.data.viewer is None:
            raise _unclear("the token's own account", reply)
        return reply.data.viewer.user

    def _counted(self, place: Place) -> int:
        what = place.what("the number of its open pull requests")
        owner, name = place.slug.split("/")
        query = (
            "query ($owner: String!, $name: String!) "
            "{ repository(owner: $owner, name: $name) { pullRequests(states: OPEN) { totalCount } } }"
        )
        reply = self._query(what, query, {"owner": owner, "name": name})
        if reply.data is None or reply.data.repository is None:
            raise _unclear(what, reply)
        return reply.data.repository.pulls.total

    def _query(self, what: str, query: str, variables: Mapping[str, str]) -> Reply:
        return self._http.post("/graphql", Reply, what, {"query": query, "variables": variables})

    def _commit(self, place: Place, kind: str, ref: str) -> str | None:
        full = f"{'heads' if kind == 'branches' else kind}/{ref}"
        what = place.what(f"`{ref}` among its {kind}")
        try:
            found: Ref | Tag = self._http.get(f"{place.path}/git/ref/{quote(full)}", Ref, what)
        except MissingError:
            return None
        if isinstance(found, Ref) and found.ref != f"refs/{full}":
            return None
        while found.object.type == "tag":
            found = self._http.get(f"{place.path}/git/tags/{found.object.sha}", Tag, what)
        return found.object.sha if found.object.type == "commit" else None

    def _files_in(self, place: Place, number: int) -> list[File] | None:
        path, what = f"{place.path}/pulls/{number}", place.what(f"the files of pull request {number}")
        count = self._http.get(path, Counted, what).changed_files
        if count > _MOST_FILES:
            return None

        def check(found: Collection[File]) -> str:
            return "" if len(found) == count else f"{len(found)} are listed, but it counts {count}"

        return self._http.listing(f"{path}/files", File, what, lambda file: (file.filename, file.status), check=check)


def _unclear(what: str, reply: Reply) -> ForgeError:
    types = ", ".join(sorted({fault.type for fault in reply.errors})) or "no reason"
    mend = "too many requests, a later run goes on" if "RATE_LIMITED" in types else f"the token needs {_RIGHTS}"
    return ForgeError(f"{what}: GitHub told nothing and gave {types}: {mend}; nothing was decided")
