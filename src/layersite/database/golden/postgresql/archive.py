"""The schema of the source as `pg_dump` writes it, without rows, owners, grants and comments, in the order it needs.

What a golden shall not have is left out and named; what nobody has thought of is refused by name.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from layersite.database.golden.postgresql.connect import without_password
from layersite.folder import private_folder
from layersite.model.errors import DatabaseError
from layersite.process import run

__all__ = ["Archive", "archive"]

_TAKEN = (
    "ACCESS METHOD|AGGREGATE|CAST|CHECK CONSTRAINT|COLLATION|CONSTRAINT|CONVERSION|DEFAULT|DOMAIN|ENCODING|EXTENSION|"
    "FK CONSTRAINT|FUNCTION|INDEX ATTACH|INDEX|MATERIALIZED VIEW|OPERATOR CLASS|OPERATOR FAMILY|OPERATOR|POLICY|"
    "PROCEDURAL LANGUAGE|PROCEDURE|ROW SECURITY|RULE|SCHEMA|SEARCHPATH|SEQUENCE OWNED BY|SEQUENCE|SHELL TYPE|"
    "STATISTICS|STDSTRINGS|TABLE ATTACH|TABLE|TEXT SEARCH CONFIGURATION|TEXT SEARCH DICTIONARY|TEXT SEARCH PARSER|"
    "TEXT SEARCH TEMPLATE|TRANSFORM|TRIGGER|TYPE|VIEW"
)
_LEFT_OUT = (
    "ACL|BLOB METADATA|BLOBS|BLOB|COMMENT|DATABASE PROPERTIES|DATABASE|DEFAULT ACL|EVENT TRIGGER|FOREIGN DATA WRAPPER|"
    "FOREIGN TABLE|PUBLICATION TABLES IN SCHEMA|PUBLICATION TABLE|PUBLICATION|SECURITY LABEL|SERVER|SUBSCRIPTION TABLE|"
    "SUBSCRIPTION|USER MAPPING"
)
_ENTRY = re.compile(rf"\d+; \d+ \d+ (?:({_LEFT_OUT})|({_TAKEN})|([A-Z ]+)) (.*)")
_HEADER = re.compile(r"(?m)^--\n-- Name: .*; Type: ([A-Z ]+); Schema: .*; Owner: .*\n--\n")
_NEWER = re.compile(r"(?m)^SET transaction_timeout = 0;\n|^\\(?:un)?restrict \w+\n")
"""What older servers do not know, and what only psql understands."""

_OPTIONS = (
    "--schema-only",
    "--no-privileges",
    "--no-comments",
    "--no-publications",
    "--no-subscriptions",
)
_MINUTES = 10 * 60


@dataclass(frozen=True)
class Archive:
    """`before` the rows makes the tables, each of `after` an index, a constraint, a trigger; `left_out` never comes."""

    before: str
    after: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]


def archive(uri: str, snapshot: str) -> Archive:
    """Read the schema at `snapshot`. Raises ToolError, DatabaseError."""
    with _dump(uri, snapshot) as file:
        listing = run(["pg_restore", "--list", str(file)]).decode()
        taken, left_out = _entries(listing)
        chosen = file.with_suffix(".list")
        chosen.write_text("\n".join(taken), encoding="utf-8")
        before, after = (_section(file, chosen, name) for name in ("pre-data", "post-data"))
    _, *parts = _HEADER.split(after)
    return Archive(before, tuple(zip(parts[::2], parts[1::2], strict=True)), left_out)


@contextmanager
def _dump(uri: str, snapshot: str) -> Iterator[Path]:
    target, secret = without_password(uri)
    with private_folder() as folder:
        file = folder / "schema"
        argv = [
            "pg_dump",
            "--format=custom",
            *_OPTIONS,
            f"--snapshot={snapshot}",
            f"--file={file}",
            f"--dbname={target}",
        ]
        run(argv, timeout=_MINUTES, env=secret)
        yield file


def _section(file: Path, chosen: Path, name: str) -> str:
    argv = [
        "pg_restore",
        f"--section={name}",
        f"--use-list={chosen}",
        "--no-owner",
        "--no-tablespaces",
        "--file=-",
        str(file),
    ]
    return _NEWER.sub("", run(argv).decode())


def _entries(listing: str) -> tuple[list[str], tuple[str, ...]]:
    """Return the lines of the listing to take, and what is left out as `SERVER warehouse`."""
    taken, left_out, unknown = [], [], []
    for line in listing.splitlines():
        if line.startswith(";") or not (found := _ENTRY.fullmatch(line)):
            continue
        unwanted, known, other, name = found.groups()
        if known:
            taken.append(line)
        elif unwanted:
            left_out.append(f"{unwanted} {name.removeprefix('- ').rpartition(' ')[0]}")
        else:
            unknown.append(f"{other} {name}")
    if unknown:
        raise DatabaseError(f"the source has what no golden can have yet: {'; '.join(unknown)}; take it out there")
    return taken, tuple(left_out)
