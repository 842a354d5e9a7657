"""How everything in a PostgreSQL schema is defined, as the catalog writes it, source and golden alike."""

import re
from collections.abc import Iterable, Iterator

from layersite.database.golden.attestation import Check
from layersite.database.golden.definitions import compared
from layersite.database.golden.postgresql.connect import Connection, explained
from layersite.database.schema import Schema
from layersite.model.contract import Contract

__all__ = ["definitions"]


def _own(alias: str) -> str:
    return f"""NOT EXISTS (SELECT FROM pg_depend e
    WHERE e.classid = {alias}.tableoid AND e.objid = {alias}.oid AND e.deptype = 'e')"""


_WITH = f"""
WITH mine AS (SELECT oid, nspname FROM pg_namespace
    WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'),
rel AS (SELECT c.*, format('%I.%I', nspname, relname) AS name FROM pg_class c
    JOIN mine ON mine.oid = c.relnamespace LEFT JOIN pg_type t ON t.oid = c.reltype
    WHERE relkind IN ('r', 'p', 'v', 'm', 'c', 'S') AND {_own("c")} AND {_own("t")})
"""
"""Relations that are no system's, no session's and no extension's; foreign tables never come into a golden."""

_OTHERS = " UNION ALL ".join(
    f"SELECT tableoid, oid FROM pg_{each}"
    for each in (
        *("am", "cast", "collation", "conversion", "language", "opclass", "operator", "opfamily", "transform"),
        *("ts_config", "ts_dict", "ts_parser", "ts_template"),
    )
)

_KINDS = {
    "relation": """
SELECT name, name, NULL, concat_ws(' ', relkind, relpersistence, relrowsecurity, relforcerowsecurity, reloptions,
    nullif(reloftype, 0)::regtype, pg_get_partkeydef(oid), pg_get_expr(relpartbound, oid),
    ARRAY(SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = rel.oid ORDER BY inhseqno))
FROM rel WHERE relkind <> 'S'""",
    "column": """
SELECT format('%s.%I', name, attname), name, ARRAY[attname], concat_ws(' ', format_type(atttypid, atttypmod),
    CASE WHEN attcollation <> typcollation THEN attcollation::regcollation END,
    CASE WHEN attnotnull THEN 'NOT NULL' END, attidentity, attgenerated, pg_get_expr(adbin, adrelid))
FROM rel JOIN pg_attribute a ON attrelid = rel.oid AND attnum > 0 AND NOT attisdropped
JOIN pg_type t ON t.oid = atttypid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relkind <> 'S'""",
    "constraint": """
SELECT format('%I on %s', conname, name), name,
    ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey)),
    pg_get_constraintdef(c.oid)
FROM rel JOIN pg_constraint c ON conrelid = rel.oid
WHERE contype NOT IN ('n', 't') AND NOT (contype = 'f' AND conparentid <> 0)""",
    "index": """
SELECT indexrelid::regclass::text, name, NULL, concat_ws(' ', pg_get_indexdef(indexrelid),
    (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = indexrelid))
FROM rel JOIN pg_index ON indrelid = rel.oid WHERE indisvalid OR relkind = 'p'""",
    "statistics object": """
SELECT format('%I.%I', nspname, stxname), name, NULL, pg_get_statisticsobjdef(s.oid)
FROM rel JOIN pg_statistic_ext s ON stxrelid = rel.oid JOIN mine ON mine.oid = stxnamespace""",
    "trigger": """
SELECT format('%I on %s', tgname, name), name, NULL, concat(tgenabled, pg_get_triggerdef(t.oid))
FROM rel JOIN pg_trigger t ON tgrelid = rel.oid WHERE NOT tgisinternal AND tgparentid = 0""",
    "rule": """
SELECT format('%I on %s', rulename, name), name, NULL, concat(ev_enabled, pg_get_ruledef(r.oid))
FROM rel JOIN pg_rewrite r ON ev_class = rel.oid WHERE rulename <> '_RETURN'""",
    "query of the view": """
SELECT name, name, NULL, pg_get_viewdef(oid) FROM rel WHERE relkind IN ('v', 'm')""",
    "policy": """
SELECT format('%I on %s', polname, name), name, NULL, concat_ws(' ', polcmd, polpermissive,
    ARRAY(SELECT r::regrole::text FROM unnest(polroles) r ORDER BY 1),
    'USING ' || pg_get_expr(polqual, polrelid), 'CHECK ' || pg_get_expr(polwithcheck, polrelid))
FROM rel JOIN pg_policy ON polrelid = rel.oid""",
    "sequence": """
SELECT rel.name, owner.name, ARRAY[attname], concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin,
    seqcache, seqcycle, owner.name, attname)
FROM rel JOIN pg_sequence ON seqrelid = rel.oid
LEFT JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = rel.oid AND refobjsubid > 0 AND deptype IN ('a', 'i')
LEFT JOIN rel owner ON owner.oid = refobjid LEFT JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid""",
    "function": f"""
SELECT p.oid::regprocedure::text, NULL, NULL, CASE WHEN prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE concat_ws(
    ' ', prorettype::regtype, aggkind, aggtransfn, aggfinalfn, aggcombinefn, aggtranstype::regtype, agginitval) END
FROM pg_proc p JOIN mine ON mine.oid = pronamespace LEFT JOIN pg_aggregate ON aggfnoid = p.oid
WHERE {_own("p")}""",
    "type": f"""
SELECT format_type(t.oid, NULL), NULL, NULL, concat_ws(' ', typtype, nullif(typbasetype, 0)::regtype, typtypmod,
    CASE WHEN typnotnull THEN 'NOT NULL' END, nullif(typcollation, 0)::regcollation, typdefault,
    ARRAY(SELECT enumlabel FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder),
    rngsubtype::regtype, nullif(rngcollation, 0)::regcollation, rngcanonical::regproc, rngsubdiff::regproc)
FROM pg_type t JOIN mine ON mine.oid = typnamespace LEFT JOIN pg_range ON rngtypid = t.oid
WHERE typtype <> 'c' AND typcategory <> 'A' AND {_own("t")}""",
    "constraint of a domain": f"""
SELECT format('%I on %s', conname, contypid::regtype), NULL, NULL, pg_get_constraintdef(c.oid)
FROM pg_constraint c JOIN pg_type t ON t.oid = contypid JOIN mine ON mine.oid = typnamespace
WHERE contype <> 'n' AND {_own("t")}""",
    "schema": f"""
SELECT nspname, NULL, NULL, '' FROM pg_namespace n JOIN mine USING (oid, nspname)
WHERE nspname <> 'public' AND {_own("n")}""",
    "extension": """
SELECT extname, NULL, NULL, extnamespace::regnamespace::text FROM pg_extension WHERE extname <> 'plpgsql'""",
    "object": f"""
SELECT concat_ws(' ', type, identity), NULL, NULL, '' FROM ({_OTHERS}) o
CROSS JOIN LATERAL pg_identify_object(tableoid, oid, 0)
WHERE oid >= 16384 AND coalesce(schema, '') NOT LIKE 'pg\\_%' AND {_own("o")}""",
}
"""By kind: the name of each, the relation and the columns that it goes with, and its text."""

