"""Signing in at a registry with what `docker login` left, and where those secrets never go."""

import base64
import logging
import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from layersite.model.errors import RegistryError
from tests.unit.registry.conftest import Ask
from tests.unit.registry.fake_registry import IDENTITY, PASSWORD, USER, Answer, FakeRegistry

Login = Callable[..., None]
AUTH = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
SECRETS = (PASSWORD, AUTH, IDENTITY, "token-for-")


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that installs a credential helper named `fake`."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_STORE", PASSWORD)

    def install(script: str) -> None:
        program = tmp_path / "bin" / "docker-credential-fake"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return install


def answers(registry: FakeRegistry) -> str:
    """Return the script of a helper that knows `registry` only, and keeps its password in a variable."""
    found = f'{{"ServerURL":"x","Username":"{USER}","Secret":"\'$FAKE_STORE\'"}}'
    missing = "echo credentials not found in native keychain; exit 1"
    return f"""[ "$1" = get ] || exit 2; if [ "$(cat)" = {registry.host} ]; then echo '{found}'; else {missing}; fi"""


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
@pytest.mark.parametrize("key", ["{}", "https://{}", "https://{}/v1/", "http://{}/v2/"])
def test_what_docker_login_left_is_used(registry: FakeRegistry, ask: Ask, login: Login, scheme: str, key: str) -> None:
    registry.asks_for = "basic" if scheme == "basic" else "bearer"
    login(auths={key.format(registry.host): {"auth": AUTH}, "other.example.com": {}})
    digest = registry.push("acme/web:1")
    assert ask(f"{registry.host}/acme/web:1", f"{registry.host}/acme/web:2") == {
        f"{registry.host}/acme/web:1": digest,
        f"{registry.host}/acme/web:2": None,
    }


def test_a_name_and_a_password_are_used_too(registry: FakeRegistry, ask: Ask, login: Login) -> None:
    registry.asks_for = "basic"
    login(auths={registry.host: {"username": USER, "password": PASSWORD}})
    digest = registry.push("acme/web:1")
    assert list(ask(f"{registry.host}/acme/web:1").values()) == [digest]


def test_an_identity_token_is_exchanged(registry: FakeRegistry, ask: Ask, login: Login) -> None:
    registry.asks_for = "bearer"
    zero = base64.b64encode(b"00000000-0000-0000-0000-000000000000:").decode()
    login(auths={registry.host: {"auth": zero, "identitytoken": IDENTITY}})
    digest = registry.push("acme/web:1")
    assert list(ask(f"{registry.host}/acme/web:1").values()) == [digest]


def test_a_public_image_needs_no_credentials(registry: FakeRegistry, ask: Ask) -> None:
    registry.asks_for, registry.is_public, registry.names_digest = "bearer", True, False
    digest = registry.push("acme/web:1")
    assert list(ask(f"{registry.host}/acme/web:1").values()) == [digest]


def test_a_404_is_believed_where_the_api_asks_for_a_sign_in(registry: FakeRegistry, ask: Ask) -> None:
    registry.asks_for, registry.is_public, registry.signs = "bearer", True, False
    assert list(ask(f"{registry.host}/acme/web:1").values()) == [None]


@pytest.mark.parametrize("store", ["credHelpers", "credsStore"])
def test_a_credential_helper_is_asked(
    registry: FakeRegistry, ask: Ask, login: Login, helper: Callable[[str], None], store: str
) -> None:
    registry.asks_for = "basic"
    helper(answers(registry))
    login(**{store: {registry.host: "fake"} if store == "credHelpers" else "fake"}, auths={registry.host: {}})
    digest = registry.push("acme/web:1")
    assert list(ask(f"{registry.host}/acme/web:1").values()) == [digest]


def test_a_helper_may_hold_an_identity_token(
    registry: FakeRegistry, ask: Ask, login: Login, helper: Callable[[str], None]
) -> None:
    registry.asks_for = "bearer"
    helper(f"""echo '{{"ServerURL":"x","Username":"<token>","Secret":"{IDENTITY}"}}'""")
    login(credsStore="fake")
    digest = registry.push("acme/web:1")
    assert list(ask(f"{registry.host}/acme/web:1").values()) == [digest]


