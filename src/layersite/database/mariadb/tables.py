"""What fixtures need to know of a live MariaDB schema: columns, keys, checks, and which tables refer to which."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from layersite.database.fixtures.schema import Column, ForeignKey, Table
from layersite.database.mariadb.connect import Session, identifier

__all__ = ["named_in", "read_tables"]

_TABLES = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = %s AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_name"""
_COLUMNS = """
SELECT table_name, column_name, column_type, data_type, is_nullable, column_default, extra, character_maximum_length,
  numeric_precision, numeric_scale
FROM information_schema.columns WHERE table_schema = %s AND coalesce(generation_expression, '') = ''
ORDER BY table_name, ordinal_position"""
_CHECKS = """
SELECT table_name, check_clause FROM information_schema.check_constraints
WHERE constraint_schema = %s ORDER BY table_name, level, constraint_name"""
_UNIQUE = """
SELECT table_name, index_name = 'PRIMARY', index_name, column_name, sub_part FROM information_schema.statistics
WHERE table_schema = %s AND non_unique = 0 ORDER BY table_name, index_name <> 'PRIMARY', index_name, seq_in_index"""
_KEYS = """
SELECT table_name, constraint_name, column_name, referenced_table_schema, referenced_table_name, referenced_column_name
FROM information_schema.key_column_usage WHERE table_schema = %s AND referenced_table_name IS NOT NULL
ORDER BY table_name, constraint_name, ordinal_position"""
_PARTITIONS = """
SELECT table_name, partition_method, partition_expression, partition_description FROM information_schema.partitions
WHERE table_schema = %s AND (partition_method LIKE 'RANGE%%' OR partition_method LIKE 'LIST%%')
ORDER BY table_name, partition_ordinal_position"""
_TRIGGERS = """
SELECT event_object_table, action_statement FROM information_schema.triggers WHERE trigger_schema = %s"""

_WHOLE = ("tinyint", "smallint", "mediumint", "int", "bigint")
_KINDS = {
    **dict.fromkeys(("char", "varchar"), "varchar"),
    **dict.fromkeys(("tinytext", "text", "mediumtext", "longtext"), "text"),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), "binary"),
    **dict.fromkeys(("datetime", "timestamp"), "timestamp"),
    **dict.fromkeys(("point", "geometry"), "geometry"),
    **{name: f"int{size}" for name, size in zip(_WHOLE, (1, 2, 3, 4, 8), strict=True)},
    "decimal": "numeric",
    "float": "float4",
    "double": "float8",
    "bit": "bits",
    "inet4": "inet",
}
"""By MariaDB's names, what made-up values know a type by; the others have their own."""
_QUOTED = re.compile(r"`((?:[^`]|``)+)`")
_LABEL = re.compile(r"'((?:[^']|'')*)'")
_Rows = dict[str, list[tuple[str, ...]]]


def named_in(check: str) -> set[str]:
    """Return the columns that a check names, and whatever else it quotes like one."""
    return {name.replace("``", "`") for name in _QUOTED.findall(check)}


def read_tables(session: Session) -> Mapping[str, Table]:
    """Return every table of the session's database by what SQL calls it, in the order of their names."""

    def ask(sql: str) -> _Rows:
        rows = session.ask(sql, session.database) if sql != _CHECKS or not session.is_mysql else []
        return {str(table): [row[1:] for row in found] for table, found in groupby(rows, key=lambda row: row[0])}

    columns, checks, unique, keys, partitions = map(ask, (_COLUMNS, _CHECKS, _UNIQUE, _KEYS, _PARTITIONS))
    triggers = [(str(table), str(sql)) for table, sql in session.ask(_TRIGGERS, session.database)]
    found = {}
    for (name,) in session.ask(_TABLES, session.database):
        clauses = [_standard(sql) for (sql,) in checks.get(name, ())]
        found[identifier(name)] = Table(
            name,
            identifier(name),
            {row[0]: _column(*row, clauses=clauses, unique=unique.get(name, ())) for row in columns[name]},
            tuple(frozenset(each[2] for each in rows) for rows in _grouped(unique.get(name, ()), 1)),
            tuple(_foreign(session.database, list(rows)) for rows in _grouped(keys.get(name, ()), 0)),
            (*clauses, *_bounds(partitions.get(name, ()))),
            any(_writes(sql, name) for table, sql in triggers if table != name),
        )
    return found


def _grouped(rows: Sequence[tuple[str, ...]], by: int) -> Iterator[list[tuple[str, ...]]]:
    return (list(found) for _, found in groupby(rows, key=lambda row: row[by]))


def _standard(check: str) -> str:
    r"""Write a quote in text as `''`, not as `\'`."""
    return re.sub(r"\\(.)", lambda found: "''" if found[1] == "'" else found[0], check, flags=re.DOTALL)


def _column(
    name: str,
    full: str,
    kind: str,
    nullable: str,
    default: str | None,
    extra: str,
    length: str | None,
    precision: str | None,
    scale: str | None,
    *,
    clauses: Sequence[str],
    unique: Sequence[tuple[str, ...]],
) -> Column:
    labels = tuple(label.replace("''", "'") for label in _LABEL.findall(full)) if kind in ("enum", "set") else ()
    if kind == "set":
        labels = (*labels, ",".join(labels))
    if full.startswith("tinyint(1)"):
        labels = ("0", "1")
    sequence = re.search(r"nextval\((.*)\)", default or "")
    is_document = f"json_valid({identifier(name)})" in clauses
    shown = [
        int(part) for _, _, column, part in unique if column == name and part
    ]  # of a key on a text's first letters
    return Column(
        name,
        full,
        "json" if is_document else _KINDS.get(kind, kind),
        nullable == "YES",
        sequence[1] if sequence else ("" if "auto_increment" in extra else None),
        default is not None or "auto_increment" in extra,
        min([int(length), *shown]) if length and kind not in ("enum", "set") else None,
        (int(precision), int(scale or 0)) if precision and kind in ("decimal", "bit") else None,
        labels,
    )


def _foreign(database: str, rows: Sequence[tuple[str, ...]]) -> ForeignKey:
    name, _, where, target, _ = rows[0]
    sql = identifier(target) if where == database else f"{identifier(where)}.{identifier(target)}"
    # Nothing is checked late here, but a session may leave checks out, and then they are made as the key is set.
    return ForeignKey(name, tuple(row[1] for row in rows), sql, tuple(row[4] for row in rows), deferrable=True)


def _bounds(partitions: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Say which rows the partitions have a place for."""
    if not partitions:
        return
    method, expression, last = partitions[-1]
    if method.startswith("LIST") and "," not in expression:
        yield f"{expression} in ({', '.join(dict.fromkeys(described for _, _, described in partitions))})"
    elif method.startswith("RANGE") and "," not in expression and last != "MAXVALUE":
        yield f"{expression} < {last}"


def _writes(trigger: str, name: str) -> bool:
    return bool(re.search(rf"(?i)\b(?:into|update)\s+(?:\S+\.)?`?{re.escape(name)}(?!\w)", trigger))
