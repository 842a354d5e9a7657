"""The Argo CD of a site: where it is, and how it reads what the bot commits."""

from typing import Annotated

from pydantic import Field

from layersite.model.document import Label, Matching, Model
from layersite.model.site.forge import HttpUrl

__all__ = ["ArgoCD", "RepositoryCredentials"]


class RepositoryCredentials(Model):
    """Where Argo CD finds how to read the environments repository: the entry `key` of a ClusterSecretStore.

    `bootstrap` renders an ExternalSecret (external-secrets.io) that takes `username` and `password` from it.
    """

    store: Annotated[str, Matching(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", "the name of a ClusterSecretStore", 253)]
    key: Annotated[str, Matching(r"^[^\s\x00-\x1f]+$", "the key of an entry of that store, without spaces")]


class ArgoCD(Model):
    """The Argo CD that syncs this site; without it the bot commits and waits for nothing.

    The bot's token is read from the variable LAYERSITE_ARGOCD_TOKEN, and the secret that signs what it tells the
    webhooks from LAYERSITE_ARGOCD_WEBHOOK_SECRET.
    """

    url: HttpUrl
    applicationset_url: HttpUrl | None = None
    """The ApplicationSet controller's webhook server; without it a new environment waits for Argo CD's next poll."""
    namespace: Label = "argocd"
    project: Label = "layersite"
    credentials: RepositoryCredentials | None = None
    timeout_minutes: Annotated[int, Field(ge=1, le=120)] = 10
    """How long an environment may take to become healthy, or to go away."""
