"""Make the catalog from what a team already has: manifests, a kustomization, a Helm chart or a compose file."""

from layersite.adopt.catalog import adopt, write
from layersite.adopt.result import Adoption, DeclaredSecret

__all__ = ["Adoption", "DeclaredSecret", "adopt", "write"]
