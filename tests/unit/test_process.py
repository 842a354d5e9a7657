"""Foreign commands: what they see, and how git signs in."""

import http.server
import os
import threading
from base64 import b64decode
from collections.abc import Iterator

import pytest

from layersite.process import CommandError, git, let_git_sign_in

TOKEN = "t0ken-made-up"


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """A server that demands a password and remembers what it was given."""
    given: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given.append(self.headers.get("Authorization", ""))
            self.send_response(401 if not given[-1] else 404)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", given
        server.shutdown()
        thread.join()


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = dict(os.environ)
    monkeypatch.setenv("LAYERSITE_FORGE_TOKEN", TOKEN)
    monkeypatch.delenv("GIT_CONFIG_COUNT", raising=False)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.usefixtures("bare_environment")
@pytest.mark.parametrize("user", ["layersite", "x-access-token"])
def test_git_signs_in_at_the_forge_with_its_token(asked: tuple[str, list[str]], user: str) -> None:
    url, given = asked
    let_git_sign_in(url, user)
    with pytest.raises(CommandError) as caught:
        git("ls-remote", f"{url}/a/b.git")
    assert b64decode(given[-1].removeprefix("Basic ")).decode() == f"{user}:{TOKEN}"
    assert TOKEN not in str(caught.value)


@pytest.mark.usefixtures("bare_environment")
def test_git_gives_the_token_to_nobody_else(asked: tuple[str, list[str]]) -> None:
    url, given = asked
    let_git_sign_in("https://git.example.com")
    with pytest.raises(CommandError):
        git("ls-remote", f"{url}/a/b.git")
    assert set(given) == {""}
