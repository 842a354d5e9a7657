"""Export the models as JSON Schemas, so that an editor completes and checks the files while they are typed."""

import json
import sys
from pathlib import Path

from layersite.model.app import App
from layersite.model.contract import Contract
from layersite.model.document import Model
from layersite.model.environment import Environment, Tombstone
from layersite.model.site import Site

__all__ = ["export"]

_MODELS: dict[str, type[Model]] = {
    "site": Site,
    "app": App,
    "environment": Environment,
    "tombstone": Tombstone,
    "contract": Contract,
}


def export(folder: Path) -> dict[Path, str]:
    """Return each schema file below `folder` with its text, draft 2020-12."""
    return {
        folder / f"{name}.schema.json": json.dumps(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}, indent=2
        )
        + "\n"
        for name, model in _MODELS.items()
    }


if __name__ == "__main__":
    for path, text in export(Path(sys.argv[1])).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
