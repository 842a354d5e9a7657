"""A small typed client for Argo CD: nudge, await, explain."""

from layersite.argocd.client import ArgoCD
from layersite.argocd.model import Patience, Result

__all__ = ["ArgoCD", "Patience", "Result"]
