"""Look for the planted texts: first that the source has them, then that nothing of the golden does, rows and files."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from layersite.database.golden.attestation import Check
from layersite.database.mariadb.connect import Session, identifier, literal, text_of
from layersite.database.schema import Schema
from layersite.model.contract import Contract

__all__ = ["dump_is_clean", "files_are_clean", "planted"]

_CHUNK = 1 << 20
_PACKED = """
SELECT count(DISTINCT table_name) FROM information_schema.tables t JOIN information_schema.columns c
USING (table_schema, table_name) WHERE table_schema = %s
AND CONCAT_WS(' ', row_format, create_options, column_type) REGEXP 'compressed|encrypted'"""


def planted(source: Session, schema: Schema, contract: Contract) -> Check:
    """Every canary stands in a column of the source that is not kept."""
    found: set[int] = set()
    for relation in schema.relations.values():
        listed = contract.relations.get(relation.name)
        columns = contract.columns(relation.name)
        names = [name for name in relation.columns if listed == "drop" or columns.get(name) != "keep"]
        if relation.kind == "table" and names and contract.canaries:
            text = f"CONCAT_WS(CHAR(31), {', '.join(text_of(identifier(name)) for name in names)})"
            sums = ", ".join(f"coalesce(max(INSTR({text}, {literal(each)}) > 0), 0)" for each in contract.canaries)
            row = source.ask(f"SELECT {sums} FROM {identifier(relation.name)}")[0]
            found |= {number for number, seen in enumerate(row, 1) if seen != "0"}
    missing = [number for number in range(1, len(contract.canaries) + 1) if number not in found]
    text = "is in no masked column of the source, so it proves nothing; plant it"
    problems = tuple(f"canary {number} {text}" for number in missing)
    return Check(name="canaries", looked_at=len(contract.canaries), problems=problems)


def dump_is_clean(golden: Session, definition: str, canaries: Sequence[str]) -> Check:
    """No canary is in a statement that makes the schema, nor in any value of any row."""
    if not canaries:
        return Check(name="dump", looked_at=0)
    found = _search([definition.encode()], canaries)
    for (name,) in golden.ask(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", golden.database
    ):
        found |= _search((_bytes(row) for row in golden.stream(f"SELECT * FROM {identifier(name)}")), canaries)
    return Check(name="dump", looked_at=len(canaries), problems=tuple(_say(found, "a logical dump")))


def _bytes(row: Iterable[object]) -> bytes:
    return b"\x1f".join(each if isinstance(each, bytes) else str(each).encode() for each in row)


def files_are_clean(golden: Session, source: Session, canaries: Sequence[str]) -> Check:
    """No canary is in a file of the golden, nor in the server's logs and undo, where this program can read them.

    Where the source is on the same server, its logs and undo are the source's too, and not looked at.
    """
    if not canaries:
        return Check(name="files", looked_at=0)
    folder = Path(str(golden.one("SELECT @@datadir")))
    own = folder / golden.database
    if not os.access(own, os.R_OK | os.X_OK):
        return Check(name="files", looked_at=0, remarks=("the server's data directory cannot be read from here",))
    one, other = (each.one(f"SELECT @@{'server_uuid' if each.is_mysql else 'server_uid'}") for each in (golden, source))
    is_same = one == other
    packed = golden.one(_PACKED, golden.database)
    tables = [identifier(name) for (name,) in golden.ask("SHOW TABLES")]
    golden.ask(f"FLUSH TABLES {', '.join(tables)} FOR EXPORT")  # has all of it written to the files
    try:
        shared = [
            path
            for path in (*folder.iterdir(), *folder.glob("#innodb_redo/*"))
            if re.match(r"ibdata|ib_logfile|#ib_|undo|.*(-bin|binlog)\.\d+$", path.name)
        ]
        shared = [] if is_same else shared
        files = [path for path in (*own.iterdir(), *shared) if path.is_file()]
        found: set[int] = set()
        for path in files:
            with path.open("rb") as file:
                found |= _search(iter(lambda file=file: file.read(_CHUNK), b""), canaries)  # type: ignore[misc]
    finally:
        golden.ask("UNLOCK TABLES")
    remarks = ["the source is on the same server, so the logs hold its values too"] if is_same else []
    if packed != "0":
        remarks.append(f"{packed} tables are compressed or encrypted, in whole or in part, so their files show little")
    return Check(
        name="files", looked_at=len(files), problems=tuple(_say(found, "the server's files")), remarks=tuple(remarks)
    )


def _search(chunks: Iterable[bytes], canaries: Sequence[str]) -> set[int]:
    """Return the numbers of the canaries that stand in `chunks`, over their edges too."""
    wanted = [canary.encode() for canary in canaries]
    found: set[int] = set()
    tail = b""
    for chunk in chunks:
        window = tail + chunk
        found |= {number for number, each in enumerate(wanted, 1) if each in window}
        tail = window[-max(map(len, wanted)) :]
    return found


def _say(found: Iterable[int], where: str) -> Iterator[str]:
    return (f"canary {number} stands in {where}" for number in sorted(found))
