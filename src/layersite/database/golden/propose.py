"""Propose a contract for the live schema of a site's database."""

from pathlib import Path

from layersite.database.contract import as_data, contract_file, load_contract, propose
from layersite.database.golden.make import UncoveredError, Wish, cover
from layersite.database.golden.place import engine_of
from layersite.model.yaml import dump

__all__ = ["propose_contract"]

_HEAD = "# What becomes of every column in a golden: keep, null, drop, or mask by a rule. Review every line.\n"


def propose_contract(root: Path, database: str) -> tuple[Path, str, bool]:
    """Return where the contract of `database` belongs, what to put there, and whether it is a whole new one.

    Of an existing contract only what it does not list is proposed, nothing where it lists all.
    """
    path = contract_file(root, database)
    engine, key = engine_of(root, database)
    with engine.open_source() as source:
        if not path.is_file():
            relations = as_data(propose(source.schema, source.samples))
            objects = {"large_objects": "drop"} if source.schema.large_objects else {}
            return path, _HEAD + dump({"relations": relations, **objects}), True
        contract, document = load_contract(root, database)
        try:
            cover(Wish(database, contract, document, engine, key), source)
        except UncoveredError as error:
            return path, error.proposal, False
    return path, "", False
