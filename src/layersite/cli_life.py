"""The commands by which people decide how long one environment lives, when it sleeps, and what of it may be left."""

import click

from layersite import by_name
from layersite.cli_options import by_option, dry_run_option, finish, output_option
from layersite.model.errors import PartialError
from layersite.place import Place
from layersite.reap import FINE
from layersite.report import Console

__all__ = ["extend", "pin", "reap", "sleep", "unpin", "wake"]


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
    finish(console, by_name.call(place.bot(console.tell), name, "asleep", None, by, dry_run=dry_run))


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
    finish(console, by_name.call(place.bot(console.tell), name, "active", hours, by, dry_run=dry_run))


@click.command()
@click.option("--apply", is_flag=True, help="Remove and make what was found; without it, only tell.")
@click.option("--yes", is_flag=True, help="Go beyond the cap (`safety` in layersite.yaml), and believe the repository.")
@output_option
@click.pass_obj
def reap(place: Place, apply: bool, yes: bool, output: str) -> None:
    """Find what is left without an environment in the repository, in the cluster and on the database servers, and which
    clones environments lack.

    Namespaces, Argo CD's Applications and clones are compared with committed directories, and nothing is removed if a
    listing or the repository looks as if it lost something; clones younger than an hour stay. `reconcile` compares
    directories with changes.
    """
    rows = place.reaper().reap(dry_run=not apply, yes=yes)
    data = [row._asdict() for row in rows]
    console = Console(output == "json")
    console.data(data, ("what", "outcome", "why"), rows)
    console.line(
        "nothing is left over, and nothing is missing" if not rows else "" if apply else "only told: --apply does it"
    )
    if bad := [what for what, outcome, _ in rows if outcome not in FINE]:
        raise PartialError(f"not done: {', '.join(bad)}; the reasons stand above")
