"""Set Argo CD up for a site, and tell whether everything that a site needs is there and works."""

from layersite.bootstrap.files import FOLDER, files, stale, states, write

__all__ = ["FOLDER", "files", "stale", "states", "write"]
