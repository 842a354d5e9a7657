"""The cluster of a site: what environments are called there, may use there, and how people reach them."""

from typing import Annotated, Literal

from pydantic import model_validator

from layersite.model.capacity import ClusterName
from layersite.model.document import Label, Matching, Model

__all__ = ["Baseline", "Cluster", "Exposure", "Gateway", "Ingress", "Limits"]


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
