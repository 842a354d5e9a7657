"""What a registry's answers are taken for: a digest, nothing there, or an error; never the wrong one of them."""

import socket
from collections.abc import Callable

import pytest

from layersite.model.errors import RegistryError
from layersite.registry.reference import Reference, parse_reference
from tests.unit.registry.conftest import Ask
from tests.unit.registry.fake_registry import UNKNOWN, Answer, FakeRegistry, html

MANIFEST = "/v2/acme/web/manifests/1"


def test_a_tag_has_the_digest_that_the_registry_names(registry: FakeRegistry, ask: Ask) -> None:
    digest = registry.push("acme/web:1")
    assert ask(f"{registry.host}/acme/web:1") == {f"{registry.host}/acme/web:1": digest}


def test_a_tag_or_repository_that_is_not_there_has_none(registry: FakeRegistry, ask: Ask) -> None:
    digest = registry.push("acme/web:1")
    web, other, shop = (f"{registry.host}/acme/{rest}" for rest in ("web:1", "web:2", "shop:1"))
    assert ask(web, other, shop) == {web: digest, other: None, shop: None}


def test_none_are_asked_for(ask: Ask) -> None:
    assert ask() == {}


def test_each_tag_is_asked_for_once(registry: FakeRegistry, ask: Ask) -> None:
    registry.push("acme/web:latest")
    answers = ask(f"{registry.host}/acme/web", f"{registry.host}/acme/web:latest", f"{registry.host}/acme/web")
    assert len(answers) == 2
    assert [request.method for request in registry.requests] == ["HEAD"]


def test_many_are_asked_for_at_once(registry: FakeRegistry, ask: Ask) -> None:
    expected = {f"{registry.host}/acme/app-{number}:1": registry.push(f"acme/app-{number}:1") for number in range(60)}
    assert ask(*expected) == expected


@pytest.mark.parametrize("status", [200, 405, 501])
def test_a_registry_that_names_no_digest_is_asked_for_the_manifest(
    registry: FakeRegistry, ask: Ask, status: int
) -> None:
    registry.names_digest = False
    digest = registry.push("acme/web:1")
    if status != 200:
        registry.instead[f"HEAD {MANIFEST}"] = Answer(status)
    assert list(ask(f"{registry.host}/acme/web:1").values()) == [digest]


def test_a_404_without_the_sign_of_a_registry_is_believed_where_the_api_answers(
    registry: FakeRegistry, ask: Ask
) -> None:
    registry.signs = False
    assert list(ask(f"{registry.host}/acme/web:1").values()) == [None]


FAULTS = {
    "nothing there at all": ({"*": html(404)}, "is no image registry"),
    "nothing there at all, without a page": ({"*": Answer(404)}, "is no image registry"),
    "a page at the root": ({MANIFEST: html(404), "/v2/": html(200)}, "is no image registry"),
    "a page for everything": ({"*": html(200)}, "is no image registry"),
    "an empty answer for everything": ({"*": Answer(200)}, "is no image registry"),
    "401 without a challenge": ({"*": Answer(401)}, "asks neither for Bearer nor for Basic"),
    "403": ({"*": Answer(403, UNKNOWN)}, "there is no such repository, or the bot may not pull from it"),
    "429": ({"*": Answer(429)}, "asked too often"),
    "500": ({"*": Answer(500)}, "it has a fault"),
    "503 with a page": ({"*": html(503)}, "it has a fault"),
    "400": ({"*": Answer(400)}, "not as an image registry does"),
    "a redirect to nowhere": ({"*": Answer(307)}, "not as an image registry does"),
    "a redirect in circles": ({"*": Answer(307, headers={"Location": "/v2/"})}, "broke off its answer"),
    "a redirect without encryption": (
        {"*": Answer(307, headers={"Location": "http://203.0.113.1/"})},
        "is not encrypted, so it is not trusted",
    ),
    "a redirect to another protocol": ({"*": Answer(307, headers={"Location": "ftp://127.0.0.1/"})}, "broke off"),
    "a digest that is none": ({"*": Answer(200, headers={"Docker-Content-Digest": "sha256:1"})}, "64 hex digits"),
    "a digest of another kind": (
        {"*": Answer(200, headers={"Docker-Content-Digest": f"sha512:{'0' * 128}"})},
        "64 hex digits",
    ),
    "a manifest broken off": (
        {f"HEAD {MANIFEST}": Answer(405), f"GET {MANIFEST}": Answer(200, b"{", cut=True)},
        "broke off its answer",
    ),
    "a manifest that never ends": (
        {f"HEAD {MANIFEST}": Answer(405), f"GET {MANIFEST}": Answer(200, b"x" * 5_000_000)},
        "sent more than",
    ),
    "a manifest of the first version": (
        {
            f"HEAD {MANIFEST}": Answer(405),
            f"GET {MANIFEST}": Answer(
                200, b"{}", {"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws"}
            ),
        },
        r"v1\+prettyjws",
    ),
    "another manifest than it says": (
        {
            f"HEAD {MANIFEST}": Answer(405),
            f"GET {MANIFEST}": Answer(
                200,
                b"{}",
                {
                    "Content-Type": "application/vnd.oci.image.manifest.v1+json",
                    "Docker-Content-Digest": f"sha256:{'0' * 64}",
                },
            ),
        },
        "is not that of the manifest it sent",
    ),
}


