"""One file per rule: each valid one loads, each invalid one fails with the messages it expects, all at once."""

from pathlib import Path

import pytest

from layersite.model.app import App
from layersite.model.contract import Contract
from layersite.model.document import Model, read_document
from layersite.model.environment import Environment
from layersite.model.errors import InvalidInputError
from layersite.model.schemas import export
from layersite.model.site import Site

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures"
MODELS: dict[str, type[Model]] = {"site": Site, "app": App, "environment": Environment, "contract": Contract}


def model_of(path: Path) -> type[Model]:
    return MODELS[path.stem.split("-")[0]]


@pytest.mark.parametrize("path", sorted((FIXTURES / "valid").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_valid_file_loads(path: Path) -> None:
    assert read_document(path).parse(model_of(path))


@pytest.mark.parametrize("path", sorted((FIXTURES / "invalid").glob("*.yaml")), ids=lambda path: path.stem)
def test_an_invalid_file_fails_with_its_messages(path: Path) -> None:
    expected = [line[len("# expect: ") :] for line in path.read_text().splitlines() if line.startswith("# expect: ")]
    with pytest.raises(InvalidInputError) as caught:
        read_document(path, path.name).parse(model_of(path))
    assert [text for text in expected if text not in str(caught.value)] == []
    assert len(caught.value.problems) == len(expected)
    assert all(problem.file == path.name for problem in caught.value.problems)


def test_a_problem_names_the_line_it_stands_on() -> None:
    path = FIXTURES / "invalid" / "app-unknown-key-in-list.yaml"
    with pytest.raises(InvalidInputError) as caught:
        read_document(path, path.name).parse(App)
    line = path.read_text().splitlines()[caught.value.problems[0].line - 1]
    assert "has: X" in line


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a: \x00"], ids=["not UTF-8", "NUL"])
def test_a_file_that_is_no_text_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"cannot be read|not valid YAML"):
        read_document(tmp_path / "x.yaml")


def test_the_committed_schemas_are_current() -> None:
    expected = export(ROOT / "schemas")
    assert {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "schemas").iterdir())} == expected
