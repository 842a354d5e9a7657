"""What commands share: options that mean the same everywhere, and how a run that changed environments ends."""

import click

from layersite.model.errors import PartialError
from layersite.report import Console
from layersite.writer import Outcome

__all__ = ["by_option", "dry_run_option", "finish", "output_option"]

output_option = click.option(
    "--output", type=click.Choice(["table", "json"]), default="table", help="A table for people, or JSON."
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Print the plan and change nothing.")
by_option = click.option(
    "--by",
    default="",
    envvar=["LAYERSITE_BY", "GITHUB_ACTOR", "GITLAB_USER_LOGIN"],
    help="Who asks for it; by default the person whom a CI system names, or the variable LAYERSITE_BY.",
)


def finish(console: Console, outcome: Outcome) -> None:
    """Show `outcome`; raise why nothing could be committed, or PartialError if some are not where they should be."""
    console.outcome(outcome.plan, outcome.commit, outcome.dry_run, outcome.standings)
    if outcome.unwritten is not None:
        raise outcome.unwritten
    if outcome.failed:
        raise PartialError(f"not where they should be: {', '.join(outcome.failed)}; the reasons stand above")
    if outcome.unseen is not None:
        raise outcome.unseen
