"""Argo CD as the bot needs it: tell it of a push, wait for what it makes of that, and say what stands in the way."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from layersite.argocd import nudge
from layersite.argocd._http import Http, new_client
from layersite.argocd.differences import differences
from layersite.argocd.explain import explain
from layersite.argocd.gone import await_gone
from layersite.argocd.model import Difference, Patience, Result
from layersite.argocd.received import Application
from layersite.argocd.server import Server
from layersite.argocd.wait import await_synced
from layersite.model.standing import Trouble

__all__ = ["ArgoCD"]

_USUAL = Patience()


class ArgoCD:
    """The applications of one AppProject, `project`, at the argocd-server `url`, as `token` may see them.

    The token's role needs `applications, get`; `applications, sync` to end what hangs; `logs, get` for the last words
    of a crashing container; `applicationsets, get` for why there is no application. `webhook_secret` is Argo CD's
    `webhook.github.secret`; `applicationset_url` is the ApplicationSet controller's webhook. `verify` is a file of
    certificate authorities, or False to trust anyone. `timeout` in seconds bounds each answer.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        project: str,
        webhook_secret: str,
        applicationset_url: str | None = None,
        verify: bool | Path = True,
        timeout: float = 10,
    ) -> None:
        self._http = Http(url, token, project, verify, timeout)
        self._outside = new_client(verify, timeout)
        self._server = Server(self._http, project)
        self._secret = webhook_secret
        self._webhooks = [url, *([applicationset_url] if applicationset_url else [])]

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()
        self._outside.close()

    def version(self) -> str:
        """Return the server's version, such as `v3.6.1`. Raises ArgoCDError."""
        return self._server.version()

    def may(self, resource: str, action: str) -> bool:
        """Return whether the token may do `action` to every `resource` of the project. Raises ArgoCDError."""
        return self._server.may(resource, action, "*")

    def nudge(self, repository: str, branch: str, before: str, after: str, paths: Sequence[str]) -> tuple[str, ...]:
        """Tell Argo CD that a push moved `branch` and touched `paths`; return what went wrong, as it looks by itself.

        The applications whose paths hold none of `paths` are left alone; with no paths at all, every one is compared.
        """
        push = nudge.Push(repository, branch, before, after, paths)
        return nudge.post(push, self._secret, self._webhooks, self._outside)

    def applications(self) -> dict[str, Application]:
        """Return the project's applications by name, without their resources and conditions.

        Raises:
            ArgoCDError: Argo CD cannot be asked, or shows none though there may be some.
        """
        found = self._server.applications()
        if not found:
            self._server.require("*")
        return found

    def refresh(self, name: str, *, hard: bool = False) -> Application:
        """Have Argo CD compare one application with git now, `hard` without its caches, and return it then.

        Raises ArgoCDError.
        """
        return self._server.application(name, refresh="hard" if hard else "normal", timeout=60)

    def await_synced(
        self,
        wanted: Mapping[str, str],
        *,
        deadline: float,
        contains: Callable[[str, str], bool],
        patience: Patience = _USUAL,
        tell: Callable[[str], None] = lambda step: None,
    ) -> Iterator[Result]:
        """Wait until each application of `wanted` is healthy at its commit or a later one; give each once known.

        Args:
            wanted: name -> commit.
            deadline: seconds from now; what is still open then comes as `late`.
            contains: whether the commit given first has the second, a wanted one, in its history; it is asked
                once for each pair, and must fetch a commit that it does not know, as others push too.
            patience: when a trouble counts as failed for good.
            tell: is called when Argo CD cannot be reached, and when it can again.

        Raises:
            ArgoCDError: Argo CD refuses; that it does not answer for a while does not end the wait.
        """
        return await_synced(
            self._server,
            wanted,
            deadline=deadline,
            contains=contains,
            explain=self.explain,
            patience=patience,
            tell=tell,
        )

    def await_gone(
        self, names: Iterable[str], *, deadline: float, tell: Callable[[str], None] = lambda step: None
    ) -> Iterator[Result]:
        """Wait until each application is gone, by Argo CD's own word for each; give each once known.

        Raises:
            ArgoCDError: Argo CD refuses, so that nothing is known of any that is left.
        """
        return await_gone(self._server, names, deadline=deadline, explain=self.explain, tell=tell)

    def differences(self, name: str) -> tuple[Difference, ...]:
        """Return the objects of one application that are not in the cluster as committed. Raises ArgoCDError."""
        return differences(self._server.application(name), self._server.managed(name))

    def explain(self, name: str) -> tuple[Trouble, ...]:
        """Return what keeps one application from being healthy, at most eight. Raises ArgoCDError."""
        return explain(self._server, name)
