"""What a MariaDB database consists of, from its information schema; what no golden can have is refused by name."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from layersite.database.mariadb.connect import Session
from layersite.database.schema import Column, Family, Reference, Relation, Schema
from layersite.model.errors import DatabaseError

__all__ = ["read_schema"]

_TABLES = """
SELECT table_name, table_type, coalesce(table_rows, 0) FROM information_schema.tables
WHERE table_schema = %s ORDER BY table_name"""
_COLUMNS = """
SELECT c.table_name, c.column_name, c.column_type, c.data_type, c.is_nullable, c.generation_expression,
  c.character_maximum_length, c.numeric_precision, c.numeric_scale, c.collation_name, k.check_clause
FROM information_schema.columns c LEFT JOIN information_schema.check_constraints k
  ON k.constraint_schema = c.table_schema AND k.table_name = c.table_name AND k.constraint_name = c.column_name
  AND k.level = 'Column'
WHERE c.table_schema = %s ORDER BY c.table_name, c.ordinal_position"""
_COLUMNS_OF_MYSQL = """
SELECT table_name, column_name, column_type, data_type, is_nullable, generation_expression, character_maximum_length,
  numeric_precision, numeric_scale, collation_name, NULL
FROM information_schema.columns WHERE table_schema = %s ORDER BY table_name, ordinal_position"""
_KEYS = """
SELECT s.table_name, s.index_name, s.column_name FROM information_schema.statistics s
WHERE s.table_schema = %s AND s.non_unique = 0 ORDER BY s.table_name, s.index_name, s.seq_in_index"""
_REFERENCES = """
SELECT table_name, constraint_name, column_name, referenced_table_schema, referenced_table_name, referenced_column_name
FROM information_schema.key_column_usage WHERE table_schema = %s AND referenced_table_name IS NOT NULL
ORDER BY table_name, constraint_name, ordinal_position"""
_EVENTS = "SELECT event_name FROM information_schema.events WHERE event_schema = %s ORDER BY event_name"
_GRANTED = """
SELECT privilege_type FROM information_schema.user_privileges WHERE grantee = @grantee
UNION SELECT privilege_type FROM information_schema.schema_privileges
WHERE grantee = @grantee AND %s LIKE table_schema"""
_SEES_ALL = """
SELECT count(*) FROM information_schema.user_privileges WHERE grantee = @grantee AND privilege_type = 'SELECT'"""
"""On everything, which is what shows routines on MySQL."""
_NEEDED = {"triggers": "TRIGGER", "events": "EVENT", "routines": "SHOW CREATE ROUTINE"}

_FAMILIES: dict[str, Family] = {
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"), "text"),
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint"), "integer"),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), "bytes"),
    **dict.fromkeys(("datetime", "timestamp"), "timestamp"),
    **dict.fromkeys(("inet4", "inet6"), "inet"),
    **dict.fromkeys(("float", "double"), "float"),
    **dict.fromkeys(("enum", "set"), "enum"),
    "decimal": "decimal",
    "date": "date",
    "uuid": "uuid",
    "json": "json",
}
_DIGITS = {"tinyint": 2, "smallint": 4, "mediumint": 6, "int": 9, "bigint": 18}
"""How many digits fit a number of each type, whatever they are."""


def read_schema(session: Session) -> Schema:
    """Return what the session's database consists of.

    Raises:
        DatabaseError: it has what no golden can have: sequences, system-versioned tables, keys into other databases.
    """
    database = session.database
    relations: dict[str, Relation] = {}
    for name, kind, rows in session.ask(_TABLES, database):
        if kind not in ("BASE TABLE", "VIEW"):
            raise DatabaseError(f"the source has what no golden can have yet: {kind.lower()} {name}; take it out there")
        relations[name] = Relation(name, "view" if kind == "VIEW" else "table", {}, rows=int(rows))
    columns: dict[str, dict[str, Column]] = {name: {} for name in relations}
    listed = _COLUMNS_OF_MYSQL if session.is_mysql else _COLUMNS
    for table, name, *rest in session.ask(listed, database):
        columns[table][name] = _column(name, *rest)
    keys: dict[tuple[str, str], list[str]] = {}
    for table, key, column in session.ask(_KEYS, database):
        keys.setdefault((table, key), []).append(column)
    for name, relation in relations.items():
        unique = tuple(tuple(found) for (table, _), found in keys.items() if table == name)
        primary = tuple(keys.get((name, "PRIMARY"), ()))
        relations[name] = replace(relation, columns=columns[name], primary=primary, unique=unique)
    events = tuple(f"event {name}" for (name,) in session.ask(_EVENTS, database))
    return Schema(relations, _references(session), left_out=(*events, *_hidden(session)))


def _hidden(session: Session) -> Iterator[str]:
    """Name what the server does not even list for a role that was not granted enough."""
    session.ask(
        "SET @grantee = CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@',"
        " QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))"
    )
    granted = {str(each) for (each,) in session.ask(_GRANTED, session.database)}
    with suppress(DatabaseError):  # before MariaDB 11.3, this is what shows routines
        session.ask("SELECT 1 FROM mysql.proc LIMIT 0")
        granted.add("SHOW CREATE ROUTINE")
    if session.is_mysql and session.one(_SEES_ALL) != "0":
        granted.add("SHOW CREATE ROUTINE")
    return (
        f"{what}, should there be any, for the role may not see them"
        for what, right in _NEEDED.items()
        if right not in granted
    )


def _references(session: Session) -> tuple[Reference, ...]:
    found: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for table, key, column, where, target, other in session.ask(_REFERENCES, session.database):
        if where != session.database:
            text = f"the source has what no golden can have: {table} refers to {where}.{target}, another database"
            raise DatabaseError(f"{text}; take the key {key} out there")
        found.setdefault((table, key), []).append((column, target, other))
    return tuple(
        Reference(table, tuple(c for c, _, _ in parts), parts[0][1], tuple(other for _, _, other in parts))
        for (table, _), parts in found.items()
    )


def _column(
    name: str,
    full: str,
    kind: str,
    nullable: str,
    generated: str | None,
    length: str | None,
    precision: str | None,
    scale: str | None,
    collation: str | None,
    check: str | None,
) -> Column:
    family = _FAMILIES.get(kind, "other")
    if kind == "longtext" and (check or "").startswith("json_valid("):
        family = "json"
    digits = _DIGITS.get(kind) or (int(precision) if family == "decimal" and precision else None)
    return Column(
        name,
        full,
        family,
        nullable == "YES",
        bool(generated),
        length=int(length) if length and family in ("text", "bytes") else digits,
        scale=int(scale or 0) if family == "decimal" else 0,
        folds_case="_ci" in (collation or ""),
    )
