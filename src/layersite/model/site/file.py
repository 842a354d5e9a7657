"""What `layersite.yaml` says, and how it is read."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from layersite.model.capacity import Capacity
from layersite.model.document import Document, Label, Many, Matching, Model, near_miss, read_document
from layersite.model.errors import UnknownNameError
from layersite.model.life import Hours, Leases, WorkingHours
from layersite.model.names import BASELINE
from layersite.model.site.argocd import ArgoCD
from layersite.model.site.cluster import Cluster, Exposure, Limits
from layersite.model.site.database import Database
from layersite.model.site.forge import EnvironmentsRepository, Forge, Repository

__all__ = ["SITE_FILE", "Images", "Provision", "Safety", "Site", "Waves", "database_of", "load_site"]

SITE_FILE = "layersite.yaml"
Provision = Literal["isolated", "shared", "mock", "external"]


class Images(Model):
    """Images whose tag pattern names a change: rendered by digest once the registry has them, within `wait_minutes`.

    The wait counts from when the bot first missed the image. Without `by_digest` no registry is asked, and images are
    rendered by their tags.
    """

    by_digest: bool = True
    wait_minutes: Annotated[int, Field(ge=0, le=1440)] = 30
    insecure_registries: Many[Annotated[str, Matching(r"^[A-Za-z0-9.-]+(:\d+)?$", "a registry's `host:port`")]] = ()
    """Registries that are spoken to without TLS."""


class Safety(Model):
    """The circuit breaker: one run removes at most the greater of `removals` and `percent` of all environments."""

    removals: Annotated[int, Field(ge=0)] = 10
    percent: Annotated[int, Field(ge=0, le=100)] = 5


class Waves(Model):
    """How many environments are rendered again at once when only the site, an app or layersite changed: the greater.

    The next wave goes when Argo CD shows all of the last one synced and healthy, and their smoke tests passed.
    """

    environments: Annotated[int, Field(ge=1)] = 10
    percent: Annotated[int, Field(ge=0, le=100)] = 10


class Site(Model):
    """`layersite.yaml`, the one file a team edits first."""

    organization: Annotated[str, Matching(r"[A-Za-z0-9]", "a name with a letter or digit", 63)]
    environments: EnvironmentsRepository
    forge: Forge = Forge()
    repositories: dict[Label, Repository] = {}
    databases: dict[Label, Database] = {}
    cluster: Cluster
    argocd: ArgoCD | None = None
    exposure: Exposure
    dependencies: Literal["isolated", "shared", "mock"] = "shared"
    """How an app is provided that an isolated app needs and that says nothing itself."""
    lease_hours: Hours = 72
    """How long an environment without a change lives."""
    lease: Leases = Leases()
    working_hours: WorkingHours | None = None
    named_hours: dict[Label, WorkingHours] = {}
    """Other working hours, which the label `layersite/hours:<name>` of a change chooses for its environment."""
    waker: bool = False
    """Whether what sleeps has no route, so that one for `*.<domain>` leads its visitors to `serve`, which wakes it."""
    capacity: Capacity = Capacity()
    limits: Limits = Limits()
    images: Images = Images()
    safety: Safety = Safety()
    waves: Waves = Waves()
    allowed_kinds: Many[Annotated[str, Matching(r"^[a-z0-9.-]+/[A-Z][A-Za-z0-9]+$", "`group/Kind`")]] = ()
    """Further namespaced kinds that apps may contain, as `group/Kind`."""

    @model_validator(mode="after")
    def _leases_are_within_the_cap(self) -> "Site":
        if max(self.lease_hours, self.lease.change_hours or 0) > self.lease.most_hours:
            raise ValueError("`lease_hours` and `lease.change_hours` must not be more than `lease.most_hours`")
        return self

    @model_validator(mode="after")
    def _knows_the_repositories_of_migrations(self) -> "Site":
        for name, database in self.databases.items():
            used = database.migrations.repository if database.migrations else None
            if used is not None and used not in self.repositories:
                near = near_miss(used, self.repositories)
                raise ValueError(f"`databases.{name}.migrations.repository`: there is no repository `{used}`{near}")
        return self

    @model_validator(mode="after")
    def _has_a_baseline_in_every_cluster(self) -> "Site":
        if self.cluster.baseline.managed and self.clusters != {self.cluster.name}:
            text = "with several `capacity.clusters`, name a baseline's namespace that each of them has"
            raise ValueError(f"a managed baseline lives in one cluster alone; {text}")
        return self

    @property
    def clusters(self) -> set[str]:
        """The names of all clusters that environments may be in."""
        return {self.cluster.name, *self.capacity.clusters}

    def namespace(self, environment: str) -> str:
        """Return the namespace of `environment`, at most 63 characters."""
        return self.cluster.namespace_prefix + environment

    def application(self, environment: str) -> str:
        """Return the name of the Argo CD Application of `environment`: its namespace's."""
        return self.namespace(environment)

    @property
    def baseline_namespace(self) -> str:
        """The namespace in which shared apps run."""
        return self.cluster.baseline.namespace or self.namespace(BASELINE)


def load_site(root: Path) -> tuple[Site, Document]:
    """Read `layersite.yaml` below `root`; the document places later problems. Raises InvalidInputError."""
    document = read_document(root / SITE_FILE, SITE_FILE)
    return document.parse(Site), document


def database_of(root: Path, name: str) -> Database:
    """Return the database `name` of the site below `root`. Raises InvalidInputError, UnknownNameError."""
    site, _ = load_site(root)
    if name not in site.databases:
        raise UnknownNameError(f"layersite.yaml has no database `{name}`{near_miss(name, site.databases)}")
    return site.databases[name]
