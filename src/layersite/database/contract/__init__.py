"""The contract: its model, whether it covers a schema, and a first proposal."""

from layersite.database.contract.cover import check, unlisted
from layersite.database.contract.propose import as_data, propose
from layersite.model.contract import Contract, contract_file, load_contract

__all__ = ["Contract", "as_data", "check", "contract_file", "load_contract", "propose", "unlisted"]
