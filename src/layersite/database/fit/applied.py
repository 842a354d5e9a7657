"""What a live database has applied: the ledger that its migration tool keeps in a table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from layersite.database.fit.changelog import name_of
from layersite.database.fit.history import UP_TO
from layersite.database.fit.numbered import flyway_version
from layersite.model.errors import DatabaseError

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["LEDGERS", "Query", "of_postgresql", "read_applied"]

Rows = Sequence[Sequence[Any]]


class Query(Protocol):
    """Asks a database, of whatever engine."""

    def __call__(self, sql: str) -> Rows:
        """Return every row. Raises DatabaseError and leaves a transaction usable."""


def of_postgresql(connection: "Connection") -> Query:
    """Ask over `connection`; what fails is undone alone, so that a snapshot that is open goes on."""
    from psycopg import Error

    def ask(sql: str) -> Rows:
        try:
            with connection.transaction():
                return connection.execute(sql.encode()).fetchall()
        except Error as error:
            raise DatabaseError(f"the database refused to show its ledger ({type(error).__name__})") from error

    return ask


@dataclass(frozen=True)
class Ledger:
    """The table in which a tool keeps what it has applied, its columns in the order to ask for, and what they mean.

    `other` is what the table is called where MariaDB or MySQL tell small letters from capitals.
    """

    table: str
    columns: str
    order: str
    read: Callable[[Rows], Iterator[str]]
    other: str | None = None


def read_applied(query: Query, tool: str, table: str | None = None) -> tuple[str, ...]:
    """Return what `tool` has applied to a database, in its order; `table` is where its ledger is not the usual one.

    Raises:
        DatabaseError: there is no such ledger, or a migration failed half-way and is waiting for a person.
    """
    ledger = LEDGERS[tool]
    for name in [table] if table else filter(None, (ledger.table, ledger.other)):
        with suppress(DatabaseError):
            rows = query(f"SELECT {ledger.columns} FROM {name} ORDER BY {ledger.order}")
            break
    else:
        text = f"the database has no ledger of {tool} in `{table or ledger.table}`"
        raise DatabaseError(f"{text}; see `migrations` in layersite.yaml, and whether the role may read it")
    return tuple(ledger.read(rows))


def _halted(tool: str, name: object, mend: str) -> DatabaseError:
    return DatabaseError(f"{tool} stopped in the middle of `{name}`; {mend} and build again")


def _is_set(flag: object) -> bool:
    """Whether a flag is set, as any engine's client gives it."""
    return flag in (True, "1")


def _plain(rows: Rows) -> Iterator[str]:
    yield from (str(row[0]) for row in rows)


def _django(rows: Rows) -> Iterator[str]:
    yield from (f"{app}.{name}" for app, name in rows)


def _flyway(rows: Rows) -> Iterator[str]:
    """Undone and deleted versions go, a baseline stands for all below it, a checksum follows behind `#`."""
    found: dict[str, str] = {}
    for version, kind, checksum, success, script in rows:
        if not _is_set(success):
            raise _halted("flyway", script, "run `flyway repair` there")
        if version is not None:
            name = flyway_version(version)
            sign = UP_TO if kind.endswith("BASELINE") else ""
            found[name] = f"{sign}{name}" if sign or checksum is None else f"{name}#{checksum}"
            if kind == "DELETE" or kind.startswith("UNDO"):
                del found[name]
    yield from found.values()


def _liquibase(rows: Rows) -> Iterator[str]:
    yield from (name_of(*row) for row in rows)


def _prisma(rows: Rows) -> Iterator[str]:
    for name, finished, rolled_back in rows:
        if rolled_back is None:
            if finished is None:
                raise _halted("prisma", name, "run `prisma migrate resolve` there")
            yield str(name)


def _golang_migrate(rows: Rows) -> Iterator[str]:
    for version, dirty in rows:
        if _is_set(dirty):
            raise _halted("golang-migrate", version, "run `migrate force` there")
        yield str(version)


def _goose(rows: Rows) -> Iterator[str]:
    """The last word on a version counts; version 0 is goose's own."""
    state = {str(version): _is_set(applied) for version, applied in rows}
    yield from (version for version, applied in state.items() if applied and version != "0")


LEDGERS: Mapping[str, Ledger] = {
    "alembic": Ledger("alembic_version", "version_num", "version_num", _plain),
    "django": Ledger("django_migrations", "app, name", "id", _django),
    "flyway": Ledger("flyway_schema_history", "version, type, checksum, success, script", "installed_rank", _flyway),
    "golang-migrate": Ledger("schema_migrations", "version, dirty", "version", _golang_migrate),
    "goose": Ledger("goose_db_version", "version_id, is_applied", "id", _goose),
    "liquibase": Ledger(
        "databasechangelog", "filename, id, author", "orderexecuted", _liquibase, other="DATABASECHANGELOG"
    ),
    "prisma": Ledger("_prisma_migrations", "migration_name, finished_at, rolled_back_at", "started_at", _prisma),
    "rails": Ledger("schema_migrations", "version", "version", _plain),
}
"""By the tool's name. The versions of Rails are texts and come in their order as such; nothing depends on it."""
