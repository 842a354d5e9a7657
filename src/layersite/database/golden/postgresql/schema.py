"""Read what a PostgreSQL database consists of from its catalog, in one transaction's view of it."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

from layersite.database.golden.postgresql.connect import Connection
from layersite.database.schema import Column, Family, Kind, Reference, Relation, Schema

__all__ = ["read_schema"]

_MINE = """n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend e
        WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')"""

_RELATIONS = f"""
SELECT c.oid, format('%I.%I', n.nspname, c.relname), c.relkind::text, c.relispartition,
    CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid END,
    pages, greatest(c.reltuples::bigint, CASE WHEN c.reltuples <= 0 THEN pages * 50 END, 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL (
    SELECT coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::int AS pages) size
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' AND {_MINE}
ORDER BY 2"""

_COLUMNS = f"""
WITH RECURSIVE base AS (
    SELECT t.oid AS domain, t.oid, t.typbasetype, t.typtypmod AS typmod FROM pg_type t
    UNION ALL
    SELECT b.domain, t.oid, t.typbasetype, CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE b.typmod END
    FROM base b JOIN pg_type t ON t.oid = b.typbasetype WHERE b.typbasetype <> 0
)
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod),
    CASE coalesce(e.typtype, t.typtype) WHEN 'e' THEN 'enum' ELSE coalesce(e.typname, t.typname) END,
    e.oid IS NOT NULL,
    CASE WHEN a.atttypmod >= 0 THEN a.atttypmod ELSE b.typmod END,
    a.attnotnull OR d.typnotnull, a.attgenerated <> ''
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN base b ON b.domain = a.atttypid AND b.typbasetype = 0 JOIN pg_type t ON t.oid = b.oid
JOIN pg_type d ON d.oid = a.atttypid
LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {_MINE}
ORDER BY a.attrelid, a.attnum"""

_KEYS = """
SELECT i.indrelid, i.indisprimary, array_agg(a.attname ORDER BY k.place)
FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int[]) WITH ORDINALITY k(number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indisunique AND i.indisvalid AND i.indexprs IS NULL AND i.indpred IS NULL AND k.place <= i.indnkeyatts
GROUP BY i.indexrelid, i.indrelid, i.indisprimary"""

_REFERENCES = """
SELECT c.conrelid, c.confrelid,
    ARRAY(SELECT a.attname FROM unnest(c.conkey) WITH ORDINALITY k(n, o)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY k.o),
    ARRAY(SELECT a.attname FROM unnest(c.confkey) WITH ORDINALITY k(n, o)
        JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY k.o),
    c.convalidated
FROM pg_constraint c WHERE c.contype = 'f' AND c.conparentid = 0
    AND to_jsonb(c) ->> 'conperiod' IS DISTINCT FROM 'true'
ORDER BY c.conrelid, c.conname"""
"""A key over a period of time, from PostgreSQL 18 on, finds its rows together, and the server alone looks after it."""

_LARGE_OBJECTS = "SELECT count(*) FROM pg_largeobject_metadata"

_LEFT_OUT = """
SELECT 'PUBLICATION ' || pubname FROM pg_publication
UNION ALL SELECT 'SUBSCRIPTION ' || subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
    WHERE datname = current_database()
UNION ALL SELECT DISTINCT CASE p.deptype WHEN 'o' THEN 'OWNER ' ELSE 'GRANT ' END || rolname
    FROM pg_shdepend p JOIN pg_roles r ON r.oid = p.refobjid JOIN pg_database d ON d.oid = p.dbid
    WHERE datname = current_database() AND p.deptype IN ('o', 'a') AND p.refclassid = 'pg_authid'::regclass
UNION ALL SELECT count(*) || ' COMMENT' FROM pg_description c
    WHERE objoid >= 16384 AND classoid <> 'pg_extension'::regclass AND NOT EXISTS (SELECT FROM pg_depend e
        WHERE e.classid = c.classoid AND e.objid = c.objoid AND e.deptype = 'e') HAVING count(*) > 0
UNION ALL SELECT count(*) || ' LARGE OBJECT' FROM pg_largeobject_metadata HAVING count(*) > 0
ORDER BY 1"""
"""What `pg_dump` is told not to write; from 16384 on objects are no longer the system's."""

