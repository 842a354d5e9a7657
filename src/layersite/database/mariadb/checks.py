"""What a golden on MariaDB must stand before it is published, asked of the golden itself."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from layersite.database.contract.rules import shape
from layersite.database.golden.attestation import Check
from layersite.database.golden.overlap import Hasher, Hashes, share_of
from layersite.database.mariadb.connect import Session, identifier, literal
from layersite.database.mariadb.ddl import read_definition
from layersite.database.mariadb.describe import read_schema
from layersite.database.schema import Column, Reference, Relation, Schema
from layersite.model.contract import Contract, Number, Rule

__all__ = ["alone", "dump_is_clean", "files_are_clean", "hasher", "planted", "structure"]

_STATISTICS = "SELECT table_name, column_name FROM mysql.column_stats WHERE db_name = %s AND min_value IS NOT NULL"
_CHUNK = 1 << 20


def alone(golden: Session, schema: Schema, contract: Contract) -> tuple[Check, ...]:
    """Check what a golden shows by itself, without its source."""
    return (
        _shapes(golden, schema, contract),
        _references(golden, (*schema.references, *Reference.declared(contract))),
        _anonymity(golden, contract),
        _statistics(golden),
    )


def structure(golden: Session, schema: Schema, contract: Contract) -> Check:
    """Every table of the source is there, with its columns, keys and references."""
    found, problems = read_schema(golden), []
    for relation in schema.relations.values():
        if relation.kind != "table":
            continue
        there = found.relations.get(relation.name)
        dropped = {name for name, action in contract.columns(relation.name).items() if action == "drop"}
        wanted = {name: each.type for name, each in relation.columns.items() if name not in dropped}
        if there is None or {name: each.type for name, each in there.columns.items()} != wanted:
            problems.append(f"{relation.name} is missing, or has other columns than in the source")
        elif lost := {key for key in relation.unique if not dropped & set(key)} - set(there.unique):
            problems.append(f"{relation.name} lost its key {min(lost)}")
    lost_references = set(schema.references) - set(found.references)
    problems += [f"the reference of {each.relation} to {each.target} is missing" for each in lost_references]
    return Check(name="structure", looked_at=len(found.relations), problems=tuple(sorted(problems)))


def _shapes(golden: Session, schema: Schema, contract: Contract) -> Check:
    """Every masked value looks as its rule makes it, emptied columns and dropped tables are empty."""
    problems, looked_at = [], 0
    for relation in schema.relations.values():
        tests = list(_tests(relation, contract))
        if tests:
            listed = ", ".join(f"coalesce(sum({test}), 0)" for _, test in tests)
            counts = golden.ask(f"SELECT {listed} FROM {identifier(relation.name)}")[0]
            problems += [f"{what}: {n} values" for (what, _), n in zip(tests, counts, strict=True) if int(float(n))]
            looked_at += len(tests)
    return Check(name="shapes", looked_at=looked_at, problems=tuple(problems))


def _tests(relation: Relation, contract: Contract) -> Iterator[tuple[str, str]]:
    if relation.kind == "table" and contract.relations.get(relation.name) == "drop":
        yield f"{relation.name} should be empty", "1"
    for name, action in contract.columns(relation.name).items():
        if action == "null":
            yield f"{relation.name}.{name} should be null", f"{identifier(name)} IS NOT NULL"
        elif not isinstance(action, str) and (test := _test(relation.columns[name], action)):
            yield f"{relation.name}.{name} is not what `{action.mask}` makes", test


def _test(column: Column, rule: Rule) -> str | None:
    """Return the condition that a value is not of the rule's making."""
    there = identifier(column.name)
    if isinstance(rule, Number):
        return f"coalesce({there} NOT BETWEEN {rule.min} AND {rule.max}, 0)"
    if (pattern := shape(rule, column).pattern) is None:
        return None
    text = f"CONVERT(CAST({there} AS CHAR) USING utf8mb4) COLLATE utf8mb4_bin"
    return f"coalesce({text} <> '' AND {text} NOT REGEXP {literal(f'^({pattern})$')}, 0)"


def _references(golden: Session, all_of_them: Sequence[Reference]) -> Check:
    """Every row that refers to another finds it."""
    problems = []
    for each in all_of_them:
        pairs = list(zip(map(identifier, each.columns), map(identifier, each.target_columns), strict=True))
        filled = " AND ".join(f"c.{mine} IS NOT NULL" for mine, _ in pairs)
        found = " AND ".join(f"p.{theirs} = c.{mine}" for mine, theirs in pairs)
        lost = f"{filled} AND NOT EXISTS (SELECT 1 FROM {identifier(each.target)} p WHERE {found})"
        if (count := golden.one(f"SELECT count(*) FROM {identifier(each.relation)} c WHERE {lost}")) != "0":
            problems.append(f"{count} rows of {each.relation} refer to rows of {each.target} that are not there")
    return Check(name="references", looked_at=len(all_of_them), problems=tuple(problems))


