"""A registry to ask, and nothing of this machine's own Docker or proxy configuration."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from layersite.registry import Registry
from tests.unit.registry.fake_registry import FakeRegistry

Ask = Callable[..., dict[str, str | None]]


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of Docker's configuration, which is not there yet."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("NO_PROXY", "*")
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker" / "config.json"


@pytest.fixture
def login(config: Path) -> Callable[..., None]:
    """Return a function that writes Docker's configuration."""

    def write(**content: object) -> None:
        config.write_text(json.dumps(content))

    return write


@pytest.fixture
def start() -> Iterator[Callable[[], FakeRegistry]]:
    """Return a function that starts a registry."""
    started: list[FakeRegistry] = []

    def start() -> FakeRegistry:
        started.append(FakeRegistry())
        return started[-1]

    yield start
    for registry in started:
        registry.stop()


@pytest.fixture
def registry(start: Callable[[], FakeRegistry]) -> FakeRegistry:
    return start()


@pytest.fixture
def ask() -> Ask:
    """Return a function that asks for the digests of references."""

    def ask(*references: str, insecure: tuple[str, ...] = (), timeout: float = 15.0) -> dict[str, str | None]:
        return Registry(insecure=insecure, timeout=timeout).digests(references)

    return ask
