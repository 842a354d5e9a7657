"""The environments repository: read at a commit, written by compare-and-swap, one directory per environment."""

from layersite.store.edits import Edit
from layersite.store.fold import FoldingStore
from layersite.store.graft import Write
from layersite.store.snapshot import Entry, Snapshot, directory_of
from layersite.store.store import Committed, Store

__all__ = ["Committed", "Edit", "Entry", "FoldingStore", "Snapshot", "Store", "Write", "directory_of"]
