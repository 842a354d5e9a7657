"""What the bot signs in with, as variables tell it, and who is spoken to with that.

Imports stand in functions where they bring a client along: most commands need none, and start faster.
"""

import os
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING

from layersite.model.errors import LayersiteError
from layersite.model.site import ArgoCD as Settings
from layersite.model.site import Forge as ForgeSettings
from layersite.model.site import Site
from layersite.process import FORGE_TOKEN

if TYPE_CHECKING:
    from layersite.argocd import ArgoCD
    from layersite.registry import Registry

__all__ = ["ARGOCD_TOKEN", "WEBHOOK_SECRET", "connect", "digests", "take_token", "variable"]

ARGOCD_TOKEN, WEBHOOK_SECRET = "LAYERSITE_ARGOCD_TOKEN", "LAYERSITE_ARGOCD_WEBHOOK_SECRET"


def variable(name: str, what: str) -> str:
    """Return the environment variable `name`, which holds `what`. Raises LayersiteError where it is not set."""
    if not (value := os.environ.get(name, "")):
        raise LayersiteError(f"the variable {name} is not set; put {what} into it")
    return value


def take_token(forge: ForgeSettings) -> None:
    """Let the token that a workflow on this very GitHub is given be the forge's where that has none of its own."""
    is_here = forge.url is not None and forge.url.rstrip("/") == os.environ.get("GITHUB_SERVER_URL")
    if forge.kind == "github" and is_here and not os.environ.get(FORGE_TOKEN):
        os.environ[FORGE_TOKEN] = os.environ.get("GITHUB_TOKEN", "")


def connect(settings: Settings, token: str, secret: str) -> "ArgoCD":
    """Return the Argo CD of a site, to be spoken to with `token`, and told of pushes signed with `secret`."""
    from layersite.argocd import ArgoCD

    return ArgoCD(
        settings.url,
        token,
        project=settings.project,
        webhook_secret=secret,
        applicationset_url=settings.applicationset_url,
    )


def digests(site: Site) -> Callable[[Collection[str]], Mapping[str, str | None]]:
    """Return the question to the image registries; its client is made when it is first asked."""

    @cache
    def registry() -> "Registry":
        from layersite.registry import Registry

        return Registry(insecure=site.images.insecure_registries)

    return lambda references: registry().digests(references)
