"""An app as its `apps/<app>/app.yaml` describes it: where its manifests, images and secrets are, and what it needs."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from layersite.model.document import Label, Many, Matching, Model
from layersite.model.site import Cidr, Provision

__all__ = ["App", "Base", "Expose", "External", "Helm", "Image", "Need", "Secret"]

_TAG = r"^(?![.-])([A-Za-z0-9_.-]|\{(sha|short_sha|branch|number)\})+$"
RelativePath = Annotated[str, Matching(r"^(?![/-])(?!(.*/)?\.\.(/|$))[^\x00-\x1f]+$", "a path inside the app's folder")]


class Helm(Model):
    """A chart in the app's folder, rendered by `helm template`."""

    chart: RelativePath
    release: Label | None = None
    values: Many[RelativePath] = ()


class Base(Model):
    """Where the app's manifests come from: one of a folder of plain YAML, a kustomization, a Helm chart."""

    directory: RelativePath | None = None
    kustomize: RelativePath | None = None
    helm: Helm | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "Base":
        if sum(source is not None for source in (self.directory, self.kustomize, self.helm)) != 1:
            raise ValueError("give exactly one of `directory`, `kustomize` and `helm`")
        return self


class External(Model):
    """Something outside the cluster: its host name, the ports it is called on, and its networks if they are known."""

    host: Annotated[str, Matching(r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$", "a host name or an IP address", 253)]
    ports: Many[Annotated[int, Field(ge=1, le=65535)]] = Field((443,), min_length=1)
    cidrs: Many[Cidr] = ()


class Image(Model):
    """Replace the image `name` of the base. `tag` may hold `{sha}`, `{short_sha}`, `{branch}` and `{number}`."""

    name: Annotated[
        str, Matching(r"^[^\s:@]+(:\d+/[^\s:@]+)?$", "an image as the base names it, without tag and digest")
    ]
    repository: (
        Annotated[str, Matching(r"^[a-z0-9][a-z0-9._-]*(:\d+)?(/[a-z0-9._-]+)*$", "an image name without tag")] | None
    ) = None
    tag: (
        Annotated[str, Matching(_TAG, "a tag, in which {sha}, {short_sha}, {branch} and {number} may stand")] | None
    ) = None
    digest: Annotated[str, Matching(r"^sha256:[0-9a-f]{64}$", "sha256: and 64 hex digits")] | None = None

    @model_validator(mode="after")
    def _is_tag_or_digest(self) -> "Image":
        if self.tag is not None and self.digest is not None:
            raise ValueError("give `tag` or `digest`, not both")
        return self


class Expose(Model):
    """Give the app a host name per environment, routed to `port` of `service` (by default its first Service)."""

    service: Label | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None


class Need(Model):
    """An app that this one calls, or a database of which it gets a clone.

    `as` sets that environment variable, to `<service>:<port>` of the app, or to the URI of the clone. Host, port, name,
    user and password of a clone are also keys of the Secret `database-<database>`.
    """

    app: Label | None = None
    database: Label | None = None
    variable: Annotated[str, Matching(r"^[A-Za-z_][A-Za-z0-9_]*$", "the name of an environment variable")] | None = (
        Field(None, alias="as")
    )

    @model_validator(mode="after")
    def _is_one(self) -> "Need":
        if (self.app is None) == (self.database is None):
            raise ValueError("give either `app` or `database`")
        return self


class Secret(Model):
    """A Secret that the app reads, declared by name: `external` store, `copy` of the baseline's, or `generate`d."""

    name: Label
    source: Literal["external", "copy", "generate"]
    keys: Many[Annotated[str, Matching(r"^[A-Za-z0-9._-]+$", "a key of a Secret: letters, digits and ._-", 253)]] = ()
    store: str | None = None
    """For `external`: the ClusterSecretStore (external-secrets.io) that holds it."""

    @model_validator(mode="after")
    def _is_complete(self) -> "Secret":
        if (self.source == "external") != (self.store is not None):
            raise ValueError("`store` belongs to `source: external`, which needs it")
        if self.source != "copy" and not self.keys:
            raise ValueError(f"`source: {self.source}` needs `keys`")
        return self


class App(Model):
    """`apps/<app>/app.yaml`: one deployable unit, or something external. The folder's name is the app's name."""

    repository: Label | None = None
    paths: Many[str] = ()
    """In a monorepo: gitignore-style patterns of the files that belong to the app; none means all."""
    base: Base | None = None
    external: External | None = None
    images: Many[Image] = ()
    expose: Expose | None = None
    needs: Many[Need] = ()
    provide: Provision | None = None
    """How others get this app where it is not isolated for its own sake; by default the site's `dependencies`."""
    replicas: Annotated[int, Field(ge=0, le=100)] | None = None
    secrets: Many[Secret] = ()

    @property
    def calls(self) -> set[str]:
        """The apps that it calls."""
        return {need.app for need in self.needs if need.app}

    @property
    def databases(self) -> set[str]:
        """The databases of which it gets clones."""
        return {need.database for need in self.needs if need.database}

    @model_validator(mode="after")
    def _is_deployed_or_external(self) -> "App":
        if (self.base is None) == (self.external is None):
            raise ValueError("give either `base` (what to deploy) or `external` (where it is)")
        if self.external is not None and self.provide not in (None, "external"):
            raise ValueError(f"an external app cannot be provided as `{self.provide}`")
        if self.external is None and self.provide == "external":
            raise ValueError("`provide: external` needs `external: {host: …}`")
        if self.repository is None and any("{" in (image.tag or "") for image in self.images):
            raise ValueError("a tag pattern such as `{sha}` needs `repository`, whose commits it names")
        return self
