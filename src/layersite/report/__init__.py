"""What people and programs read of a run: tables on a terminal, plain lines in CI, JSON on request."""

from layersite.report.console import Console, plain

__all__ = ["Console", "plain"]
