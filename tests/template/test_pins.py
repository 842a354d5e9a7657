"""One pin per tool: what a site installs is what the product is tested with."""

import re
import tomllib

import pytest

from tests.template.helpers import ROOT

LOCKED = {
    package["name"]: package["version"]
    for package in tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]
    if "version" in package
}


@pytest.mark.parametrize("file", ["requirements/ansible.txt", "requirements/checks.txt", "noxfile.py"])
def test_the_pins_are_those_of_the_lock(file: str) -> None:
    pins = dict(re.findall(r"([a-z0-9-]+)==([0-9.]+)", (ROOT / file).read_text("utf-8")))
    assert pins
    assert {name: version for name, version in pins.items() if name != "uv"}.items() <= LOCKED.items()
