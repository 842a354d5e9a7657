"""Make the catalog from what a team already has: manifests, a kustomization, a Helm chart or a compose file."""

from layersite.adopt.catalog import Written, adopt, write
from layersite.adopt.result import AdoptedApp, Adoption, DeclaredSecret, Edge, Evidence, LeftOut, Reference

__all__ = [
    "AdoptedApp",
    "Adoption",
    "DeclaredSecret",
    "Edge",
    "Evidence",
    "LeftOut",
    "Reference",
    "Written",
    "adopt",
    "write",
]
