"""Rule 27: a role's variables are specified, and a default that the specification promises is the one that holds."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


def read(role: str, file: str) -> Any:
    return yaml.safe_load((ROOT / "roles" / role / file).read_text("utf-8"))


def options(role: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = read(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    return found


@pytest.mark.parametrize("role", ROLES)
def test_the_specified_defaults_are_those_of_the_role(role: str) -> None:
    specified = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert specified == read(role, "defaults/main.yml")


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_is_named_after_its_role_and_described(role: str) -> None:
    assert [name for name, option in options(role).items() if not name.startswith(f"{role}_")] == []
    assert [name for name, option in options(role).items() if not option["description"]] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_variable_is_either_needed_or_has_a_default(role: str) -> None:
    assert [
        name for name, option in options(role).items() if option.get("required", False) == ("default" in option)
    ] == []


def test_every_role_has_a_playbook() -> None:
    plays = [play for path in (ROOT / "playbooks").glob("*.yml") for play in yaml.safe_load(path.read_text("utf-8"))]
    assert sorted(each["role"] for play in plays for each in play.get("roles", [])) == ROLES
