"""Look for the planted texts: first that the source has them, then that nothing of the golden does, dump and files."""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from psycopg import RawCursor

from layersite.database.golden.attestation import Check
from layersite.database.golden.postgresql.connect import Connection, explained, without_password
from layersite.database.golden.postgresql.values import identifier
from layersite.database.schema import Schema
from layersite.model.contract import Contract
from layersite.model.errors import ToolError

__all__ = ["dump_is_clean", "files_are_clean", "planted"]

_CHUNK = 1 << 20
_FILES = "SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = current_database()"

_SYSTEM = "SELECT system_identifier FROM pg_control_system()"


def planted(source: Connection, schema: Schema, contract: Contract) -> list[str]:
    """Return what is wrong with the canaries in the source: each must stand in a column that is not kept."""
    found: set[str] = set()
    for relation in schema.relations.values() if contract.canaries else ():
        listed = contract.relations.get(relation.name)
        names = [
            name for name in relation.columns if listed == "drop" or contract.columns(relation.name).get(name) != "keep"
        ]
        if relation.kind not in ("table", "partitioned") or relation.parent or not names:
            continue
        text = f"concat_ws(chr(31), {', '.join(f'{identifier(name)}::text' for name in names)})"
        query = f"SELECT DISTINCT c FROM {relation.name} JOIN unnest($1::text[]) c ON position(c in {text}) > 0"
        with explained(f"{relation.name} cannot be searched"), RawCursor(source) as cursor:
            rows = cursor.execute(query.encode(), (list(contract.canaries),)).fetchall()
        found.update(row[0] for row in rows)
    missing = [number for number, canary in enumerate(contract.canaries, 1) if canary not in found]
    return [
        f"canary {number} is in no masked column of the source, so it proves nothing; plant it" for number in missing
    ]


def dump_is_clean(uri: str, name: str, canaries: Sequence[str]) -> Check:
    """No canary is in a logical dump of the database `name`, its schema included."""
    if not canaries:
        return Check(name="dump", looked_at=0)
    target, secret = without_password(uri, name)
    argv = ["pg_dump", "--format=plain", f"--dbname={target}"]
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "LC_ALL": "C",
        **secret,
    }
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as dump:
        assert dump.stdout is not None  # noqa: S101  it is a pipe
        found = _search(iter(lambda: dump.stdout.read(_CHUNK), b""), canaries)  # type: ignore[union-attr]
    if dump.returncode != 0:
        raise ToolError(f"`pg_dump` of the draft failed with exit code {dump.returncode}; nothing was published")
    return Check(name="dump", looked_at=len(canaries), problems=tuple(_say(found, "the logical dump")))


def files_are_clean(draft: Connection, source: Connection, server: Connection, canaries: Sequence[str]) -> Check:
    """No canary is in a data file of the draft, nor in the write-ahead log, where this program can read them."""
    if not canaries:
        return Check(name="files", looked_at=0)
    row = server.execute("SELECT pg_has_role('pg_read_all_settings', 'USAGE')").fetchone()
    folder, oid = (draft.execute(_FILES).fetchone() or ("", 0)) if row and row[0] else ("", 0)
    database = Path(folder or "/", "base", str(oid))
    if not folder or not os.access(database, os.R_OK | os.X_OK):
        return Check(name="files", looked_at=0, remarks=("the server's data directory cannot be read from here",))
    with explained("the server cannot write its files out"):
        server.execute("CHECKPOINT")
    is_apart = source.execute(_SYSTEM).fetchone() != server.execute(_SYSTEM).fetchone()
    places = (database, Path(folder, "pg_wal")) if is_apart else (database,)
    files = [path for place in places for path in place.iterdir() if path.is_file()]
    found: set[int] = set()
    for path in files:
        with path.open("rb") as file:
            found |= _search(iter(lambda file=file: file.read(_CHUNK), b""), canaries)  # type: ignore[misc]
    remarks = () if is_apart else ("the write-ahead log, for the source lies on the same server and writes to it too",)
    return Check(
        name="files", looked_at=len(files), problems=tuple(_say(found, "the server's data files")), remarks=remarks
    )


def _search(chunks: Iterator[bytes], canaries: Sequence[str]) -> set[int]:
    """Return the numbers of the canaries that stand in `chunks`, over their edges too."""
    wanted = [canary.encode() for canary in canaries]
    patterns = [re.compile(_forms(each), re.DOTALL) for each in wanted]  # of one alone the first letter is sought
    overlap = 2 * max(map(len, wanted))
    found: set[int] = set()
    tail = b""
    for chunk in chunks:
        window = tail + chunk
        found |= {number for number, pattern in enumerate(patterns, 1) if pattern.search(window)}
        tail = window[-overlap:]
    return found


def _forms(canary: bytes) -> bytes:
    """Return the expression of a canary as it is, and as it is in a compressed value, a byte before each eight."""
    cut = [[canary[:first], *(canary[at : at + 8] for at in range(first, len(canary), 8))] for first in range(1, 9)]
    return b"|".join(b".".join(map(re.escape, parts)) for parts in ([canary], *cut))


def _say(found: Iterable[int], where: str) -> Iterator[str]:
    return (f"canary {number} stands in {where}" for number in sorted(found))
