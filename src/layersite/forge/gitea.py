"""Gitea and Forgejo: every open pull request of the site's repositories is a change."""

from urllib.parse import quote

from layersite.forge._gitea import Counted, Permitted, Pull, Ref
from layersite.forge._http import Http, MissingError, Paging
from layersite.forge._place import Place, Places, Repositories
from layersite.forge._pull import User
from layersite.forge._pulls import PullForge
from layersite.process import FORGE_TOKEN

__all__ = ["GiteaForge"]

_SCOPES = "the scopes read:user, write:issue and write:repository"
_ADVICE = {
    300: "the repository was renamed, or this is not the forge's own address; write the new one in layersite.yaml",
    400: "it does not accept this request; see whether its version is one that the documentation names",
    401: f"the token in {FORGE_TOKEN} is wrong or was revoked; make a new one with {_SCOPES}",
    403: f"the token may not do this; it needs {_SCOPES}, and its user must be able to write here",
    404: "there is none, or the token's user may not see it; check `url` in layersite.yaml and the user's access",
    500: "the forge is in trouble, see its log; nothing was decided and the next run asks again",
}


class GiteaForge(PullForge):
    """Reads changes from, and speaks on, the Gitea or Forgejo at `url` with an access token."""

    _needs = _SCOPES
    _pull = Pull
    _order = {"sort": "oldest"}

    def _reach(self, repositories: Repositories, url: str, token: str, timeout: float) -> tuple[Http, Places]:
        headers, paging = {"Authorization": f"token {token}"}, Paging("limit", 50, "X-Total-Count")
        http = Http(f"{url}/api/v1", headers, _ADVICE, timeout, paging)
        return http, Places(repositories, lambda slug: f"/repos/{quote(slug)}")

    def may_write(self, repository: str) -> bool:
        """Return whether the token's account may push to a repository, and so set statuses. Raises ForgeError."""
        place = self._places[repository]
        return self._http.get(place.path, Permitted, place.what("the repository")).permissions.push

    def _user(self) -> User:
        return self._http.get("/user", User, "the token's own user")

    def _counted(self, place: Place) -> int:
        return self._http.get(place.path, Counted, place.what("the repository")).open_pr_counter

    def _commit(self, place: Place, kind: str, ref: str) -> str | None:
        try:
            found = self._http.get(f"{place.path}/{kind}/{quote(ref)}", Ref, place.what(f"`{ref}` among its {kind}"))
        except MissingError:
            return None
        return found.commit.sha if found.name == ref else None
