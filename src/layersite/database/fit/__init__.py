"""Migration fit: what a database has applied, what a change would apply, and whether the one leads to the other."""

from layersite.database.fit.applied import Query, of_postgresql, read_applied
from layersite.database.fit.choose import Fit, choose, read_history
from layersite.database.fit.history import History, Step
from layersite.database.fit.moved import taken_back

__all__ = [
    "Fit",
    "History",
    "Query",
    "Step",
    "choose",
    "of_postgresql",
    "read_applied",
    "read_history",
    "taken_back",
]
