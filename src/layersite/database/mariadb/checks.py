"""What a golden on MariaDB must stand before it is published, asked of the golden itself."""

from collections.abc import Sequence
from functools import partial

from layersite.database.contract.rules import shape
from layersite.database.golden.attestation import Check
from layersite.database.golden.checks import Dialect, counted
from layersite.database.mariadb.connect import Session, identifier, literal, text_of
from layersite.database.mariadb.describe import read_schema
from layersite.database.mariadb.masks import path_of, projection
from layersite.database.schema import Column, Schema
from layersite.model.contract import Choice, Constant, Contract, Json, Number, Rule

__all__ = ["alone", "structure"]

_STATISTICS = "SELECT table_name, column_name FROM mysql.column_stats WHERE db_name = %s AND min_value IS NOT NULL"

_HISTOGRAMS = "SELECT table_name, column_name FROM information_schema.column_statistics WHERE schema_name = %s"


def alone(golden: Session, schema: Schema, contract: Contract) -> tuple[Check, ...]:
    """Check what a golden shows by itself, without its source."""
    dialect = Dialect(partial(_counts, golden), identifier, identifier, _test)
    return (*counted(dialect, schema, contract), _statistics(golden))


def structure(golden: Session, schema: Schema, contract: Contract) -> Check:
    """Every table of the source is there, with the columns that all other checks ask for."""
    found = read_schema(golden)
    problems = [f"{name} is not in the source" for name in found.relations if name not in schema.relations]
    for relation in schema.relations.values():
        if relation.kind != "table":
            continue
        there = found.relations.get(relation.name)
        dropped = {name for name, action in contract.columns(relation.name).items() if action == "drop"}
        wanted = {name: each.type for name, each in relation.columns.items() if name not in dropped}
        if there is None or {name: each.type for name, each in there.columns.items()} != wanted:
            problems.append(f"{relation.name} is missing, or has other columns than in the source")
    return Check(name="structure", looked_at=len(found.relations), problems=tuple(sorted(problems)))


def _counts(golden: Session, _relation: str, query: str) -> Sequence[int]:
    return [int(count) for count in golden.ask(query)[0]]


def _test(column: Column, rule: Rule) -> str | None:
    """Return the condition that a value is not of the rule's making."""
    there = identifier(column.name)
    if isinstance(rule, Json):
        return _foreign_leaves(there, column, rule)
    if isinstance(rule, Number):
        return f"{there} NOT BETWEEN {rule.min} AND {rule.max}"
    text = f"{text_of(there)} COLLATE utf8mb4_bin"
    if isinstance(rule, Constant | Choice):
        values = (rule.value,) if isinstance(rule, Constant) else rule.values
        value = text if column.family == "text" else there
        return f"{value} NOT IN ({', '.join(map(literal, values))})"
    if (pattern := shape(rule, column).pattern) is None:
        return None
    return f"{text} <> '' AND {text} NOT REGEXP {literal(f'^({pattern})$')}"


def _foreign_leaves(there: str, column: Column, rule: Json) -> str:
    """Look for anything in a document that is on no listed path, and for masked leaves of another shape."""
    tests = [f"NOT JSON_CONTAINS({projection(rule, there)}, {there})"]
    for path, leaf in rule.paths.items():
        found = f"JSON_EXTRACT({there}, {path_of(path)})"
        if isinstance(leaf, Number):
            tests.append(f"JSON_TYPE({found}) NOT LIKE '%INTEGER' OR {found} NOT BETWEEN {leaf.min} AND {leaf.max}")
        elif leaf != "keep":
            pattern = literal(f"^({shape(leaf, column).pattern})?$")
            tests.append(f"JSON_UNQUOTE({found}) COLLATE utf8mb4_bin NOT REGEXP {pattern}")
    return " OR ".join(tests)


def _statistics(golden: Session) -> Check:
    """The server remembers no values of columns: its persistent statistics for them were never gathered."""
    found = golden.ask(_HISTOGRAMS if golden.is_mysql else _STATISTICS, golden.database)
    problems = [f"the statistics of {table}.{column} hold values" for table, column in found]
    return Check(name="statistics", looked_at=1, problems=tuple(problems))
