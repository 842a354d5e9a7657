"""What people and programs read of a run: tables on a terminal, plain lines in CI, JSON, comments and statuses."""

from layersite.report.comment import comment, read_mark, status, warning
from layersite.report.console import Console

__all__ = ["Console", "comment", "read_mark", "status", "warning"]
