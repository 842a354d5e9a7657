"""What a golden on MariaDB must stand before it is published, asked of the golden itself."""

from collections.abc import Iterator, Sequence

from layersite.database.contract.rules import shape, value_shape
from layersite.database.golden.attestation import Check
from layersite.database.mariadb.connect import Session, identifier, literal, text_of
from layersite.database.mariadb.describe import read_schema
from layersite.database.mariadb.masks import path_of, projection
from layersite.database.schema import Column, Reference, Relation, Schema
from layersite.model.contract import Choice, Constant, Contract, Json, Number, Rule

__all__ = ["alone", "structure"]

_STATISTICS = "SELECT table_name, column_name FROM mysql.column_stats WHERE db_name = %s AND min_value IS NOT NULL"


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
    if isinstance(rule, Json):
        return f"coalesce({_foreign_leaves(there, rule)}, 0)"
    if isinstance(rule, Number):
        return f"coalesce({there} NOT BETWEEN {rule.min} AND {rule.max}, 0)"
    text = f"{text_of(there)} COLLATE utf8mb4_bin"
    if isinstance(rule, Constant | Choice):
        values = (rule.value,) if isinstance(rule, Constant) else rule.values
        value = text if column.family == "text" else there
        return f"coalesce({value} NOT IN ({', '.join(map(literal, values))}), 0)"
    if (pattern := shape(rule, column).pattern) is None:
        return None
    return f"coalesce({text} <> '' AND {text} NOT REGEXP {literal(f'^({pattern})$')}, 0)"


def _foreign_leaves(there: str, rule: Json) -> str:
    """Look for anything in a document that is on no listed path, and for masked leaves of another shape."""
    tests = [f"NOT JSON_CONTAINS({projection(rule, there)}, {there})"]
    for path, leaf in rule.paths.items():
        if leaf != "keep":
            found = f"JSON_UNQUOTE(JSON_EXTRACT({there}, {path_of(path)})) COLLATE utf8mb4_bin"
            tests.append(f"coalesce({found} NOT REGEXP {literal(f'^({value_shape(leaf).pattern})?$')}, 0)")
    return " OR ".join(tests)


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
