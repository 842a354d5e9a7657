"""Masked goldens and the clones that environments get of them, on a database server."""
