"""What all tests share: which folders are for other sessions, and the foreign tools that some compare with."""

import os
import shutil
import sys

import pytest
from hypothesis import settings

from tests.testbed.programs import BedError, binary

collect_ignore = ["smoke", "e2e", "roles/molecule"]
"""Smoke tests belong to a site, of which the product's own root has no files; the others need a bed."""

settings.register_profile("layersite", deadline=None)  # how long an example takes is never a test
settings.load_profile("layersite")

_TOOLS = ("helm", "kustomize", "actionlint")


def pytest_configure(config: pytest.Config) -> None:
    """Put the tools on PATH that are not there: built once where Go is, which takes about two minutes, then kept."""
    missing = [name for name in _TOOLS if shutil.which(name) is None] if shutil.which("go") else []
    for name in missing:
        try:
            folder = binary(name).parent
        except BedError as error:
            print(f"{name} cannot be built, so the tests that need it are skipped: {error}", file=sys.stderr)
        else:
            os.environ["PATH"] = f"{os.environ['PATH']}{os.pathsep}{folder}"
