"""Image registries: which digest a tag stands for, asked as the OCI distribution specification has it."""

from layersite.registry.registry import Registry

__all__ = ["Registry"]
