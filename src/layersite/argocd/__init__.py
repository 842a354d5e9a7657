"""A small typed client for Argo CD: nudge, await, explain."""

from layersite.argocd.client import ArgoCD
from layersite.argocd.model import Outcome, Patience, Result
from layersite.argocd.received import Application

__all__ = ["Application", "ArgoCD", "Outcome", "Patience", "Result"]
