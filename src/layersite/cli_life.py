"""The commands by which people decide how long one environment lives, and when it sleeps."""

import click

from layersite.cli_options import by_option, dry_run_option, finish, output_option
from layersite.place import Place
from layersite.report import Console

__all__ = ["extend", "pin", "sleep", "unpin", "wake"]


@click.command()
@click.argument("name")
@click.option("--hours", type=click.IntRange(1), required=True, help="How many hours longer it lives.")
@click.option("--reason", required=True, help="Why; it is committed with the lease.")
@by_option
@dry_run_option
@output_option
@click.pass_obj
def extend(place: Place, name: str, hours: int, reason: str, by: str, dry_run: bool, output: str) -> None:
    """Let the environment NAME live longer, up to the cap `lease.most_hours` of the site."""
    finish(Console(output == "json"), place.keeper().extend(name, hours, by, reason, dry_run=dry_run))


@click.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why; it is committed with the lease.")
@by_option
@dry_run_option
@output_option
@click.pass_obj
def pin(place: Place, name: str, reason: str, by: str, dry_run: bool, output: str) -> None:
    """Keep the environment NAME without an end, whatever is deployed to it; it still goes with its change."""
    finish(Console(output == "json"), place.keeper().pin(name, by, reason, dry_run=dry_run))


@click.command()
@click.argument("name")
@by_option
@dry_run_option
@output_option
@click.pass_obj
def unpin(place: Place, name: str, by: str, dry_run: bool, output: str) -> None:
    """Take the pin from the environment NAME: its lease begins anew."""
    finish(Console(output == "json"), place.keeper().unpin(name, by, dry_run=dry_run))


@click.command()
@click.argument("name")
@by_option
@dry_run_option
@output_option
@click.pass_obj
def sleep(place: Place, name: str, by: str, dry_run: bool, output: str) -> None:
    """Put the environment NAME to sleep, without pods, until `wake` or a new commit of its change."""
    console = Console(output == "json")
    finish(console, place.bot(console.tell).call(name, "asleep", None, by, dry_run=dry_run))


@click.command()
@click.argument("name")
@click.option("--hours", type=click.IntRange(1), help="For how long; then the site's working hours count again.")
@by_option
@dry_run_option
@output_option
@click.pass_obj
def wake(place: Place, name: str, hours: int | None, by: str, dry_run: bool, output: str) -> None:
    """Wake the environment NAME, and wait until it is healthy."""
    console = Console(output == "json")
    finish(console, place.bot(console.tell).call(name, "active", hours, by, dry_run=dry_run))
