"""Every way in which a forge may list six open changes falsely, and what must then be said."""

import json
import traceback
from collections.abc import Callable

import pytest

from layersite.forge._pulls import PullForge
from layersite.model.errors import ForgeError
from tests.unit.forge.fake_forge import TOKEN, Answer, Payload
from tests.unit.forge.fake_gitea import FakeGitea
from tests.unit.forge.fake_gitlab import FakeGitLab

__all__ = ["HTML", "Make", "assert_untrue", "untrue"]

Make = Callable[..., PullForge]

HTML = b"<!DOCTYPE html><title>Sign in - SECRET-BODY</title>"


def untrue(change: Callable[[int], Payload], total: str, needs: str) -> dict[str, tuple[Answer, str]]:
    """Return by name what is answered in place of the list, and a pattern of the error.

    `change` makes what the forge sends for the one of a number, `total` is the header that counts them, and `needs`
    what is said of a token that is wrong.
    """

    def listed(*numbers: int, count: int | None = None, **headers: str) -> Answer:
        counted = {} if count is None else {total: str(count)}
        return Answer(body=json.dumps([change(number) for number in numbers]).encode(), headers={**counted, **headers})

    following = '<https://git.example.com/api/list?page=2>; rel="next"'
    return {
        "empty list": (listed(count=0), "0 are listed, but the repository counts 6"),
        "empty list without a total": (listed(), f"no {total}"),
        "null": (Answer(body=b"null", headers={total: "0"}), "not as a forge does"),
        "short page": (listed(1, 2, count=2), "2 are listed, but the repository counts 6"),
        "short page without a total": (listed(1, 2), f"no {total}"),
        "short page with the total": (listed(1, 2, count=6), "holds 2, but says that there are 6|listed twice"),
        "short page with a next one": (listed(1, 2, count=2, Link=following), "2 or more"),
        "all pages the same": (listed(1, 2, 3, count=6), "3 of 6 are listed twice"),
        "an object": (Answer(body=b'{"message": "SECRET-BODY"}', headers={total: "6"}), "not as a forge does"),
        "a list of something else": (Answer(body=b'[{"id": 1}]', headers={total: "1"}), "not as a forge does"),
        "a login page": (Answer(body=HTML, headers={"Content-Type": "text/html"}), "not as a forge does"),
        "half a body": (Answer(body=listed(1, 2, count=6).body[:500]), "not as a forge does"),
        "a body cut off": (Answer(body=b'[{"SECRET-BODY', cut=True), "broke off its answer"),
        "not what its header says": (Answer(body=b"[]", headers={"Content-Encoding": "gzip"}), "broke off its answer"),
        "401": (Answer(401, HTML), f"answered 401.*LAYERSITE_FORGE_TOKEN .*make a new one with {needs}"),
        "403": (Answer(403, HTML), f"answered 403.*it needs {needs}"),
        "404": (Answer(404, HTML), "answered 404.*check `url` in layersite.yaml"),
        "429": (Answer(429, HTML), "answered 429: too many requests"),
        "500": (Answer(500, HTML), "answered 500.*the next run asks again"),
        "502": (Answer(502, HTML), "answered 502.*the next run asks again"),
        "999": (Answer(999, HTML), "answered 999.*the next run asks again"),
        "418": (Answer(418, HTML), "answered 418: it does not accept this request"),
        "redirect": (
            Answer(302, HTML, {"Location": "/user/login"}),
            "answered 302.*write the new one in layersite.yaml",
        ),
        "no answer": (Answer(body=b"[]", wait=1), "took longer than 0.3 s"),
        "an answer that drips": (Answer(body=b"[" + b" " * 100, drip=0.05), "took longer than 0.3 s"),
    }


def assert_untrue(fake: FakeGitea | FakeGitLab, make: Make, answer: Answer, message: str) -> None:
    """Assert that six open ones, of which `answer` tells, are an error with `message` and without secrets."""
    for number in range(1, 7):
        fake.open(number)
    fake.instead[fake.LIST] = answer
    with pytest.raises(ForgeError, match=rf"repository `shop` \(acme/shop\).*({message})") as raised:
        make(timeout=0.3 if answer.wait or answer.drip else 30).changes()
    told = "".join(traceback.format_exception(raised.value))
    assert TOKEN not in told
    assert "SECRET-BODY" not in told
