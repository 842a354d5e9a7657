"""Layersite gives every pull request an environment: rendered, validated, and committed for Argo CD."""

from importlib.metadata import version

__version__ = version("layersite")