def test_a_helper_that_knows_nothing_of_a_host_leaves_it_to_the_file(
    registry: FakeRegistry, start: Callable[[], FakeRegistry], ask: Ask, login: Login, helper: Callable[[str], None]
) -> None:
    registry.asks_for = "basic"
    helper(answers(start()))
    login(credsStore="fake", auths={registry.host: {"auth": AUTH}})
    digest = registry.push("acme/web:1")
    assert list(ask(f"{registry.host}/acme/web:1").values()) == [digest]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo s3cret; echo s3cret >&2; exit 3", "failed with exit code 3"),
        ('echo \'{"Secret": "s3cret"}\'', "did not print credentials"),
        ("echo s3cret", "did not print credentials"),
        ("printf '\\377'", "did not print credentials"),
        (None, "not on PATH"),
    ],
    ids=["fails", "prints half", "prints no JSON", "prints no text", "is not installed"],
)
def test_a_helper_that_does_not_work_is_an_error(
    registry: FakeRegistry, ask: Ask, login: Login, helper: Callable[[str], None], script: str | None, message: str
) -> None:
    registry.asks_for = "basic"
    login(credsStore="fake")
    if script is not None:
        helper(script)
    with pytest.raises(RegistryError, match=message) as caught:
        ask(f"{registry.host}/acme/web:1")
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"auths": {"HOST": {"auth": "s3cret!"}}}', "is not base64"),
        ('{"auths": {"HOST": {"auth": ["s3cret"]}}}', "is no Docker configuration"),
        ('{"auths": "s3cret"', "is no Docker configuration"),
    ],
    ids=["auth", "type", "syntax"],
)
def test_a_broken_docker_configuration_is_an_error(
    registry: FakeRegistry, ask: Ask, config: Path, content: str, message: str
) -> None:
    registry.asks_for = "basic"
    config.write_text(content.replace("HOST", registry.host))
    with pytest.raises(RegistryError, match=message) as caught:
        ask(f"{registry.host}/acme/web:1")
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_who_may_not_pull_is_told_that_the_repository_may_not_exist(
    registry: FakeRegistry, ask: Ask, login: Login, scheme: str
) -> None:
    registry.asks_for = "basic" if scheme == "basic" else "bearer"
    wrong = base64.b64encode(b"bot:wr0ng").decode()
    login(auths={registry.host: {"auth": wrong}})
    registry.push("acme/web:1")
    with pytest.raises(RegistryError, match="answered 401 for the repository `acme/web`: there is no such") as caught:
        ask(f"{registry.host}/acme/web:1")
    assert "docker login" in str(caught.value)


def test_a_registry_that_wants_a_password_is_told_about(registry: FakeRegistry, ask: Ask) -> None:
    registry.asks_for = "basic"
    with pytest.raises(RegistryError, match=f"run `docker login {registry.host}`"):
        ask(f"{registry.host}/acme/web:1")


@pytest.mark.parametrize(
    ("realm", "message"),
    [
        ("http://auth.example.com/token", "is not encrypted, so it is not trusted"),
        ("ftp://127.0.0.1/token", "is not encrypted, so it is not trusted"),
        ("/token", "names no token server"),
        ("http://auth.example.com:port/token", "names no token server"),
    ],
)
def test_no_secret_goes_to_a_token_server_that_is_not_to_be_trusted(
    registry: FakeRegistry, ask: Ask, login: Login, realm: str, message: str
) -> None:
    registry.asks_for, registry.realm = "bearer", realm
    login(auths={registry.host: {"auth": AUTH}})
    with pytest.raises(RegistryError, match=message):
        ask(f"{registry.host}/acme/web:1")


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_a_redirect_takes_no_secret_to_another_host(
    registry: FakeRegistry, start: Callable[[], FakeRegistry], ask: Ask, login: Login, scheme: str
) -> None:
    registry.asks_for, other = "basic" if scheme == "basic" else "bearer", start()
    registry.moved_to = f"http://{other.host}"
    digest = other.push("acme/web:1")
    login(auths={registry.host: {"auth": AUTH}, other.host: {"auth": AUTH}})
    assert list(ask(f"{registry.host}/acme/web:1").values()) == [digest]
    assert registry.requests[-1].authorization == registry.expected("acme/web")
    assert [request.authorization for request in other.requests] == [None]


def test_a_sign_in_that_a_redirect_leads_to_is_refused(
    registry: FakeRegistry, start: Callable[[], FakeRegistry], ask: Ask, login: Login
) -> None:
    other = start()
    other.asks_for = "basic"
    login(auths={registry.host: {"auth": AUTH}})
    path = "/v2/acme/web/manifests/1"
    registry.instead[path] = Answer(307, headers={"Location": f"http://{other.host}{path}"})
    with pytest.raises(RegistryError, match=f"name {other.host} in the image instead"):
        ask(f"{registry.host}/acme/web:1")
    assert [request.authorization for request in other.requests] == [None]


@pytest.mark.parametrize("credentials", [{"auth": AUTH}, {"identitytoken": IDENTITY}], ids=["password", "identity"])
def test_a_token_server_that_redirects_is_not_followed(
    registry: FakeRegistry, start: Callable[[], FakeRegistry], ask: Ask, login: Login, credentials: dict[str, str]
) -> None:
    other = start()
    registry.asks_for = "bearer"
    registry.instead["/token"] = Answer(307, headers={"Location": f"http://{other.host}/token"})
    login(auths={registry.host: credentials})
    with pytest.raises(RegistryError, match=r"the token server of .* answered 307"):
        ask(f"{registry.host}/acme/web:1")
    assert other.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'"token-for-x"',
        b'{"token": 7}',
        '{"token": "token-for-\u00e4"}'.encode(),
        b'{"token": "token-for-\\n"}',
    ],
    ids=["empty", "no token", "a string", "a number", "not ASCII", "two lines"],
)
def test_what_is_no_token_is_an_error(registry: FakeRegistry, ask: Ask, body: bytes) -> None:
    registry.asks_for = "bearer"
    registry.instead["/token"] = Answer(200, body)
    with pytest.raises(RegistryError, match="sent no token") as caught:
        ask(f"{registry.host}/acme/web:1")
    assert "token-for" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("status", [200, 403, 429, 500])
def test_no_secret_is_told(
    registry: FakeRegistry, ask: Ask, login: Login, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    registry.asks_for = "bearer"
    registry.instead["/token"] = Answer(status, b'{"token": "token-for-nothing"}')
    login(auths={registry.host: {"auth": AUTH}})
    with pytest.raises(RegistryError) as caught:
        ask(f"{registry.host}/acme/web:1")
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert not [secret for secret in SECRETS if secret in told]
