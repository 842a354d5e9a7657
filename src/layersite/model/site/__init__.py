"""The site: one generated environments repository, as `layersite.yaml` at its root describes it, a file a subject."""

from layersite.model.site.argocd import ArgoCD, RepositoryCredentials
from layersite.model.site.cluster import Baseline, Cluster, Exposure, Limits
from layersite.model.site.database import Cidr, Database, Instances, Migrations
from layersite.model.site.file import SITE_FILE, Images, Provision, Safety, Site, Waves, database_of, load_site
from layersite.model.site.forge import EnvironmentsRepository, Forge, Repository

__all__ = [
    "SITE_FILE",
    "ArgoCD",
    "Baseline",
    "Cidr",
    "Cluster",
    "Database",
    "EnvironmentsRepository",
    "Exposure",
    "Forge",
    "Images",
    "Instances",
    "Limits",
    "Migrations",
    "Provision",
    "Repository",
    "RepositoryCredentials",
    "Safety",
    "Site",
    "Waves",
    "database_of",
    "load_site",
]
