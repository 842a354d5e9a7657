"""Bring the rows of tables over, from server to server or within one: written out, or as the files that hold them."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

from layersite.database.mariadb.connect import Session, identifier
from layersite.database.mariadb.ddl import Definition
from layersite.database.mariadb.files import copy_files
from layersite.database.mariadb.masks import columns_of, query
from layersite.database.schema import Relation
from layersite.model.contract import Action
from layersite.model.errors import DatabaseError

__all__ = ["Reach", "carry", "copy_tables", "reaches"]

Reach = Callable[[Path], bool]

_AT_ONCE = 4
_BLOCK = 1 << 20
"""How many bytes one INSERT has, about."""
_COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s AND coalesce(generation_expression, '') = '' ORDER BY ordinal_position"""
_BY_ROWS = "FULLTEXT KEY"
"""What a table's definition has where its files are not all of it: making such an index on them ends the server."""
_WORTH = 32 << 20
"""From how many bytes a partition takes longer to be written than to be exchanged."""
_SMALL = """
SELECT table_name FROM information_schema.partitions WHERE table_schema = %s AND partition_name IS NOT NULL
GROUP BY table_name HAVING avg(data_length + index_length) < %s"""


def carry(source: Session, target: Session, relation: Relation, actions: Mapping[str, Action], condition: str) -> int:
    """Bring the masked rows that meet `condition` and return how many there were; one block is read as another goes."""
    columns, rows = columns_of(relation, actions), 0
    with ThreadPoolExecutor(1) as writer:
        last: Future[None] | None = None
        for block in _blocks(source.stream(query(relation, actions, condition)), relation.name):
            if last is not None:
                last.result()
            last = writer.submit(target.insert, relation.name, columns, block)
            rows += len(block)
        if last is not None:
            last.result()
    return rows


def _blocks(rows: Iterable[tuple[bytes | None]], name: str) -> Iterator[list[bytes]]:
    block, size = [], 0
    for (row,) in rows:
        if row is None:
            raise DatabaseError(f"a row of {name} is larger than the source's `max_allowed_packet`; raise that there")
        block.append(row)
        size += len(row)
        if size > _BLOCK:
            yield block
            block, size = [], 0
    if block:
        yield block


def reaches(folder: Path) -> bool:
    """Whether this program may read and write the files in `folder`; not where it is on another machine."""
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK)


def copy_tables(source: Session, target: Session, definition: Definition, reach: Reach) -> str:
    """Fill the empty tables of `target` with those of `source` on the same server, and return by which method."""
    least = sys.maxsize if source.is_mysql else _WORTH  # there a partition's files have other names
    small = {name for (name,) in source.ask(_SMALL, source.database, least)}
    plain = [name for name, sql in definition.tables.items() if _BY_ROWS not in sql and name not in small]
    folder = Path(str(source.one("SELECT @@datadir")))
    is_near = all(reach(folder / each.database) for each in (source, target))
    if by_files := is_near and bool(plain) and _writes_out(target):
        copy_files(source, target, plain, folder)
        _writes_out(target)
    _copy_rows(source, target, [name for name in definition.tables if name not in plain or not by_files])
    return "tablespace files" if by_files else "rows"


def _writes_out(session: Session) -> bool:
    """Have everything written to where it belongs; return whether that is possible.

    MariaDB recovers a table that was made since the last time by its log alone, without the rows that were imported.
    """
    with suppress(DatabaseError):
        return session.is_mysql or session.ask("SET GLOBAL innodb_log_checkpoint_now = ON") == []
    return False


def _copy_rows(source: Session, target: Session, tables: Iterable[str]) -> None:
    def copy(name: str) -> None:
        columns = ", ".join(identifier(each) for (each,) in source_columns[name])
        into, where = identifier(name), f"{identifier(source.database)}.{identifier(name)}"
        with closing(target.another()) as session:
            session.ask("SET foreign_key_checks = 0, unique_checks = 0")
            session.ask(f"INSERT INTO {into} ({columns}) SELECT {columns} FROM {where}")

    source_columns = {name: source.ask(_COLUMNS, source.database, name) for name in tables}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(copy, source_columns))
