import pytest

from layersite.model.errors import InvalidInputError
from layersite.store import Store, Write

from .conftest import Remote
from .writer import adding

HOSTILE = [
    pytest.param("..", id="parent"),
    pytest.param(".", id="itself"),
    pytest.param(".git", id="dot git"),
    pytest.param(".GIT", id="dot GIT"),
    pytest.param("git~1", id="short name of dot git"),
    pytest.param("", id="empty"),
    pytest.param("-rf", id="an option"),
    pytest.param("web\n42", id="newline"),
    pytest.param("web-42\n", id="newline at the end"),
    pytest.param("web\0", id="NUL"),
    pytest.param("web\u202e24", id="bidi mark"),
    pytest.param("wеb-42", id="look-alike"),
    pytest.param("x" * 300, id="300 characters"),
]


@pytest.mark.parametrize("name", [*HOSTILE, pytest.param("a/b", id="slash"), pytest.param("Web-42", id="upper case")])
def test_a_hostile_environment_name_never_reaches_git(name: str, store: Store, remote: Remote) -> None:
    with pytest.raises(InvalidInputError, match="is not an environment's name"):
        store.commit([*adding("web-42"), Write(name, {"environment.yaml": b""}, None, "x")], "add")
    assert remote.git("for-each-ref") == ""


@pytest.mark.parametrize("part", [*HOSTILE, pytest.param("name.", id="dot at the end")])
@pytest.mark.parametrize("path", ["{}", "{}/app.yaml", "manifests/{}"])
def test_a_hostile_path_never_reaches_git(path: str, part: str, store: Store, remote: Remote) -> None:
    with pytest.raises(InvalidInputError, match="each part of a path must be"):
        store.commit([Write("web-42", {path.format(part): b""}, None, "x")], "add")
    assert remote.git("for-each-ref") == ""


def test_all_bad_names_are_named_at_once(store: Store) -> None:
    with pytest.raises(InvalidInputError) as caught:
        store.commit([Write("-rf", {"../x": b""}, None, "x"), Write(".git", None, None, "x")], "add")
    assert [problem.file for problem in caught.value.problems] == ["'-rf'", "'-rf', file '../x'", "'.git'"]


@pytest.mark.parametrize("text", ["a\nSigned-off-by: x", "a\r\nb", "a\u2028b", "a\u202eb", "a\x1b[2Jb", "a\0b"])
def test_text_from_outside_stays_one_line_of_the_message(text: str, store: Store, remote: Remote) -> None:
    store.commit([Write("web-42", {"environment.yaml": b""}, None, text)], f"subject {text}")
    lines = remote.git("log", "-1", "--format=%B", "main").rstrip("\n").split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert lines[0].startswith("subject a?")
    assert lines[2].startswith("Environment: a?")
