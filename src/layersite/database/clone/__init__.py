"""Clones: a database of its own for an environment, made from a golden, handed to a role of its own, and taken away."""

from layersite.database.clone.api import Engine, Order, Taken
from layersite.database.clone.servers import address_of, engine_of, fetcher, goldens_of, list_goldens
from layersite.database.clone.steps import admit, doomed, provide, reap

__all__ = [
    "Engine",
    "Order",
    "Taken",
    "address_of",
    "admit",
    "doomed",
    "engine_of",
    "fetcher",
    "goldens_of",
    "list_goldens",
    "provide",
    "reap",
]
