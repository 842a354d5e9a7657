"""Whether a contract says all that it must of a schema, and nothing that cannot be; only then a golden is built."""

from collections.abc import Iterator

from layersite.database.contract.rules import shape, unfit
from layersite.database.schema import Column, Reference, Relation, Schema
from layersite.model.contract import Action, Anonymity, Contract, Date, Rule
from layersite.model.document import Document, near_miss
from layersite.model.errors import Problem

__all__ = ["check", "misfit", "unlisted"]

Found = Iterator[tuple[tuple[str | int, ...], str]]
_MANY = 2**50
"""So many different values make it unlikely that two of millions meet."""


def unlisted(schema: Schema, contract: Contract) -> dict[str, list[str]]:
    """Return the relations, and of each the columns, of which the contract does not say what becomes of them."""
    found: dict[str, list[str]] = {}
    for relation in schema.relations.values():
        if relation.parent:
            continue
        listed = contract.relations.get(relation.name)
        known = relation.columns if listed == "drop" else listed if isinstance(listed, dict) else {}
        missing = [name for name in relation.columns if name not in known]
        if listed is None or missing:
            found[relation.name] = missing
    return found


def check(schema: Schema, contract: Contract, document: Document) -> list[Problem]:
    """Return everything that keeps a golden from being built, each at its line."""
    found = (_coverage, _relations, _columns, _references, _subset, _anonymity)
    return [document.problem(path, message) for each in found for path, message in each(schema, contract)]


def _coverage(schema: Schema, contract: Contract) -> Found:
    for name, columns in unlisted(schema, contract).items():
        if name not in contract.relations:
            yield ("relations",), f"{schema.relations[name].kind} {name} is not listed"
        for column in columns if contract.columns(name) else ():
            yield ("relations", name), f"the column `{column}` of {name} is not listed"
    for relation in schema.relations.values():
        if relation.kind == "foreign" and relation.parent:
            yield (
                ("relations", relation.parent),
                f"its partition {relation.name} lies elsewhere; detach it at the source",
            )
    if schema.large_objects and contract.large_objects is None:
        yield ("large_objects",), f"the database has {schema.large_objects} large objects; say `large_objects: drop`"


def _relations(schema: Schema, contract: Contract) -> Found:
    for name, listed in contract.relations.items():
        path, relation = ("relations", name), schema.relations.get(name)
        if relation is None:
            yield path, f"there is no {name}{near_miss(name, schema.relations)}; take it out"
        elif relation.parent:
            yield path, f"{name} is a partition and follows {relation.parent}; take it out"
        elif relation.kind == "foreign" and listed != "drop":
            yield path, f"{name} is a foreign table, whose rows lie elsewhere; it can only be `drop`"
        elif relation.is_computed and listed == "keep":
            yield path, f"{name} is a view; list its columns, each `keep`, or `drop` all of it"
        elif relation.kind in ("table", "partitioned") and listed == "keep":
            yield path, f"{name} is a table; list its columns, or `drop` its rows"


def _columns(schema: Schema, contract: Contract) -> Found:
    for name, relation in schema.relations.items():
        for listed, action in contract.columns(name).items():
            path, column = ("relations", name, listed), relation.columns.get(listed)
            if column is None:
                yield path, f"{name} has no such column{near_miss(listed, relation.columns)}"
            elif problem := misfit(relation, column, action):
                yield path, problem


def misfit(relation: Relation, column: Column, action: Action) -> str | None:
    """Say why `action` cannot be done to `column`, if so."""
    if relation.is_computed:
        text = "it is computed from masked tables; it can only be `keep`, or all of the view `drop`"
        return None if action == "keep" else text
    if column.generated and action not in ("keep", "drop"):
        return "it is computed from other columns of its row; it can only be `keep` or `drop`"
    if action == "null" and not column.nullable:
        return "it may not be null; mask it, or give a `constant`"
    if isinstance(action, str):
        return None
    if problem := unfit(action, column):
        return problem
    if isinstance(action, Date) and action.subject is not None and action.subject not in relation.columns:
        return f"{relation.name} has no column `{action.subject}`{near_miss(action.subject, relation.columns)}"
    if (column.name,) in relation.unique and not isinstance(action, Date) and shape(action, column).size < _MANY:
        return f"it is unique, and `{action.mask}` has too few different values; use `identifier`"
    return None


def _references(schema: Schema, contract: Contract) -> Found:
    for index, virtual in enumerate(contract.references):
        for name, columns in ((virtual.relation, virtual.columns), (virtual.target, virtual.target_columns)):
            relation = schema.relations.get(name)
            if relation is None:
                yield ("references", index), f"there is no {name}{near_miss(name, schema.relations)}"
            elif unknown := [column for column in columns if column not in relation.columns]:
                yield ("references", index), f"{name} has no column `{unknown[0]}`"
    known = [each for each in Reference.declared(contract) if {each.relation, each.target} <= set(schema.relations)]
    for reference in dict.fromkeys(map(schema.rooted, (*schema.references, *known))):
        yield from _pairs(reference, contract)


def _pairs(reference: Reference, contract: Contract) -> Found:
    """Both sides of a reference must be masked alike, or rows would refer to nobody."""
    target, path = contract.relations.get(reference.target), ("relations", reference.relation)
    if target is None or isinstance(contract.relations.get(reference.relation), str):
        return
    mine = contract.columns(reference.relation)
    for column, other in zip(reference.columns, reference.target_columns, strict=True):
        action = mine.get(column)
        if action in (None, "null", "drop"):
            continue
        if target == "drop":
            yield (*path, column), f"it refers to {reference.target}, which is dropped; say `null`, or `drop` both"
        elif isinstance(target, dict) and (theirs := target.get(other)) is not None and theirs != action:
            yield (
                (*path, column),
                f"it refers to {reference.target} ({other}), which is {_say(theirs)}; both must be the same",
            )


def _say(action: Action) -> str:
    return f"`{action}`" if isinstance(action, str) else f"masked by `{_rule(action)}`"


def _rule(rule: Rule) -> str:
    domain = getattr(rule, "domain", None)
    return f"{rule.mask}, domain {domain}" if domain else rule.mask


def _subset(schema: Schema, contract: Contract) -> Found:
    for name in contract.subset.seeds if contract.subset else ():
        relation = schema.relations.get(name)
        if relation is None or relation.kind not in ("table", "partitioned"):
            yield ("subset", "seeds", name), f"there is no table {name}{near_miss(name, schema.relations)}"


def _anonymity(schema: Schema, contract: Contract) -> Found:
    for index, each in enumerate(contract.anonymity):
        yield from ((("anonymity", index), problem) for problem in _unknown(schema, each))


def _unknown(schema: Schema, each: Anonymity) -> Iterator[str]:
    relation = schema.relations.get(each.relation)
    if relation is None:
        yield f"there is no {each.relation}{near_miss(each.relation, schema.relations)}"
    elif unknown := [column for column in each.columns if column not in relation.columns]:
        yield f"{each.relation} has no column `{unknown[0]}`"
