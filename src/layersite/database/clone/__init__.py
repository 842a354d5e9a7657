"""Clones: a database of its own for an environment, made from a golden, handed to a role of its own, and taken away."""

from layersite.database.clone.api import Engine, Order, Taken
from layersite.database.clone.servers import engine_of, fetcher, goldens_of, list_goldens, server_of
from layersite.database.clone.steps import admit, doomed, provide, reap

__all__ = [
    "Engine",
    "Order",
    "Taken",
    "admit",
    "doomed",
    "engine_of",
    "fetcher",
    "goldens_of",
    "list_goldens",
    "provide",
    "reap",
    "server_of",
]
