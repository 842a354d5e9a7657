"""What `layersite.yaml` says, and how it is read."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from layersite.model.capacity import Capacity, ClusterName
from layersite.model.document import Document, Label, Many, Matching, Model, near_miss, read_document
from layersite.model.errors import UnknownNameError
from layersite.model.life import Hours, Leases, WorkingHours
from layersite.model.names import BASELINE
from layersite.model.site.database import Database

__all__ = ["SITE_FILE", "Site", "database_of", "load_site"]

SITE_FILE = "layersite.yaml"
Provision = Literal["isolated", "shared", "mock", "external"]
Branch = Annotated[
    str,
    Matching(
        r"^(?![-/.])(?!.*(\.\.|//|/\.|\.lock(/|$)|[/.]$))[A-Za-z0-9._/-]+$",
        "a branch name as git accepts it, of letters, digits and ._/-",
    ),
]
GitUrl = Annotated[
    str,
    Matching(
        r"^(?!-)(?!.*::)(?![a-z+]+://[^/@]*:[^/@]*@)[^\s\x00-\x1f]+$",
        "the URL or path of a git repository, without a password (let git's credential helper supply it)",
        1000,
    ),
]


class EnvironmentsRepository(Model):
    """Where the bot commits: this site's own repository."""

    url: GitUrl
    branch: Branch = "main"
    pushes_per_minute: Annotated[int, Field(ge=1)] | None = None
    """The host's budget, which `serve` keeps to: GitHub advises 6. What arrives meanwhile goes with the next push."""
    fold: bool = False
    """For many jobs at once, such as one per change in CI: each leaves its work in a ref, one commits it for all."""


HttpUrl = Annotated[
    str,
    Matching(
        r"^https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~/-]*)?$",
        "an address such as https://git.example.com, without user, query and fragment",
    ),
]


class Forge(Model):
    """Where changes come from.

    `git`: every branch below `branch_prefix` of each repository is a change. `gitea`: every open pull request of each
    repository, on Gitea or Forgejo at `url`; `github`: the same, on github.com or GitHub Enterprise; `gitlab`: every
    open merge request, on gitlab.com or any GitLab at `url`. The bot's token is read from the variable
    LAYERSITE_FORGE_TOKEN.
    """

    kind: Literal["git", "gitea", "github", "gitlab"] = "git"
    branch_prefix: Annotated[
        str,
        Matching(
            r"^(?![-.])(?!.*(\.\.|/\.|\.lock/))([A-Za-z0-9._-]+/)+$", "letters, digits and ._- that end with a slash"
        ),
    ] = "change/"
    url: HttpUrl | None = None
    drafts: bool = True
    """Whether a draft gets an environment."""
    forks: bool = False
    """Whether a change from a fork gets one: what it contains then runs in the cluster."""

    @model_validator(mode="after")
    def _has_an_address(self) -> "Forge":
        if (self.url is None) != (self.kind == "git"):
            raise ValueError(f"`kind: {self.kind}` {'needs' if self.url is None else 'has no'} `url`")
        return self


class Repository(Model):
    """One repository that changes are made in."""

    url: GitUrl
    branch: Branch = "main"


class Baseline(Model):
    """The always-on namespace that shared apps live in: an existing one, or one that the bot keeps."""

    namespace: Label | None = None
    managed: bool = False

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "Baseline":
        if self.managed == (self.namespace is not None):
            raise ValueError("give either `namespace: <existing namespace>` or `managed: true`")
        return self


class Cluster(Model):
    """The cluster as Argo CD knows it, and what environments look like there."""

    name: ClusterName = "in-cluster"
    kubernetes: Annotated[str, Matching(r"^1\.\d+$", "a version such as 1.34", 8)] = "1.34"
    namespace_prefix: Annotated[
        str, Matching(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*-$", "lower-case, start with a letter and end with a hyphen", 20)
    ] = "env-"
    baseline: Baseline


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


class Gateway(Model):
    """The Gateway (gateway.networking.k8s.io) that HTTPRoutes attach to."""

    name: Label = "gateway"
    namespace: Label = "gateway-system"


class Ingress(Model):
    """The ingress controller: its class, and the namespace its pods run in."""

    class_name: Label = "nginx"
    namespace: Label = "ingress-nginx"


class Exposure(Model):
    """How people reach an exposed app: `<environment>--<app>.<domain>` by HTTPRoute, or by Ingress if one is given."""

    domain: Annotated[
        str,
        Matching(
            r"^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$", "a domain name such as preview.example.com", 150
        ),
    ]
    scheme: Literal["https", "http"] = "https"
    gateway: Gateway = Gateway()
    ingress: Ingress | None = None


class Limits(Model):
    """What one environment may use: its ResourceQuota, and the LimitRange's defaults for containers that say none."""

    quota: dict[str, str] = {
        "pods": "50",
        "requests.cpu": "4",
        "requests.memory": "8Gi",
        "limits.memory": "16Gi",
    }
    default: dict[str, str] = {"cpu": "500m", "memory": "512Mi"}
    default_request: dict[str, str] = {"cpu": "50m", "memory": "64Mi"}


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
