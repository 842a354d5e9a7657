"""The service keeps to the host's push budget, and asks for no more than what a webhook tells of."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from layersite import by_name
from layersite.model.change import Change
from layersite.model.errors import ForgeError
from layersite.process import git
from layersite.serve import Service, pause

from .plan.conftest import make_site
from .test_latest_wins import A, B, Forge, Team
from .test_reconcile import freeze
from .test_waker import settle

SECRET = "s3cret"
REPOSITORY = {"full_name": "acme/cart", "default_branch": "main"}


@pytest.mark.parametrize(
    ("pushes", "now", "per_minute", "seconds"),
    [
        pytest.param([], 100, 6, 0, id="the first goes at once"),
        pytest.param([90, 91, 92], 100, 6, 0, id="within the budget"),
        pytest.param([90, 91, 92, 93, 94, 95], 100, 6, 50, id="the sixth of a minute makes the next wait"),
        pytest.param([30, 91, 92, 93, 94, 95], 100, 6, 0, id="what is older than a minute does not count"),
        pytest.param([10, 90, 95], 100, 1, 55, id="one a minute"),
        pytest.param([99] * 50, 100, None, 0, id="no budget"),
    ],
)
def test_no_minute_has_more_pushes_than_the_budget(
    pushes: list[float], now: float, per_minute: int | None, seconds: float
) -> None:
    assert pause(pushes, now, per_minute) == seconds


@dataclass
class Listing(Forge):
    """A forge that counts how often it lists all its changes."""

    listings: int = 0

    def changes(self) -> list[Change]:
        self.listings += 1
        return super().changes()


class Watch(Event):
    """A clock that stands still until the service waits on it, and then until the test lets the time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.is_waited_on, self.passes = 0.0, Event(), Event()

    def wait(self, timeout: float | None = None) -> bool:
        if timeout:
            self.is_waited_on.set()
            self.passes.wait()
            self.now += timeout
        return self.is_set()


@dataclass
class Desk:
    """A service, the forge that tells it of events, and what it said."""

    team: Team
    forge: Listing
    watch: Watch = field(default_factory=Watch)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        service = Service(self.team.bot, SECRET, 3600, self.said.append, stop=self.watch)
        self.service = replace(service, clock=lambda: self.watch.now)

    def commits(self) -> int:
        return int(git("rev-list", "--count", "main", cwd=self.team.folder / "environments.git"))

    def hear(self, event: str, **payload: Any) -> None:
        body = json.dumps({"repository": REPOSITORY, **payload}).encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Gitea-Event": event, "X-Gitea-Signature": signature}
        assert self.service.hear(headers, body) == 202

    def move(self, number: int, sha: str | None, action: str = "synchronized", **payload: Any) -> None:
        self.forge.move(number, sha)()
        self.hear("pull_request", action=action, number=number, **payload)

    def shows(self, **wanted: str) -> None:
        settle(lambda: self.team.shown() == {name.replace("_", "-"): sha for name, sha in wanted.items()})


@contextmanager
def at_work(tmp_path: Path, **settings: Any) -> Iterator[Desk]:
    git("init", "-q", "--bare", "-b", "main", str(tmp_path / "environments.git"))
    forge = Listing()
    places = {
        "shop": {"url": "https://git.example.com/acme/shop"},
        "cart": {"url": "https://git.example.com/acme/cart"},
    }
    site = make_site(forge={"kind": "gitea", "url": "https://git.example.com"}, repositories=places, **settings)
    made = Desk(Team(tmp_path, forge, site), forge)
    thread = Thread(target=made.service.run)
    thread.start()
    settle(lambda: forge.listings == 1)
    try:
        yield made
    finally:
        for event in (made.watch, made.watch.passes, made.service.wake):
            event.set()
        thread.join()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with at_work(tmp_path) as made:
        yield made


def test_a_burst_of_events_makes_no_more_commits_than_the_budget(tmp_path: Path) -> None:
    budget = {"url": "environments.git", "pushes_per_minute": 2}
    with at_work(tmp_path, environments=budget) as desk:
        desk.move(1, A, "opened")
        desk.shows(cart_1=A)
        desk.move(1, B)
        desk.shows(cart_1=B)
        for number in (2, 3, 4):
            desk.move(number, A, "opened")
        settle(lambda: desk.watch.is_waited_on.is_set() or desk.commits() > 2)
        assert desk.commits() == 2
        desk.watch.passes.set()
        desk.shows(cart_1=B, cart_2=A, cart_3=A, cart_4=A)
        assert desk.commits() == 3


def test_what_a_webhook_tells_of_is_asked_for_by_itself(desk: Desk) -> None:
    desk.move(1, A, "opened")
    desk.shows(cart_1=A)
    desk.move(2, A, "opened")
    desk.move(1, B)
    desk.shows(cart_1=B, cart_2=A)
    desk.move(2, None, "closed")
    desk.shows(cart_1=B)
    assert desk.forge.listings == 1


def test_what_concerns_more_than_one_change_brings_all_of_them(desk: Desk) -> None:
    desk.forge.move(1, A)()
    desk.hear("push", ref="refs/heads/main")
    desk.shows(cart_1=A)
    desk.forge.move(2, A)()
    desk.hear("pull_request", action="opened", number=1, repository={**REPOSITORY, "full_name": "acme/unknown"})
    desk.shows(cart_1=A, cart_2=A)
    assert desk.forge.listings == 3


def test_a_commit_of_somebody_else_is_seen_before_anything_is_written_over_it(desk: Desk) -> None:
    desk.move(1, A, "opened")
    desk.shows(cart_1=A)
    by_name.teardown(desk.team.bot("another"), "cart-1")
    desk.move(1, B)
    desk.shows(cart_1=B)
    assert desk.forge.listings == 2
    assert desk.team.generations()["cart-1"] > 1


def test_a_run_that_failed_is_made_up_for_by_all_changes(desk: Desk) -> None:
    def fail() -> None:
        raise ForgeError("it is down")

    desk.forge.meanwhile = [fail]
    desk.move(1, A, "opened")
    settle(lambda: any("it is down" in text for text in desk.said))
    assert desk.team.shown() == {}
    desk.move(2, A, "opened")
    desk.shows(cart_1=A, cart_2=A)
    assert desk.forge.listings == 2


def test_after_a_commit_that_the_host_declined_all_is_read_again(desk: Desk) -> None:
    hook = freeze(desk.team.folder / "site")
    desk.move(1, A, "opened")
    settle(lambda: any("this run failed" in text and "frozen until Monday" in text for text in desk.said))
    settle(lambda: any(text.startswith("cart-1: refused: could not be committed") for text in desk.said))
    hook.unlink()
    desk.move(2, A, "opened")
    desk.shows(cart_1=A, cart_2=A)
    assert desk.forge.listings == 2
