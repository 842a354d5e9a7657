"""The pytest side of the bed: the fixture `bed`, and the logs that explain a failure."""

import json
import os
import re
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.testbed.bed import Bed
from tests.testbed.images import push_base_images
from tests.testbed.programs import BedError
from tests.testbed.space import Space

__all__ = ["bed", "pytest_addoption", "pytest_runtest_makereport", "pytest_runtest_setup", "space"]

_OUTSIDE = (
    "these tests run inside a test bed: `nox -s e2e`, or `python -m tests.testbed run -- pytest tests/e2e`; "
    "for a cluster of your own give --kubeconfig (tests/testbed/README.md)"
)
_TROUBLE = re.compile(r"level\W+(error|fatal|warning)|^[EF]\d{4} ")
_TELLING = ("argocd-application-controller", "argocd-applicationset-controller", "argocd-repo-server", "kubelet")
_SIZES = pytest.StashKey[dict[str, int]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names an existing cluster."""
    parser.addoption(
        "--kubeconfig", help="use the cluster of this file; tests/testbed/README.md says what else it needs"
    )


@pytest.fixture(scope="session")
def bed(request: pytest.FixtureRequest) -> Bed:
    """Return the bed that pytest runs in, or the cluster that --kubeconfig names."""
    kubeconfig = request.config.getoption("--kubeconfig")
    try:
        return _elsewhere(kubeconfig) if kubeconfig else _inside()
    except BedError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def space(bed: Bed) -> Space:
    """Return the corner of the machine that the bed lives in, whose programs a test may stop."""
    if not bed.id:
        pytest.skip("only the programs of a bed that was started here can be stopped")
    return Space(bed.id)


def _elsewhere(kubeconfig: str) -> Bed:
    found = Bed.from_environment(kubeconfig)
    push_base_images(found.registry)
    return found


def _inside() -> Bed:
    if "LAYERSITE_BED" not in os.environ:
        raise BedError(_OUTSIDE)
    found = Bed.from_state(json.loads(Path(os.environ["LAYERSITE_BED"]).read_bytes()))
    if not Space(found.id).is_entered():
        raise BedError(_OUTSIDE)
    return found


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember how long the bed's logs are, so that a failure shows only what came after."""
    item.stash[_SIZES] = {name: path.stat().st_size for name, path in _logs().items()}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the bed's programs complained of while the test failed."""
    report = yield
    if report.failed:
        for name, path in _logs().items():
            told = path.read_bytes()[item.stash.get(_SIZES, {}).get(name, 0) :].decode("utf-8", "replace")
            lines = [line[:400] for line in told.splitlines() if _TROUBLE.search(line)][-6:]
            report.sections.append((f"bed: {name}", "\n".join(lines) or "no complaint"))
    return report


def _logs() -> dict[str, Path]:
    state = os.environ.get("LAYERSITE_BED")
    return {name: Path(state).parent / "logs" / f"{name}.log" for name in _TELLING} if state else {}
