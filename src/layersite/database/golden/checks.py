"""What every engine asks of a golden itself before it is published: how many of its values and rows are wrong."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from layersite.database.golden.attestation import Check
from layersite.database.schema import Column, Reference, Relation, Schema
from layersite.model.contract import Action, Contract, Rule

__all__ = ["Dialect", "counted"]


@dataclass(frozen=True)
class Dialect:
    """How an engine is asked.

    `counts` gives the one row of a query of a relation, `table` and `column` write names as SQL needs them, and `test`
    is the condition that a column's value is not of a rule's making, if there is one. `proven` gives columns of which
    a faster look has shown that it holds for no value.
    """

    counts: Callable[[str, str], Sequence[int]]
    table: Callable[[str], str]
    column: Callable[[str], str]
    test: Callable[[Column, Rule], str | None]
    proven: Callable[[Relation, Mapping[str, Action]], Collection[str]] = lambda *_: ()


def counted(dialect: Dialect, schema: Schema, contract: Contract) -> tuple[Check, ...]:
    """Check what a golden shows by itself, without its source."""
    return (
        _shapes(dialect, schema, contract),
        _references(dialect, [each for each in (*schema.references, *Reference.declared(contract)) if each.is_proven]),
        _anonymity(dialect, contract),
    )


def _shapes(dialect: Dialect, schema: Schema, contract: Contract) -> Check:
    """Every masked value looks as its rule makes it, emptied columns and dropped tables are empty."""
    problems, looked_at = [], 0
    for relation in schema.relations.values():
        tests = list(_tests(dialect, relation, contract))
        if tests:
            listed = ", ".join(f"count(CASE WHEN {test} THEN 1 END)" for _, test in tests)
            found = dialect.counts(relation.name, f"SELECT {listed} FROM {dialect.table(relation.name)}")
            problems += [f"{what}: {count} values" for (what, _), count in zip(tests, found, strict=True) if count]
            looked_at += len(tests)
    return Check(name="shapes", looked_at=looked_at, problems=tuple(problems))


def _tests(dialect: Dialect, relation: Relation, contract: Contract) -> Iterator[tuple[str, str]]:
    if relation.kind in ("table", "partitioned") and contract.relations.get(relation.name) == "drop":
        yield f"{relation.name} should be empty", "true"
    actions = contract.columns(relation.name)
    proven = dialect.proven(relation, actions)
    for name, action in actions.items():
        if action == "null":
            yield f"{relation.name}.{name} should be null", f"{dialect.column(name)} IS NOT NULL"
        elif not isinstance(action, str) and (test := dialect.test(relation.columns[name], action)):
            yield f"{relation.name}.{name} is not what `{action.mask}` makes", "false" if name in proven else test


def _references(dialect: Dialect, all_of_them: Sequence[Reference]) -> Check:
    """Every row finds the one that it refers to, as far as that is so in the source."""
    problems = []
    for each in all_of_them:
        pairs = list(zip(map(dialect.column, each.columns), map(dialect.column, each.target_columns), strict=True))
        filled = " AND ".join(f"c.{mine} IS NOT NULL" for mine, _ in pairs)
        found = " AND ".join(f"p.{theirs} = c.{mine}" for mine, theirs in pairs)
        lost = f"{filled} AND NOT EXISTS (SELECT 1 FROM {dialect.table(each.target)} p WHERE {found})"
        query = f"SELECT count(*) FROM {dialect.table(each.relation)} c WHERE {lost}"
        if count := dialect.counts(each.relation, query)[0]:
            problems.append(f"{count} rows of {each.relation} refer to rows of {each.target} that are not there")
    return Check(name="references", looked_at=len(all_of_them), problems=tuple(problems))


def _anonymity(dialect: Dialect, contract: Contract) -> Check:
    """No combination of the declared columns stands for fewer rows than it must."""
    problems = []
    for each in contract.anonymity:
        columns = ", ".join(map(dialect.column, each.columns))
        groups = f"SELECT 1 FROM {dialect.table(each.relation)} GROUP BY {columns} HAVING count(*) < {each.k}"
        if count := dialect.counts(each.relation, f"SELECT count(*) FROM ({groups}) g")[0]:
            named = ", ".join(each.columns)
            problems.append(f"{each.relation} ({named}): {count} combinations stand for fewer than {each.k} rows")
    return Check(name="anonymity", looked_at=len(contract.anonymity), problems=tuple(problems))
