"""The commands that work on databases."""

from datetime import UTC, datetime, timedelta
from functools import partial

import click

from layersite import by_name
from layersite.cli_options import dry_run_option, output_option
from layersite.follow.bring import deliver
from layersite.model.errors import DatabaseError, PartialError
from layersite.model.site import database_of
from layersite.place import Place
from layersite.playbooks import Playbooks
from layersite.report import Console

__all__ = ["clone", "golden"]

_HEADER = ("golden", "built", "rows", "bytes", "server", "attestation")


@click.group()
def golden() -> None:
    """Make masked, verified copies of a database, of which environments get clones.

    The variables LAYERSITE_DATABASE_<NAME>_SOURCE, …_SERVER and …_KEY hold the URI of the database to mask, that of the
    server which holds goldens, and the masking key; `list` needs the server alone.
    """


@golden.command()
@click.argument("database")
@dry_run_option
@click.pass_obj
def propose(place: Place, database: str, dry_run: bool) -> None:
    """Write a first contract of DATABASE to data/DATABASE/contract.yaml, for people to review.

    If there is one already, print what it does not list.
    """
    from layersite.database.golden.propose import propose_contract

    path, text, is_new = propose_contract(place.root, database)
    if is_new and not dry_run:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        click.echo(f"wrote {path.relative_to(place.root)}; review every line before you build")
    else:
        click.echo(text, nl=False)


@golden.command()
@click.argument("database")
@click.option("--max-age", type=click.FloatRange(0), default=0, help="Do nothing if a golden is no older, in hours.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Copies, or checks, at a time."
)
@dry_run_option
@output_option
@click.pass_obj
def build(place: Place, database: str, max_age: float, workers: int, dry_run: bool, output: str) -> None:
    """Build, verify and publish a golden of DATABASE; with --dry-run only see whether its contract covers it."""
    from layersite.database.golden.make import build as build_golden
    from layersite.database.golden.place import wish_of

    console = Console(output == "json")
    wish = wish_of(place.root, database, timedelta(hours=max_age), workers)
    made = build_golden(wish, datetime.now(UTC), console.tell, dry_run)
    if made is None:
        console.line("dry run: nothing was built")
        return
    data = made.golden.model_dump(mode="json") | {"is_new": made.is_new, "dropped": list(made.dropped)}
    rows = [(check.name, str(check.looked_at), "; ".join(check.remarks)) for check in made.attestation.checks]
    console.data(data, ("check", "looked at", "could not look at"), rows)
    console.line(f"{made.golden.name} {'was built' if made.is_new else 'is fresh enough'}")


@golden.command()
@click.argument("database")
@click.argument("name", required=False)
@output_option
@click.pass_obj
def verify(place: Place, database: str, name: str | None, output: str) -> None:
    """Check the goldens of DATABASE again, or the one NAMEd: their attestations, and what they hold now."""
    from layersite.database.golden.make import verify as verify_goldens
    from layersite.database.golden.place import wish_of

    found = verify_goldens(wish_of(place.root, database), name)
    rows = [(golden, "; ".join(verdict.problems) or "right", verdict.remark) for golden, verdict in found.items()]
    data = {golden: {"problems": list(each.problems), "not_checked": each.remark} for golden, each in found.items()}
    Console(output == "json").data(data, ("golden", "found", "could not look at"), rows)
    if any(verdict.problems for verdict in found.values()):
        raise DatabaseError("not every golden is right; what is wrong stands above")


@golden.command(name="list")
@click.argument("database")
@output_option
@click.pass_obj
def list_(place: Place, database: str, output: str) -> None:
    """List the goldens of DATABASE, the newest first."""
    from layersite.database.clone import list_goldens

    found = list_goldens(database, database_of(place.root, database).engine)
    rows = [(g.name, g.built, str(g.rows), str(g.bytes), g.server, g.attestation[:12]) for g in found]
    Console(output == "json").data([each.model_dump(mode="json") for each in found], _HEADER, rows)


@click.command()
@click.argument("name")
@click.option(
    "--reset",
    is_flag=True,
    help="Make the clones anew, of the newest goldens that suit it; what was written to them is lost.",
)
@dry_run_option
@output_option
@click.pass_obj
def clone(place: Place, name: str, reset: bool, dry_run: bool, output: str) -> None:
    """Bring the committed environment NAME the databases that it needs, where they are missing."""
    console = Console(output == "json")
    site, catalog = place.load()
    environment = (
        by_name.choose_anew(place.bot(console.tell), name, dry_run=dry_run)
        if reset
        else place.store(site).read().living(name)
    )
    playbooks = Playbooks(place.root, catalog)
    bring = partial(playbooks.databases, reset=reset, dry_run=dry_run)
    made = bring([environment]) if dry_run else deliver(place.store(site), [name], bring, playbooks.drop)
    delivery = made[name]
    header = ("database", "golden", "built", "rows", "method", "seconds", "clone")
    rows = [
        (
            each.database,
            each.golden or "none",
            each.golden_built,
            f"{each.rows:,}",
            each.method,
            f"{each.seconds:g}",
            each.name,
        )
        for each in delivery.databases
    ]
    console.data([each.model_dump(mode="json") for each in delivery.databases], header, rows)
    if dry_run:
        console.line("dry run: nothing was changed")
    if delivery.problem is not None:
        raise PartialError(delivery.problem)
