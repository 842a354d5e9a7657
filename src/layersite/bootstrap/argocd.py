"""Is Argo CD there, may the bot do what it has to, and does Argo CD believe the bot's events, and nobody else's?"""

from collections.abc import Callable, Sequence
from typing import Protocol

from layersite.bootstrap.finding import Area, Finding, ok, skipped, wrong
from layersite.bootstrap.objects import BOT_ROLE, RIGHTS, settings
from layersite.model.site import Site

__all__ = ["Server", "argocd_area"]

_OLDEST = 3
_NOBODY = "nobody"
"""A token for what anyone may ask."""
_NOWHERE = "https://nowhere.layersite.invalid/doctor.git"
"""A repository that no application has, so that an event about it moves nothing."""


class Server(Protocol):
    """Argo CD, as the bot's token and its webhook secret reach it."""

    def version(self) -> str:
        """Return the server's version; anyone may ask. Raises ArgoCDError."""

    def may(self, resource: str, action: str) -> bool:
        """Return whether the token may do that to all of the project. Raises ArgoCDError if it is no token."""

    def nudge(self, repository: str, branch: str, before: str, after: str, paths: Sequence[str]) -> tuple[str, ...]:
        """Tell the webhooks of a push; return what went wrong."""


def argocd_area(site: Site, connect: Callable[[str, str], Server], token: str, secret: str) -> Area:
    """Return the checks of Argo CD's addresses; `connect` takes a token and a webhook secret, right or wrong."""
    return {
        "Argo CD": lambda: _version(site, connect(_NOBODY, "")),
        "Argo CD's token": lambda: _token(site, connect, token),
        "Argo CD's webhooks": lambda: _webhooks(site, connect, secret),
    }


def _version(site: Site, server: Server) -> Finding:
    version = server.version()
    if int(version.lstrip("v").split(".")[0]) < _OLDEST:
        return wrong(f"it is {version}, and {_OLDEST}.0 is the oldest that is supported", "upgrade Argo CD")
    return ok(f"{settings(site).url} is Argo CD {version}")


def _token(site: Site, connect: Callable[[str, str], Server], token: str) -> Finding:
    project = settings(site).project
    if not token:
        mend = f"put what `argocd proj role create-token {project} {BOT_ROLE}` prints into LAYERSITE_ARGOCD_TOKEN"
        return skipped("LAYERSITE_ARGOCD_TOKEN is not set, without which the bot does not run", mend)
    server = connect(token, "")
    if missing := [f"{resource}, {action}" for resource, action in RIGHTS if not server.may(resource, action)]:
        mend = f"use a token of the role `{BOT_ROLE}` of the project `{project}`, which has them"
        return wrong(f"it lacks the rights: {'; '.join(missing)}", mend)
    return ok(f"it may follow the applications of the project `{project}`")


def _webhooks(site: Site, connect: Callable[[str, str], Server], secret: str) -> Finding:
    if not secret:
        mend = "put `webhook.github.secret` of Argo CD's Secret argocd-secret into LAYERSITE_ARGOCD_WEBHOOK_SECRET"
        return skipped("LAYERSITE_ARGOCD_WEBHOOK_SECRET is not set, so Argo CD looks every three minutes only", mend)
    if faults := _tell(connect(_NOBODY, secret)):
        return wrong("; ".join(faults))
    argocd = settings(site)
    addresses = [address for address in (argocd.url, argocd.applicationset_url) if address]
    if len(_tell(connect(_NOBODY, f"not {secret}"))) < len(addresses):
        mend = "set `webhook.github.secret` in Argo CD's Secret argocd-secret and restart what has the webhook"
        return wrong("an event is taken whoever signs it, so anyone may wake Argo CD", mend)
    if argocd.applicationset_url is None:
        text = "argocd-server takes signed events; a new environment still waits up to three minutes"
        return Finding("ok", text, "set `argocd.applicationset_url` in layersite.yaml to spare that")
    return ok("both take signed events, and refuse others")


def _tell(server: Server) -> tuple[str, ...]:
    return server.nudge(_NOWHERE, "main", "0" * 40, "0" * 40, ["doctor"])