@pytest.mark.parametrize(("instead", "message"), FAULTS.values(), ids=FAULTS)
def test_what_no_registry_answers_is_an_error(
    registry: FakeRegistry, ask: Ask, instead: dict[str, Answer], message: str
) -> None:
    registry.push("acme/web:1")
    registry.instead = instead
    with pytest.raises(RegistryError, match=message) as caught:
        ask(f"{registry.host}/acme/web:1")
    assert f"{registry.host}/acme/web:1" in str(caught.value)
    assert "Welcome" not in str(caught.value)


def test_an_answer_that_drips_is_given_up(registry: FakeRegistry, ask: Ask) -> None:
    registry.instead = {f"HEAD {MANIFEST}": Answer(405), f"GET {MANIFEST}": Answer(200, b"x" * 50, drip=0.1)}
    with pytest.raises(RegistryError, match=r"took longer than 0\.3 s"):
        ask(f"{registry.host}/acme/web:1", timeout=0.3)


def test_a_registry_that_says_nothing_is_given_up(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(RegistryError, match="took longer than"):
        ask(f"127.0.0.1:{silent.getsockname()[1]}/acme/web:1", timeout=0.3)


def test_registries_that_are_not_there_are_told_with_their_images(registry: FakeRegistry, ask: Ask) -> None:
    registry.push("acme/web:1")
    registry.stop()
    with pytest.raises(RegistryError) as caught:
        ask(f"{registry.host}/acme/web:1", f"{registry.host}/acme/shop:1", "localhost:1/x")
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"{registry.host}/acme/shop:1, {registry.host}/acme/web:1: {registry.host} cannot be rea")
    assert second.startswith("localhost:1/x: localhost:1 cannot be reached")


def test_a_registry_is_spoken_to_unencrypted_only_where_listed(registry: FakeRegistry, ask: Ask) -> None:
    digest = registry.push("acme/web:1")
    host = f"127.1:{registry.port}"  # this machine too, by a name that does not show it
    with pytest.raises(RegistryError, match=r"list it under images\.insecure_registries"):
        ask(f"{host}/acme/web:1")
    assert ask(f"{host}/acme/web:1", insecure=(host,)) == {f"{host}/acme/web:1": digest}


def test_what_runs_on_this_machine_is_asked_without_the_proxy(
    registry: FakeRegistry, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    digest = registry.push("acme/web:1")
    assert list(ask(f"{registry.host}/acme/web:1").values()) == [digest]


def test_a_redirect_is_followed(registry: FakeRegistry, start: Callable[[], FakeRegistry], ask: Ask) -> None:
    digest = registry.push("acme/web:1")
    front = start()
    front.instead["*"] = Answer(307, headers={"Location": f"http://{registry.host}{MANIFEST}"})
    assert list(ask(f"{front.host}/acme/web:1").values()) == [digest]


@pytest.mark.parametrize(
    ("text", "expected", "server"),
    [
        ("nginx", ("docker.io", "library/nginx", "latest"), "registry-1.docker.io"),
        ("nginx:1", ("docker.io", "library/nginx", "1"), "registry-1.docker.io"),
        ("acme/web:1.2_x-y", ("docker.io", "acme/web", "1.2_x-y"), "registry-1.docker.io"),
        ("index.docker.io/nginx:1", ("docker.io", "library/nginx", "1"), "registry-1.docker.io"),
        ("localhost/web:1", ("localhost", "web", "1"), "localhost"),
        ("web:5000/a:1", ("web:5000", "a", "1"), "web:5000"),
        ("Registry.Example.com/a/b__c/d:1", ("registry.example.com", "a/b__c/d", "1"), "registry.example.com"),
    ],
)
def test_a_reference_is_read_as_docker_reads_it(text: str, expected: tuple[str, str, str], server: str) -> None:
    reference = parse_reference(text)
    assert reference == Reference(*expected)
    assert reference.server == server


@pytest.mark.parametrize(
    "text",
    ["", "Web:1", "web:", "web:.", "web@sha256:1", "a/../b:1", "a//b", "web:1\n", "host:70000/a", "https://x/a", "a b"],
)
def test_what_is_no_reference_is_refused_before_anything_is_asked(ask: Ask, text: str) -> None:
    with pytest.raises(RegistryError, match="is no image reference"):
        ask(text)
