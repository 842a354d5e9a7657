"""A golden in the making: a database under a private name that only its builder may enter."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from layersite.database.creating import alike, create_private
from layersite.database.golden.postgresql.archive import Archive
from layersite.database.golden.postgresql.connect import Connection, connect, explained
from layersite.database.golden.postgresql.copy import copy_parts, parts
from layersite.database.golden.postgresql.source import PostgreSQLSource
from layersite.database.golden.postgresql.subset import PostgreSQLReader
from layersite.database.golden.postgresql.values import identifier, literal
from layersite.database.golden.subset import chosen
from layersite.database.schema import Schema
from layersite.model.contract import Contract
from layersite.model.errors import DatabaseError

__all__ = ["create", "fill"]

_PARALLEL = ("INDEX", "CONSTRAINT")

_ROLES = """
SELECT format('%I.%I', n.nspname, c.relname), p.polname, r.rolname FROM pg_policy p
JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_roles r ON r.oid = ANY (p.polroles)"""

_SEQUENCES = """
SELECT format('%I.%I', n.nspname, c.relname), s.seqincrement > 0,
    CASE WHEN a.attname IS NOT NULL THEN format('%I.%I', tn.nspname, t.relname) END, a.attname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid
LEFT JOIN (
    SELECT refobjid AS sequence, d.adrelid AS relation, d.adnum AS number
    FROM pg_depend JOIN pg_attrdef d ON d.oid = objid
    WHERE classid = 'pg_attrdef'::regclass AND refclassid = 'pg_class'::regclass
    UNION SELECT objid, refobjid, refobjsubid FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
) use ON use.sequence = c.oid
LEFT JOIN pg_class t ON t.oid = use.relation AND t.relkind IN ('r', 'p')
LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = use.number
    AND (SELECT typcategory FROM pg_type WHERE pg_type.oid = a.atttypid) = 'N'
WHERE c.relkind = 'S' ORDER BY 1, 3"""

_SET = """
SELECT setval({sequence}::regclass, {last}(e)::bigint) FROM ({ends}) ends(e), pg_sequence
WHERE seqrelid = {sequence}::regclass AND e BETWEEN {least} AND {most} HAVING count(*) > 0"""


def create(server: Connection, name: str, source: PostgreSQLSource) -> None:
    """Make the empty database `name` with the source's encoding and collation. Raises DatabaseError."""
    with explained("the golden's database cannot be made"):
        create_private(server, name, alike(source.connection, source.connection.info.dbname))


def fill(uri: str, name: str, source: PostgreSQLSource, contract: Contract, schema_sql: Archive, workers: int) -> int:
    """Make tables, bring the masked rows, then all that rests on them; return the number of rows."""
    with connect(uri, name, check_function_bodies="off") as draft:
        _check_roles(source, draft)
        with explained("the source's schema cannot be made again here"):
            draft.execute(schema_sql.before.encode())
        _drop_columns(draft, contract)
        chosen_rows = chosen(PostgreSQLReader(source.connection, source.schema), source.schema, contract)
        planned = parts(source.schema, contract, chosen_rows)
        rows = copy_parts(source.another, uri, name, source.snapshot, planned, workers)
        with explained("the sequences cannot be set"):
            _set_sequences(draft, _kept_keys(source.schema, contract))
    _build_after(uri, name, schema_sql.after, workers)
    with connect(uri, name) as draft:
        _finish_views(draft, source.schema, contract)
        with explained("the golden cannot be vacuumed"):  # to shorten shared catalogs it would wait 5 s
            draft.execute("VACUUM (FREEZE, ANALYZE, TRUNCATE false)")
    return rows


def _check_roles(source: PostgreSQLSource, draft: Connection) -> None:
    here = {row[0] for row in draft.execute("SELECT rolname FROM pg_roles")}
    missing = [row for row in source.connection.execute(_ROLES) if row[2] not in here]
    if missing:
        listed = ", ".join(f"the policy {policy} of {table} is for {role}" for table, policy, role in missing)
        raise DatabaseError(f"roles are missing on the golden's server: {listed}; create them there, without login")


def _drop_columns(draft: Connection, contract: Contract) -> None:
    for relation in contract.relations:
        for column in [name for name, action in contract.columns(relation).items() if action == "drop"]:
            with explained(f"the column {column} of {relation} cannot be dropped"):
                draft.execute(f"ALTER TABLE {relation} DROP COLUMN {identifier(column)}".encode())


def _build_after(uri: str, name: str, after: Iterable[tuple[str, str]], workers: int) -> None:
    """Build indexes and keys side by side, then the rest in its order."""
    entries = list(after)
    first = [sql for kind, sql in entries if kind in _PARALLEL]
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(partial(_run, uri, name), [[sql] for sql in first]))
    _run(uri, name, [sql for kind, sql in entries if kind not in _PARALLEL])


def _run(uri: str, name: str, statements: list[str]) -> None:
    with connect(uri, name, check_function_bodies="off") as draft:
        for sql in statements:
            with explained("an index, a key or a trigger of the source cannot be made again here"):
                draft.execute(sql.encode())


def _kept_keys(schema: Schema, contract: Contract) -> list[tuple[str, str]]:
    """Return the whole numbers among keys that come into the golden as they are, with their tables."""
    return [
        (relation.name, name)
        for relation in schema.relations.values()
        if relation.kind in ("table", "partitioned")
        for name in sorted({name for key in (relation.primary, *relation.unique) for name in key})
        if relation.columns[name].family == "integer" and contract.columns(relation.name).get(name) == "keep"
    ]


def _set_sequences(draft: Connection, keys: Sequence[tuple[str, str]]) -> None:
    """Let each sequence go on behind the values of its columns, one that no column uses behind all kept `keys`.

    Where the source's stands is not asked, for it tells how many rows there are.
    """
    found: dict[tuple[str, bool], list[tuple[str, str]]] = {}
    for sequence, is_rising, table, column in draft.execute(_SEQUENCES).fetchall():
        found.setdefault((sequence, is_rising), []).extend([(table, column)] if table else [])
    for (sequence, is_rising), uses in found.items():
        last, least, most = ("max", "seqstart", "seqmax") if is_rising else ("min", "seqmin", "seqstart")
        ends = " UNION ALL ".join(f"SELECT {last}({identifier(name)}) FROM {table}" for table, name in uses or keys)
        named = {"sequence": literal(sequence), "last": last, "ends": ends, "least": least, "most": most}
        if ends:
            draft.execute(_SET.format(**named).encode())


def _finish_views(draft: Connection, schema: Schema, contract: Contract) -> None:
    """Compute the materialized views from the masked rows, and drop what the contract drops."""
    views = {name: relation for name, relation in schema.relations.items() if relation.is_computed}
    for name, relation in sorted(views.items(), key=lambda item: item[1].oid):
        if relation.kind == "matview" and contract.relations[name] != "drop":
            with explained(f"the materialized view {name} cannot be computed"):
                draft.execute(f"REFRESH MATERIALIZED VIEW {name}".encode())
    for kind, word in (("matview", "MATERIALIZED VIEW"), ("view", "VIEW")):
        dropped = [name for name, each in views.items() if each.kind == kind and contract.relations[name] == "drop"]
        if dropped:
            with explained(f"{', '.join(dropped)} cannot be dropped"):
                draft.execute(f"DROP {word} {', '.join(dropped)}".encode())
