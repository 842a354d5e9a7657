"""Copy tables within one server as the files that hold them.

No partition can be imported, but a table, which then takes a partition's place.
"""

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from layersite.database.mariadb.connect import Session, identifier

__all__ = ["clone_file", "copy_files"]

_PATIENCE = 3600
"""How many seconds clones wait for others of the same golden to have copied their files."""
_PARTITIONS = """
SELECT table_name, coalesce(subpartition_name, partition_name), HEX(CONVERT(table_name USING filename)),
  HEX(CONVERT(partition_name USING filename)), HEX(CONVERT(subpartition_name USING filename))
FROM information_schema.partitions WHERE table_schema = %s AND partition_name IS NOT NULL
ORDER BY table_name, partition_ordinal_position, subpartition_ordinal_position"""


@dataclass(frozen=True)
class _Partition:
    """A partition of `table`, whose files are called `file`, and the table `through` which it comes."""

    table: str
    name: str
    file: str
    through: str


def copy_files(source: Session, target: Session, tables: Sequence[str], folder: Path) -> None:
    """Copy the tablespaces of `tables` to the empty tables of `target`; the copies share blocks where the disk can.

    The golden's tables are held still meanwhile.
    """
    parts = [] if source.is_mysql else list(_partitions(source, tables))
    divided = {part.table for part in parts}
    _make_tables(target, parts)
    whole = [name for name in tables if name not in divided] + [part.through for part in parts]
    for name in whole:
        target.ask(f"ALTER TABLE {identifier(name)} DISCARD TABLESPACE")
    source.ask(f"SET lock_wait_timeout = {_PATIENCE}")
    source.ask(f"FLUSH TABLES {', '.join(map(identifier, tables))} FOR EXPORT")
    renamed = {part.file: part.through for part in parts}
    try:
        for path in (folder / source.database).glob("*.cfg"):
            for each in (path, path.with_suffix(".ibd")):
                clone_file(each, folder / target.database / f"{renamed.get(path.stem, path.stem)}{each.suffix}")
    finally:
        source.ask("UNLOCK TABLES")
    for name in whole:
        target.ask(f"ALTER TABLE {identifier(name)} IMPORT TABLESPACE")
    for path in (folder / target.database).glob("*.cfg"):  # it would keep the database from being dropped
        path.unlink()
    for part in parts:
        change = f"EXCHANGE PARTITION {identifier(part.name)} WITH TABLE {identifier(part.through)}"
        target.ask(f"ALTER TABLE {identifier(part.table)} {change}")
        target.ask(f"DROP TABLE {identifier(part.through)}")


def _partitions(source: Session, tables: Collection[str]) -> Iterator[_Partition]:
    rows = (row for row in source.ask(_PARTITIONS, source.database) if row[0] in tables)
    for number, (table, name, *written) in enumerate(rows):
        file, part, *rest = (bytes.fromhex(each).decode() for each in written if each)
        yield _Partition(table, name, "#SP#".join((f"{file}#P#{part}", *rest)), f"layersite_part_{number}")


def _make_tables(target: Session, parts: Sequence[_Partition]) -> None:
    """Make the tables that partitions come through; of those of one table the first is the others' model."""
    for table, found in groupby(parts, key=lambda part: part.table):
        first, *others = (identifier(part.through) for part in found)
        target.ask(f"CREATE TABLE {first} LIKE {identifier(table)}")
        target.ask(f"ALTER TABLE {first} REMOVE PARTITIONING")
        for other in others:
            target.ask(f"CREATE TABLE {other} LIKE {first}")


def clone_file(path: Path, to: Path) -> bool:
    """Copy a file as its owner's, by reference where the file system knows that; return whether it did."""
    import fcntl

    with path.open("rb") as source, to.open("wb") as target:
        try:
            fcntl.ioctl(target, 0x40049409, source.fileno())  # FICLONE
            is_shared = True
        except OSError:
            shutil.copyfileobj(source, target, 1 << 20)
            is_shared = False
    owner = path.stat()
    to.chmod(0o660)
    if os.geteuid() == 0:
        os.chown(to, owner.st_uid, owner.st_gid)
    return is_shared
