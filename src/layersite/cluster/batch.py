"""One batch, as an Ansible module gets it and answers it."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from layersite.cluster.api import Place, Wish
from layersite.cluster.client import connections
from layersite.cluster.outcome import Outcome
from layersite.cluster.reap import reap
from layersite.cluster.secrets import provide
from layersite.model.errors import ToolError

__all__ = ["place_of", "reap_batch", "secrets_batch", "write_answer"]

Parameters = Mapping[str, Any]  # what Ansible has checked against the module's own list of arguments


def reap_batch(parameters: Parameters, dry_run: bool) -> dict[str, Any]:
    """Reap the environments, write the result file and return what the module answers. Raises ToolError."""
    places = [place_of(each) for each in parameters["environments"]]
    outcomes = reap(
        connections(),
        places,
        parameters["prefix"],
        timeout=parameters["timeout"],
        force=parameters["force"],
        dry_run=dry_run,
    )
    return write_answer(Path(parameters["result"]), places, outcomes)


def secrets_batch(parameters: Parameters, dry_run: bool) -> dict[str, Any]:
    """Make the environments' secrets, write the result file and return what the module answers. Raises ToolError."""
    wanted = {place_of(each): [_wish(secret) for secret in each["secrets"]] for each in parameters["environments"]}
    outcomes = provide(
        connections(),
        wanted,
        _name(parameters["baseline"]),
        parameters["prefix"],
        timeout=parameters["timeout"],
        dry_run=dry_run,
    )
    return write_answer(Path(parameters["result"]), wanted, outcomes)


def place_of(each: Parameters) -> Place:
    """Return where an environment lives. Raises ToolError if its namespace cannot be one."""
    return Place(each["name"], _name(each["namespace"]), each["context"], each["generation"] or 0)


def _wish(each: Parameters) -> Wish:
    return Wish(_name(each["name"]), each["source"], tuple(each["keys"] or ()))


def _name(text: str) -> str:
    """Return `text`, which becomes part of a path, if Kubernetes allows it as a name."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", text):
        raise ToolError(
            f"`{text}` cannot be a name in Kubernetes; use lower-case letters, digits and inner `-` and `.`"
        )
    return text


def write_answer(path: Path, places: Iterable[Place], outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Write the result file and return what the module answers."""
    failures = [f"{name}: {outcomes[name].message}" for name in sorted(outcomes) if not outcomes[name].is_fine]
    changed = any(outcome.changed for outcome in outcomes.values())
    result = _write_result(path, places, outcomes)
    return {**result, "changed": changed, "failed": bool(failures), "msg": "\n".join(failures)}


def _write_result(path: Path, places: Iterable[Place], outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Write what became of every place to `path` in one step, readable to the owner alone, and return it."""
    result = {
        "environments": {
            place.name: {
                "generation": place.generation,
                "is_fine": outcomes[place.name].is_fine,
                **asdict(outcomes[place.name]),
            }
            for place in places
        }
    }
    half = path.with_name(f"{path.name}.new")
    half.touch(0o600)
    half.write_text(json.dumps(result, indent=2, sort_keys=True), encoding="utf-8")
    half.replace(path)
    return result
