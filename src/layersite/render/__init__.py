"""From an environment to its files: base and overlays become checked Kubernetes objects, the objects become bytes."""

from layersite.render.environment import Renderer

__all__ = ["Renderer"]
