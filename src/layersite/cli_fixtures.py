"""The command that fills an environment's database with made-up rows: `fixtures`."""

from pathlib import Path
from urllib.parse import urlsplit

import click

from layersite.cli_options import output_option
from layersite.database.fixtures import FIXTURES_FILE, Filled, Fixtures, fill, load_fixtures
from layersite.model.database import clone_name, variable_of
from layersite.model.document import near_miss
from layersite.model.errors import DatabaseError, InvalidInputError, Problem, UnknownNameError
from layersite.model.site import load_site
from layersite.place import Place, variable
from layersite.process import run
from layersite.report import Console

__all__ = ["fixtures"]

_COMMAND_SECONDS = 1800


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
    console = Console(output == "json")
    site, _ = load_site(place.root)
    if database not in site.databases:
        raise UnknownNameError(f"layersite.yaml has no database `{database}`{near_miss(database, site.databases)}")
    spec = load_fixtures(place.root / "data" / database) or Fixtures()
    server = variable(variable_of(database, "SERVER"), f"the URI of the server that holds clones of `{database}`")
    name = clone_name(site.cluster.namespace_prefix, environment, database)
    if spec.command:
        _run(spec, place.root, _at(server, name), dry_run)
        console.line("dry run: the command was not run" if dry_run else f"`{spec.command[0]}` has filled {name}")
        return
    if site.databases[database].engine != "postgresql":
        text = "rows are made up for PostgreSQL alone; give the app's own `command`"
        raise InvalidInputError([Problem(f"data/{database}/{FIXTURES_FILE}", 0, "", text)])
    filled = _fill(_at(server, name), name, spec, dry_run)
    rows = [(each, str(count)) for each, count in filled.rows.items()] + [(each, "kept") for each in filled.kept]
    console.data([{"table": each, "rows": count} for each, count in rows], ("table", "rows"), rows)
    if dry_run:
        console.line("dry run: nothing was written")


def _fill(uri: str, name: str, spec: Fixtures, dry_run: bool) -> Filled:
    import psycopg

    try:
        with psycopg.connect(uri) as connection, connection.transaction(force_rollback=dry_run):
            return fill(connection, spec)
    except psycopg.OperationalError as error:
        raise DatabaseError(f"{name} cannot be reached on its server; is there such an environment?") from error


def _run(spec: Fixtures, root: Path, uri: str, dry_run: bool) -> None:
    if not dry_run:
        run(spec.command, cwd=root, timeout=_COMMAND_SECONDS, env={"DATABASE_URL": uri})


def _at(server: str, name: str) -> str:
    """Return the URI of the database `name` on `server`."""
    return urlsplit(server)._replace(path=f"/{name}").geturl()
