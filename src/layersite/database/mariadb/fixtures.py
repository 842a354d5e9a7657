"""Put made-up rows into MariaDB: candidates go into a temporary table, and those that pass become rows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

from layersite.database.fixtures.api import Key, Place, Values
from layersite.database.fixtures.schema import Column, ForeignKey, Table
from layersite.database.mariadb import ledger
from layersite.database.mariadb.connect import Session, identifier, literal
from layersite.database.mariadb.tables import named_in, read_tables
from layersite.model.database import Clone

__all__ = ["MariaDB", "open_mariadb"]

_MADE = identifier("layersite made up")
_NUMBER = identifier("layersite number")
_AT_ONCE = 1000
_VOLATILE = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = %s AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND engine <> 'InnoDB'"""
_SHAPES = ("geometry", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection")
_NOT_EXACT = ("float4", "float8", *_SHAPES)


@contextmanager
def open_mariadb(uri: str, name: str) -> Iterator["MariaDB"]:
    """Give the database `name` on the server of `uri`. Raises DatabaseError if it cannot be reached."""
    with closing(Session(uri, name, name)) as session:
        yield MariaDB(session)


class MariaDB:
    """The database of `session`. Every method raises DatabaseError."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @contextmanager
    def transaction(self, *, dry_run: bool = False) -> Iterator[None]:
        """Keep all that happens meanwhile, or nothing if it fails or `dry_run` is set."""
        names = (identifier(str(name)) for (name,) in self._session.ask(_VOLATILE, self._session.database))
        empty = [name for name in names if not self._holds(name)]
        self._session.ask("START TRANSACTION")
        is_kept = False
        try:
            yield
            is_kept = not dry_run
        finally:
            self._session.ask("COMMIT" if is_kept else "ROLLBACK")
            for name in () if is_kept else empty:  # of another storage engine, which cannot take rows back
                self._session.ask(f"DELETE FROM {name}")

    def record(self, clone: Clone) -> None:
        """Record anew what the clone is that this database is."""
        ledger.write(self._session, clone.name, clone)

    def tables(self) -> Mapping[str, Table]:
        """Return every table by what SQL calls it, in the order of their names."""
        return read_tables(self._session)

    def has_rows(self, table: Table) -> bool:
        """Whether there is any row in `table`."""
        return self._holds(table.sql)

    def insert(
        self, table: Table, columns: Sequence[Column], made: Sequence[Values], limit: int, *, early: bool
    ) -> int:
        """Insert up to `limit` of the rows `made`, those that the server lets pass, and return how many.

        It compares checks by itself too: what is said here of columns that are not made up, it alone can know.
        """
        if not columns:
            for _ in range(limit):
                self._session.ask(f"INSERT INTO {table.sql} () VALUES ()")
            return limit
        names, known = ", ".join(identifier(each.name) for each in columns), {each.name for each in columns}
        checks = [f"({check}) IS NOT FALSE" for check in table.checks if named_in(check) <= known]
        self._stage(table, names, columns, made)
        self._session.ask(f"SET foreign_key_checks = {0 if early else 1}")
        self._session.ask(
            f"INSERT IGNORE INTO {table.sql} ({names}) SELECT {names} FROM {_MADE}"
            f" WHERE {' AND '.join(checks) or 'TRUE'} ORDER BY {_NUMBER} LIMIT {limit}"
        )
        count = int(self._session.one("SELECT ROW_COUNT()"))
        self._session.ask("SET foreign_key_checks = 1")
        return count

    def _stage(self, table: Table, names: str, columns: Sequence[Column], made: Sequence[Values]) -> None:
        """Let the server read the values, strictly: `IGNORE` would bend those that do not fit."""
        self._session.ask(f"DROP TEMPORARY TABLE IF EXISTS {_MADE}")
        empty = f"SELECT 0 AS {_NUMBER}, {names} FROM {table.sql} LIMIT 0"
        self._session.ask(f"CREATE TEMPORARY TABLE {_MADE} ENGINE = InnoDB AS {empty}")
        kinds = [column.kind for column in columns]
        rows = [
            f"({number}, {', '.join(_value(each, kind) for each, kind in zip(row, kinds, strict=True))})"
            for number, row in enumerate(made)
        ]
        for first in range(0, len(rows), _AT_ONCE):
            self._session.ask(f"INSERT INTO {_MADE} VALUES {', '.join(rows[first : first + _AT_ONCE])}")

    def advance(self, table: Table) -> None:
        """Have sequences go on behind the rows; `AUTO_INCREMENT` does by itself."""
        for column in table.columns.values():
            if column.sequence:
                most = f"greatest(coalesce(max({identifier(column.name)}), 1), 1)"
                self._session.ask(
                    f"SELECT SETVAL({column.sequence}, {self._session.one(f'SELECT {most} FROM {table.sql}')})"
                )

    def keys(self, key: ForeignKey, limit: int) -> list[Key]:
        """Return what `key` may refer to, in a fixed order."""
        names = [identifier(name) for name in key.keys]
        present = " AND ".join(f"{name} IS NOT NULL" for name in names)
        listed = ", ".join(names)
        return self._session.ask(f"SELECT {listed} FROM {key.target} WHERE {present} ORDER BY {listed} LIMIT {limit}")

    def places(self, table: Table, key: ForeignKey) -> list[tuple[Place, Key]]:
        """Return where the rows of `table` are, in a fixed order, each with what of it rows could refer to by `key`."""
        names = _placed(table)
        listed = ", ".join(map(identifier, (*names, *(key.keys if key.target == table.sql else ()))))
        order = ", ".join(map(identifier, names))
        rows = self._session.ask(f"SELECT {listed} FROM {table.sql} ORDER BY {order}")
        return [(row[: len(names)], row[len(names) :]) for row in rows]

    def refer(self, table: Table, key: ForeignKey, changes: Sequence[tuple[Key, Place]]) -> None:
        """Let the rows at the places refer by `key` to what stands beside them."""
        names = _placed(table)
        for chosen, place in changes:
            targets = ", ".join(f"{identifier(n)} = {_value(v)}" for n, v in zip(key.columns, chosen, strict=True))
            where = " AND ".join(f"{identifier(n)} <=> {_value(v)}" for n, v in zip(names, place, strict=True))
            self._session.ask(f"UPDATE {table.sql} SET {targets} WHERE {where}")

    def _holds(self, sql: str) -> bool:
        return bool(self._session.ask(f"SELECT 1 FROM {sql} LIMIT 1"))


def _placed(table: Table) -> list[str]:
    """Return the columns by which a row is found again: those of a key, else all that compare exactly."""
    present = (each for each in table.unique if not any(table.columns[name].nullable for name in each))
    exact = (name for name, column in table.columns.items() if column.kind not in _NOT_EXACT)
    return sorted(next(present, exact))


def _value(value: str | bytes | None, kind: str = "") -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"0x{value.hex()}" if value else "''"
    text = literal(value)
    if kind in _SHAPES:
        return f"ST_GeomFromText({text})"
    return f"{text} + 0" if kind == "bits" else text