_KINDS: dict[str, Kind] = {"r": "table", "p": "partitioned", "v": "view", "m": "matview", "f": "foreign"}
_FAMILIES: dict[str, Family] = {
    **dict.fromkeys(("text", "varchar", "bpchar", "citext", "name"), "text"),
    **dict.fromkeys(("int2", "int4", "int8"), "integer"),
    **dict.fromkeys(("float4", "float8"), "float"),
    **dict.fromkeys(("json", "jsonb"), "json"),
    **dict.fromkeys(("timestamp", "timestamptz"), "timestamp"),
    **dict.fromkeys(("inet", "cidr"), "inet"),
    "numeric": "decimal",
    "uuid": "uuid",
    "date": "date",
    "bytea": "bytes",
    "bool": "boolean",
    "enum": "enum",
}
_DIGITS = {"int2": 4, "int4": 9, "int8": 18}


def read_schema(connection: Connection) -> Schema:
    """Return every relation that is no system's and no extension's, with its keys and references."""
    columns: dict[int, dict[str, Column]] = defaultdict(dict)
    for oid, name, *rest in connection.execute(_COLUMNS):
        columns[oid][name] = _column(name, *rest)
    unique: dict[int, list[tuple[bool, tuple[str, ...]]]] = defaultdict(list)
    for oid, is_primary, names in connection.execute(_KEYS):
        unique[oid].append((is_primary, tuple(names)))
    rows = connection.execute(_RELATIONS).fetchall()
    names = {row[0]: row[1] for row in rows}
    counted: dict[int, int] = defaultdict(int)
    for oid, _, letter, _, root, _, count in rows:
        counted[oid] += count if letter != "p" else 0
        counted[root] += count if letter != "p" else 0
    relations = {
        row[1]: replace(_relation(row, columns[row[0]], unique[row[0]], names), rows=counted[row[0]]) for row in rows
    }
    references = tuple(
        Reference(names[one], tuple(mine), names[other], tuple(theirs), is_proven=is_proven)
        for one, other, mine, theirs, is_proven in connection.execute(_REFERENCES)
        if one in names and other in names
    )
    objects = connection.execute(_LARGE_OBJECTS).fetchone()
    left_out = tuple(str(row[0]) for row in connection.execute(_LEFT_OUT))
    return Schema(relations, references, objects[0] if objects else 0, left_out)


def _relation(
    row: tuple[Any, ...], columns: dict[str, Column], keys: list[tuple[bool, tuple[str, ...]]], names: dict[int, str]
) -> Relation:
    oid, name, letter, is_partition, root, pages, _ = row
    kind = "partition" if is_partition and letter == "r" else _KINDS[letter]
    primary = next((key for is_primary, key in keys if is_primary), ())
    parent = names[root] if is_partition else None
    return Relation(name, kind, columns, oid, parent, primary, tuple(key for _, key in keys), pages)


def _column(
    name: str, type_: str, base: str, is_array: bool, modifier: int, is_needed: bool, is_generated: bool
) -> Column:
    family = _FAMILIES.get(base, "other")
    length: int | None = None
    scale = 0
    if family == "text":
        length = 63 if base == "name" else modifier - 4 if modifier > 4 else None
    elif family == "decimal" and modifier > 4:
        length, scale = (modifier - 4) >> 16, (modifier - 4) & 0x7FF
    elif family == "integer":
        length = _DIGITS[base]
    return Column(
        name, type_, family, not is_needed, is_generated, is_array, length, scale, folds_case=base == "citext"
    )
