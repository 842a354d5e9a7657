"""What a golden must stand before it is published, asked of the golden itself and not of the rules that made it."""

from collections.abc import Iterator, Sequence
from functools import partial

from layersite.database.golden.attestation import Check
from layersite.database.golden.checks import Dialect, counted
from layersite.database.golden.postgresql.connect import Connection, explained
from layersite.database.golden.postgresql.schema import read_schema
from layersite.database.golden.postgresql.shapes import proven, wrong
from layersite.database.golden.postgresql.statistics import statistics
from layersite.database.golden.postgresql.values import identifier
from layersite.database.schema import Relation, Schema
from layersite.model.contract import Contract

__all__ = ["alone", "structure"]

_UNFINISHED = """
SELECT format('the index %s is not valid', indexrelid::regclass) FROM pg_index WHERE NOT indisvalid
UNION ALL SELECT format('the materialized view %I.%I is empty', schemaname, matviewname) FROM pg_matviews
    WHERE NOT ispopulated"""


def alone(golden: Connection, schema: Schema, contract: Contract) -> tuple[Check, ...]:
    """Check what a golden shows by itself, without its source."""
    dialect = Dialect(partial(_counts, golden), str, identifier, wrong, partial(proven, golden))
    return (*counted(dialect, schema, contract), statistics(golden, schema, contract))


def structure(golden: Connection, schema: Schema, contract: Contract) -> Check:
    """Every relation that the contract keeps is there, with the columns that all other checks ask for, and finished."""
    found = read_schema(golden)
    problems = [row[0] for row in golden.execute(_UNFINISHED)]
    problems += [f"{name} is not in the source" for name in found.relations if name not in schema.relations]
    for relation in schema.relations.values():
        if relation.kind != "foreign" and not _is_dropped_view(relation, contract):
            problems += _differences(relation, found.relations.get(relation.name), contract)
    return Check(name="structure", looked_at=len(found.relations), problems=tuple(problems))


def _is_dropped_view(relation: Relation, contract: Contract) -> bool:
    return relation.is_computed and contract.relations[relation.name] == "drop"


def _differences(relation: Relation, found: Relation | None, contract: Contract) -> Iterator[str]:
    if found is None:
        yield f"{relation.name} is missing"
        return
    dropped = {name for name, action in contract.columns(relation.parent or relation.name).items() if action == "drop"}
    wanted = {name: column.type for name, column in relation.columns.items() if name not in dropped}
    if wanted != {name: column.type for name, column in found.columns.items()}:
        yield f"{relation.name} has other columns than in the source"


def _counts(golden: Connection, relation: str, query: str) -> Sequence[int]:
    with explained(f"{relation} cannot be checked"):
        return golden.execute(query.encode()).fetchone() or ()
