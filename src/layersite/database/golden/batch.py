"""One batch of goldens, as an Ansible module gets it and answers it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from layersite.database.golden.make import build
from layersite.database.golden.place import wish_of
from layersite.model.errors import LayersiteError
from layersite.model.site import load_site

__all__ = ["golden_batch"]

Parameters = Mapping[str, Any]  # what Ansible has checked against the module's own list of arguments


def golden_batch(parameters: Parameters, dry_run: bool) -> dict[str, Any]:
    """Build what is not fresh enough and return what the module answers; one failure does not stop the others."""
    root = Path(parameters["site"])
    names = parameters["databases"] or sorted(load_site(root)[0].databases)
    goldens: dict[str, Any] = {}
    failures: list[str] = []
    changed = False
    for name in names:
        try:
            wish = wish_of(root, name, timedelta(hours=parameters["max_age_hours"]), parameters["workers"])
            made = build(wish, datetime.now(UTC), lambda _: None, dry_run)
        except LayersiteError as error:
            failures.append(f"{name}: {error}")
            continue
        changed |= made is None or made.is_new
        if made is not None:
            goldens[name] = made.golden.model_dump(mode="json") | {"dropped": list(made.dropped)}
    return {"goldens": goldens, "changed": changed, "failed": bool(failures), "msg": "\n".join(failures)}
