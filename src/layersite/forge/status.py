"""What the bot says about a commit, beside the comment on the change."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Status"]


@dataclass(frozen=True)
class Status:
    """A commit status; a newer one replaces an older one of the same `context`."""

    state: Literal["pending", "success", "failure", "error"]
    description: str
    url: str
    context: str = "layersite"