_LAYOUT = re.compile(
    r"""('(?:[^']|'')*')|[()\s]|::(?:"(?:[^"]|"")+"|\w+)(?:\.(?:"(?:[^"]|"")+"|\w+))?
    (?:\ varying|\ precision)?(?:\(\d+(?:,\s*-?\d+)?\))?(?:\ with(?:out)?\ time\ zone)?(?:\[\])*""",
    re.VERBOSE,
)
"""What is written in another way once it was read again: `(ARRAY[a])::text[]` becomes `ARRAY[(a)::text]`."""
_WHERE = re.compile(r"""('(?:[^']|'')*')|(?<![\w"])(?:"(?:[^"]|"")+"|\w+)\.(?=[\w"])""")
"""Whose a column is, which PostgreSQL leaves out of more queries from 16 on."""


def definitions(source: Connection, golden: Connection, schema: Schema, contract: Contract) -> Check:
    """All that the source's schema consists of is there and says the same, but what the contract drops."""
    majors = {connection.info.server_version // 10_000 for connection in (source, golden)}
    is_alike = len(majors) == 1
    aside = (_LAYOUT,) if is_alike else (_WHERE, _LAYOUT)
    wanted, found = (dict(_read(connection, schema, contract, aside)) for connection in (source, golden))
    return compared(wanted, found, is_alike)


def _read(
    connection: Connection, schema: Schema, contract: Contract, aside: Iterable[re.Pattern[str]]
) -> Iterator[tuple[tuple[str, str], str]]:
    """Give everything by kind and name, with its text less what matches `aside`; quoted texts stay."""
    views = {name for name, relation in schema.relations.items() if relation.kind in ("view", "matview")}
    dropped: set[tuple[str, str | None]] = {(name, None) for name in views if contract.relations[name] == "drop"}
    for name, relation in schema.relations.items():
        actions = contract.columns(relation.parent or name)
        dropped |= {(name, column) for column, action in actions.items() if action == "drop"}
    for kind, query in _KINDS.items():
        with explained(f"the {kind}s cannot be compared"):
            rows = connection.execute(f"{_WITH}{query}".encode()).fetchall()
        for name, relation, columns, text in rows:
            if dropped.isdisjoint((relation, column) for column in (None, *(columns or ()))):
                for pattern in aside:
                    text = pattern.sub(lambda part: part[1] or "", text)
                yield (kind, name), text
