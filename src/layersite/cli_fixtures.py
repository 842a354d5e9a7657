"""The command that fills an environment's database with made-up rows: `fixtures`."""

import click

from layersite.cli_options import output_option
from layersite.model.database import clone_name
from layersite.model.site import database_of, load_site
from layersite.place import Place
from layersite.report import Console

__all__ = ["fixtures"]


@click.command()
@click.argument("environment")
@click.argument("database")
@click.option("--dry-run", is_flag=True, help="Make the rows up, and take all of it back.")
@output_option
@click.pass_obj
def fixtures(place: Place, environment: str, database: str, dry_run: bool, output: str) -> None:
    """Fill the empty tables of DATABASE of ENVIRONMENT with made-up rows, as data/DATABASE/fixtures.yaml says.

    The schema must be there: run this once the app has migrated. A second time changes nothing.
    """
    from layersite.data.fill import fill_database, fixtures_of

    console = Console(output == "json")
    database_of(place.root, database)
    name = clone_name(load_site(place.root)[0].cluster.namespace_prefix, environment, database)
    filled = fill_database(place.root, database, name, dry_run=dry_run)
    if command := fixtures_of(place.root, database).command:
        console.line("dry run: the command was not run" if dry_run else f"`{command[0]}` has filled {name}")
        return
    rows = [(each, str(count)) for each, count in filled.rows.items()] + [(each, "kept") for each in filled.kept]
    console.data([{"table": each, "rows": count} for each, count in rows], ("table", "rows"), rows)
    if dry_run:
        console.line("dry run: nothing was written")
