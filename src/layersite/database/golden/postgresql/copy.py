"""Bring the masked rows over: many ranges of pages at a time, all of them as of one exported snapshot.

The source computes what leaves it, so raw values never do; the rows go straight into the draft's tables.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from layersite.database.golden.postgresql.connect import Connection, connect, explained
from layersite.database.golden.postgresql.masks import selection
from layersite.database.golden.subset import emptied
from layersite.database.schema import Relation, Schema
from layersite.model.contract import Contract

__all__ = ["Part", "Rows", "copy_parts", "parts", "ranges", "snapshot"]

_PAGES = 1024
"""How many pages (8 MB) one range has: enough to keep each worker busy, small enough to share the last table."""
_TIDS = 20_000
_BUFFER = 1 << 18

Rows = Mapping[str, Sequence[str]]
"""By relation the places (`(7,1)`) of the rows to take; a relation that is missing is taken whole."""


@dataclass(frozen=True)
class Part:
    """One COPY: what the source runs, and the table that gets the rows."""

    query: str
    table: str
    columns: tuple[str, ...]
    weight: int

    def carry(self, source: Connection, target: Connection) -> int:
        """Copy the rows and return how many there were. Raises psycopg.Error."""
        into = f"COPY {self.table} ({', '.join(self.columns)}) FROM STDIN"
        with source.cursor() as reader, target.cursor() as writer:
            with reader.copy(f"COPY ({self.query}) TO STDOUT".encode()) as rows, writer.copy(into.encode()) as copy:
                for block in _blocks(rows):
                    copy.write(block)
            return writer.rowcount


def _blocks(rows: psycopg.Copy) -> Iterator[bytes]:
    """Gather rows, which come one by one, into blocks that are worth sending."""
    gathered, size = [], 0
    for row in rows:
        gathered.append(row)
        size += len(row)
        if size > _BUFFER:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)


def parts(schema: Schema, contract: Contract, rows: Rows) -> list[Part]:
    """Return every COPY that a golden needs, the heaviest first."""
    found: list[Part] = []
    for relation in schema.relations.values():
        listed = contract.relations[schema.root(relation).name]
        if relation.holds_rows and isinstance(listed, dict):
            found += _of(relation, schema.root(relation), contract, rows.get(relation.name))
    return sorted(found, key=lambda part: part.weight, reverse=True)


def _of(relation: Relation, root: Relation, contract: Contract, chosen: Sequence[str] | None) -> Iterator[Part]:
    made = selection(relation, {**contract.columns(root.name), **emptied(contract, root.name)})
    for weight, condition in ranges(relation.pages) if chosen is None else _places(chosen):
        work = weight * (1 + len(made.hashes))
        yield Part(made.query(relation.name, condition), root.name, tuple(made.columns), work)


def ranges(pages: int) -> Iterator[tuple[int, str]]:
    """Cut a table into ranges; the last one is open, for pages may have come since they were counted."""
    for first in range(0, max(pages, 1), _PAGES):
        is_last = first + _PAGES >= pages
        until = "" if is_last else f" AND t.ctid < '({first + _PAGES},0)'"
        yield min(_PAGES, pages - first), f"t.ctid >= '({first},0)'{until}"


def _places(chosen: Sequence[str]) -> Iterator[tuple[int, str]]:
    for first in range(0, len(chosen), _TIDS):
        some = chosen[first : first + _TIDS]
        listed = ",".join(f'"{place}"' for place in some)
        yield len(some), f"t.ctid = ANY ('{{{listed}}}'::tid[])"


@contextmanager
def snapshot(source: Connection, name: str) -> Iterator[None]:
    """See the source as the transaction did that exported the snapshot `name`."""
    with source.transaction():
        source.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        source.execute(f"SET TRANSACTION SNAPSHOT '{name}'".encode())
        yield


def copy_parts(
    open_source: Callable[[], Connection], uri: str, database: str, name: str, parts: Sequence[Part], workers: int
) -> int:
    """Carry all `parts` as of the snapshot `name` and return how many rows there were. Raises DatabaseError."""
    waiting, lock = iter(parts), threading.Lock()

    def work() -> int:
        rows = 0
        with open_source() as source, connect(uri, database) as target, snapshot(source, name):
            while True:
                with lock:
                    part = next(waiting, None)
                if part is None:
                    return rows
                try:
                    with explained(f"the rows of {part.table} cannot be copied"):
                        rows += part.carry(source, target)
                except BaseException:
                    with lock:
                        list(waiting)  # the others need not go on
                    raise

    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(work) for _ in range(min(workers, len(parts)))]
        return sum(each.result() for each in running)