def _anonymity(golden: Session, contract: Contract) -> Check:
    """No combination of the declared columns stands for fewer rows than it must."""
    problems = []
    for each in contract.anonymity:
        columns = ", ".join(map(identifier, each.columns))
        groups = f"SELECT 1 FROM {identifier(each.relation)} GROUP BY {columns} HAVING count(*) < {each.k}"
        if (count := golden.one(f"SELECT count(*) FROM ({groups}) g")) != "0":
            named = ", ".join(each.columns)
            problems.append(f"{each.relation} ({named}): {count} combinations stand for fewer than {each.k} rows")
    return Check(name="anonymity", looked_at=len(contract.anonymity), problems=tuple(problems))


def _statistics(golden: Session) -> Check:
    """The server remembers no values of columns: its persistent statistics for them were never gathered."""
    found = golden.ask(_STATISTICS, golden.database)
    problems = [f"the statistics of {table}.{column} hold values" for table, column in found]
    return Check(name="statistics", looked_at=1, problems=tuple(problems))


def hasher(session: Session) -> Hasher:
    """Hash what `session` sees; both sides must have the same `@layersite_nonce`."""
    return partial(_hashes, session)


def _hashes(session: Session, relation: Relation, name: str, pairing: tuple[str, ...], shortest: int) -> Hashes:
    share, column = share_of(relation), _text(identifier(name))
    key = ", CHAR(31), ".join([*(_text(identifier(each)) for each in pairing), column])
    number = (
        f"CAST(CONV(LEFT(SHA2(CONCAT(@layersite_nonce, CAST(CONCAT({key}) AS BINARY)), 256), 14), 16, 10) AS UNSIGNED)"
    )
    sql = f"SELECT DISTINCT {number} AS h FROM {identifier(relation.name)} WHERE CHAR_LENGTH({column}) >= {shortest}"
    return Hashes(frozenset(int(row[0]) for row in session.ask(f"{sql} HAVING h % {share} = 0")), share)


def _text(there: str) -> str:
    return f"CONVERT(CAST({there} AS CHAR) USING utf8mb4)"


def planted(source: Session, schema: Schema, contract: Contract) -> Check:
    """Every canary stands in a column of the source that is not kept."""
    found: set[int] = set()
    for relation in schema.relations.values():
        listed = contract.relations.get(relation.name)
        columns = contract.columns(relation.name)
        names = [name for name in relation.columns if listed == "drop" or columns.get(name) != "keep"]
        if relation.kind == "table" and names and contract.canaries:
            text = f"CONCAT_WS(CHAR(31), {', '.join(_text(identifier(name)) for name in names)})"
            sums = ", ".join(f"coalesce(max(INSTR({text}, {literal(each)}) > 0), 0)" for each in contract.canaries)
            row = source.ask(f"SELECT {sums} FROM {identifier(relation.name)}")[0]
            found |= {number for number, seen in enumerate(row, 1) if seen != "0"}
    missing = [number for number in range(1, len(contract.canaries) + 1) if number not in found]
    text = "is in no masked column of the source, so it proves nothing; plant it"
    problems = tuple(f"canary {number} {text}" for number in missing)
    return Check(name="canaries", looked_at=len(contract.canaries), problems=problems)


def dump_is_clean(golden: Session, canaries: Sequence[str]) -> Check:
    """No canary is in a statement that makes the schema, nor in any value of any row."""
    found = _search([repr(read_definition(golden)).encode()], canaries)
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
    folder = Path(str(golden.one("SELECT @@datadir")))
    own = folder / golden.database
    if not os.access(own, os.R_OK | os.X_OK):
        return Check(name="files", looked_at=0, remarks=("the server's data directory cannot be read from here",))
    is_same = golden.one("SELECT @@server_uid") == source.one("SELECT @@server_uid")
    tables = [identifier(name) for (name,) in golden.ask("SHOW TABLES")]
    golden.ask(f"FLUSH TABLES {', '.join(tables)} FOR EXPORT")  # has all of it written to the files
    try:
        shared = [path for path in folder.iterdir() if re.match(r"ibdata|ib_logfile|undo|.*-bin\.\d+$", path.name)]
        shared = [] if is_same else shared
        files = [path for path in (*own.iterdir(), *shared) if path.is_file()]
        found: set[int] = set()
        for path in files:
            with path.open("rb") as file:
                found |= _search(iter(lambda file=file: file.read(_CHUNK), b""), canaries)  # type: ignore[misc]
    finally:
        golden.ask("UNLOCK TABLES")
    remarks = ("the source is on the same server, so the logs hold its values too",) if is_same else ()
    return Check(name="files", looked_at=len(files), problems=tuple(_say(found, "the server's files")), remarks=remarks)


def _search(chunks: Iterable[bytes], canaries: Sequence[str]) -> set[int]:
    """Return the numbers of the canaries that stand in `chunks`, over their edges too."""
    wanted = [canary.encode() for canary in canaries]
    found: set[int] = set()
    tail = b""
    for chunk in chunks:
        window = tail + chunk
        found |= {number for number, each in enumerate(wanted, 1) if each in window}
        tail = window[-max(map(len, wanted), default=0) :] if wanted else b""
    return found


def _say(found: Iterable[int], where: str) -> Iterator[str]:
    return (f"canary {number} stands in {where}" for number in sorted(found))
