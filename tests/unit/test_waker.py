"""Who asks for an environment that sleeps wakes it: the service over real HTTP, with real git."""

import http.client
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from layersite.model.yaml import dump, load_all
from layersite.place import Place
from layersite.serve import Service

from .test_reconcile import Run, commits, committed, push, run, site

__all__ = ["run", "site"]

HOST = "cart-42--web.preview.example.com"


@dataclass
class House:
    """A site with one environment that sleeps, and the service that listens."""

    site: Path
    port: int

    def get(self, host: str, path: str = "/", method: str = "GET") -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, headers={"Host": host})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, dict(answer.getheaders()), body

    def state(self) -> str:
        return str(load_all(committed(self.site)["cart-42/environment.yaml"], "x")[0]["state"])

    def objects(self) -> dict[str, Any]:
        found = load_all(committed(self.site)["cart-42/manifests/web.yaml"], "x")
        return {f"{item['kind']}/{item['metadata']['name']}": item["spec"] for item in found}


def settle(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it never came about")


@pytest.fixture
def house(site: Path, run: Run) -> Iterator[House]:
    settings = load_all((site / "layersite.yaml").read_text(), "x")[0]
    (site / "layersite.yaml").write_text(dump({**settings, "waker": True}))
    push(site, "cart", "42")
    run("reconcile")
    run("sleep", "cart-42")
    heard: list[str] = []
    service = Service(lambda: Place(site).bot(lambda step: None), "", 3600, heard.append)
    server = service.listen("127.0.0.1", 0)
    thread = Thread(target=service.run)
    thread.start()
    made = House(site, server.server_port)
    settle(lambda: any("cart-42: asleep" in text for text in heard))
    yield made
    service.stop.set()
    service.wake.set()
    thread.join()
    server.shutdown()
    server.server_close()


def test_what_sleeps_has_no_route_until_it_wakes(house: House) -> None:
    assert "HTTPRoute/web" not in house.objects()
    assert house.get(HOST)[0] == 503
    settle(lambda: house.state() == "active")
    assert house.objects()["HTTPRoute/web"]["rules"] == [{"backendRefs": [{"name": "web", "port": 80}]}]


def test_a_visitor_gets_a_page_that_waits_and_one_commit_wakes_it(house: House) -> None:
    before = commits(house.site)
    status, headers, page = house.get(HOST, "/any/path?x=<b>")
    assert (status, headers["Retry-After"], headers["Content-Type"]) == (503, "5", "text/html; charset=utf-8")
    assert "<code>cart-42</code>" in page
    settle(lambda: house.state() == "active")
    for _ in range(5):
        assert house.get(HOST.upper())[0] == 503  # the route may still lead here for a moment
    assert commits(house.site) == before + 1
    call = load_all(committed(house.site)["cart-42/environment.yaml"], "x")[0]["call"]
    assert call["by"] == "a visitor"


def test_who_asks_for_anything_else_writes_nothing(house: House) -> None:
    before = commits(house.site)
    assert house.get("other.preview.example.com")[0] == 404
    assert house.get("", "/healthz")[0] == 200
    assert house.get(HOST, "/", "POST")[0] == 404
    assert house.get(HOST, "/", "HEAD")[0] == 501
    assert (commits(house.site), house.state()) == (before, "asleep")
