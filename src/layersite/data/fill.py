"""Fill an environment's database with made-up rows, or by the app's own command, once the app has made its schema."""

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from layersite.database.clone import address_of, engine_of
from layersite.database.fixtures import Filled, Fixtures, fill, load_fixtures, open_database
from layersite.model.database import Brought, Clone
from layersite.model.errors import ToolError
from layersite.model.site import database_of
from layersite.process import CommandError, run

__all__ = ["complete", "fill_database", "fixtures_of"]

_COMMAND_SECONDS = 1800


def fixtures_of(root: Path, database: str) -> Fixtures:
    """Return how `database` of the site at `root` is filled. Raises InvalidInputError."""
    return load_fixtures(root / "data" / database) or Fixtures()


def fill_database(
    root: Path,
    database: str,
    name: str,
    *,
    dry_run: bool = False,
    clone: Clone | None = None,
    record: Callable[[Clone], None] | None = None,
) -> Filled:
    """Fill the empty tables of the database `name`, one of `database`; the app's own command counts no rows.

    The record of the `clone` that it is tells of the rows as soon as they are there, or of none of them; where it has a
    server of its own, which does not hold the ledger, `record` does so right before.

    Raises:
        DatabaseError: it cannot be reached, or a table cannot be filled.
        ToolError: the app's own command fails.
    """
    spec, site = fixtures_of(root, database), database_of(root, database)
    uri = address_of(database, site.engine, name, site.instances)
    if spec.command:
        if not dry_run:
            _run(spec.command, root, uri)
        return Filled()
    with open_database(uri, name, site.engine) as opened:

        def note(rows: int) -> None:
            if clone is not None:
                (record or opened.record)(clone.model_copy(update={"filled": (clone.filled or 0) + rows}))

        return fill(opened, spec, dry_run=dry_run, note=note)


def complete(root: Path, brought: Brought) -> Brought:
    """Fill what was made empty, and return it with all rows that were made up.

    The app's own command runs once, and again if this was killed before it had ended and that was recorded.

    Raises LayersiteError as `fill_database` does.
    """
    database, name, site = brought.database, brought.name, database_of(root, brought.database)
    with engine_of(database, site.engine, site.instances) as engine, engine.locked(name):
        clone = engine.records().get(name)
        if not isinstance(clone, Clone) or (fixtures_of(root, database).command and clone.filled is not None):
            return brought
        record = engine.record if clone.instance else None
        filled = fill_database(root, database, name, clone=clone, record=record)
        rows = (clone.filled or 0) + sum(filled.rows.values())
        if fixtures_of(root, database).command:
            engine.record(clone.model_copy(update={"filled": rows}))
    return brought.model_copy(update={"rows": rows})


def _run(command: Sequence[str], root: Path, uri: str) -> None:
    """Run the app's own command; where it fails, what it says quotes neither its URL nor the password in it."""
    try:
        run(command, cwd=root, timeout=_COMMAND_SECONDS, env={"DATABASE_URL": uri})
    except CommandError as error:
        said, password = str(error), urlsplit(uri).password or ""
        for secret in filter(None, (uri, password, unquote(password))):
            said = said.replace(secret, "…")
        raise ToolError(said) from None
