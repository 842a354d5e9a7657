"""Whether all that the planner remembers of a golden is in the golden: then it remembers nobody whom it once held."""

from collections.abc import Iterator
from dataclasses import dataclass

from layersite.database.golden.attestation import Check
from layersite.database.golden.postgresql.connect import Connection, explained
from layersite.database.golden.postgresql.values import identifier
from layersite.database.schema import Schema
from layersite.model.contract import Contract

__all__ = ["statistics"]

_SINGLE = r"""
SELECT DISTINCT format('%I.%I', schemaname, tablename), s.attname, coalesce(indrelid, attrelid)::regclass::text,
    coalesce(pg_get_indexdef(indexrelid, attnum, false), quote_ident(s.attname)),
    format('pg_stats WHERE (schemaname, tablename, attname) = (%L, %L, %L)', schemaname, tablename, s.attname)
FROM pg_stats s
JOIN pg_attribute a ON attrelid = format('%I.%I', schemaname, tablename)::regclass AND a.attname = s.attname
LEFT JOIN pg_index ON indexrelid = attrelid WHERE schemaname NOT LIKE 'pg\_%' AND schemaname <> 'information_schema'
UNION ALL SELECT DISTINCT format('%I.%I', statistics_schemaname, statistics_name), NULL,
    format('%I.%I', schemaname, tablename), expr, format(
    'pg_stats_ext_exprs WHERE (statistics_schemaname, statistics_name, expr) = (%L, %L, %L)',
    statistics_schemaname, statistics_name, expr)
FROM pg_stats_ext_exprs
ORDER BY 1, 2, 4"""
"""Of each column, expression of an index and expression with statistics: where it is from, and where those stand."""

_COMBINED = """
SELECT DISTINCT format('%I.%I', statistics_schemaname, statistics_name), format('%I.%I', schemaname, tablename),
    ARRAY(SELECT quote_ident(name) FROM unnest(attnames) name) || exprs,
    format('pg_stats_ext WHERE (statistics_schemaname, statistics_name) = (%L, %L)',
    statistics_schemaname, statistics_name)
FROM pg_stats_ext WHERE most_common_vals IS NOT NULL ORDER BY 1"""

_TYPE = """
SELECT typcategory::text, typname::text, typnamespace = 'pg_catalog'::regnamespace
    AND (typcategory = 'S' OR EXISTS (SELECT FROM pg_operator WHERE oprname = '=' AND oprleft = oprright
        AND oprleft = CASE WHEN typcategory = 'A' THEN typelem ELSE t.oid END))
FROM pg_type t WHERE t.oid = pg_typeof((SELECT {} FROM {} LIMIT 0))"""
"""Values of a type that knows no equality, such as XML, are compared as text."""

_WHOLE = ("most_common_vals", "histogram_bounds")
_PARTS = ("most_common_elems",)


@dataclass(frozen=True)
class _Memory:
    """What is remembered of `name`, and what there is: two queries of values, or the reason for none."""

    name: str
    remembered: str = ""
    there: str = ""
    remark: str = ""


def statistics(golden: Connection, schema: Schema, contract: Contract) -> Check:
    """Everything that the planner remembers of what is not kept is a value of the golden."""
    problems, remarks, looked_at = [], [], 0
    for memory in (*_singles(golden, schema, contract), *_combinations(golden)):
        if memory.remark:
            remarks.append(f"{memory.name}: {memory.remark}")
            continue
        looked_at += 1
        there = f"SELECT v FROM ({memory.there}) t WHERE v IN ({memory.remembered})"
        with explained(f"the statistics of {memory.name} cannot be compared"):
            query = f"SELECT count(*) FROM ({memory.remembered} EXCEPT {there}) s"
            count = (golden.execute(query.encode()).fetchone() or (0,))[0]
        if count:
            problems.append(f"the statistics of {memory.name} hold {count} values that are not there")
    return Check(name="statistics", looked_at=looked_at, problems=tuple(problems), remarks=tuple(remarks))


def _singles(golden: Connection, schema: Schema, contract: Contract) -> Iterator[_Memory]:
    for owner, column, table, value, place in golden.execute(_SINGLE.encode()).fetchall():
        if relation := schema.relations.get(owner):
            is_kept = contract.columns(schema.root(relation).name).get(column) == "keep"
            if is_kept and not (relation.is_computed or relation.columns[column].generated):
                continue
        name = f"{owner}.{column}" if column else f"{owner} of {value}"
        category, kind, is_common = golden.execute(_TYPE.format(value, table).encode()).fetchone() or ("", "", False)
        if category == "R":
            yield _Memory(name, remark="of ranges, their ends are remembered apart from each other")
            continue
        cast, whole = (f"::{identifier(kind)}", value) if is_common else ("", f"concat({value})")  # as text is slower
        yield _Memory(name, _remembered(_WHOLE, place, cast), f"SELECT {whole} AS v FROM {table}")
        if category == "A" or kind == "tsvector":
            items = value if category == "A" else f"tsvector_to_array({value})"
            there = f"SELECT concat(e) AS v FROM {table} CROSS JOIN unnest({items}) e"
            yield _Memory(f"what is in {name}", _remembered(_PARTS, place), there)


def _remembered(columns: tuple[str, ...], place: str, cast: str = "") -> str:
    listed = " || ".join(f"coalesce({column}::text::text[], '{{}}')" for column in columns)
    return f"SELECT unnest({listed}){cast} AS v FROM {place}"


def _combinations(golden: Connection) -> Iterator[_Memory]:
    for name, table, values, place in golden.execute(_COMBINED.encode()).fetchall():
        row = "ARRAY(SELECT coalesce(m[i][j], '') FROM generate_subscripts(m, 2) j ORDER BY j)::text"
        listed = f"(SELECT most_common_vals AS m FROM {place}) s CROSS JOIN generate_subscripts(m, 1) i"
        there = f"SELECT ARRAY[{', '.join(f'concat({value})' for value in values)}]::text AS v FROM {table}"
        yield _Memory(name, f"SELECT {row} AS v FROM {listed}", there)
