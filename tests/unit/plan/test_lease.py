"""How long environments live: by site, by extension, by pin, and who is warned when."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from layersite.model.environment import Environment, Lease
from layersite.model.errors import InvalidInputError
from layersite.plan import Action, World, lease, make_plan

from .conftest import OTHER, make_change, make_site
from .test_actions import only, settle, with_tombstone

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
CART = make_change("cart", 7)
MOVED = make_change("cart", 7, sha=OTHER)
DAYS = {"lease": {"change_hours": 48, "most_hours": 100, "warn_hours": 12}}
Build = Callable[..., World]


def run(world: World, now: datetime, change: object = CART) -> Action:
    return only(make_plan(world, [change], now))  # type: ignore[list-item]


def given(build: Build, **changes: object) -> World:
    """A world with the environment of CART as of NOW, its lease changed."""
    (environment,) = settle(build(**DAYS), CART)
    assert environment.lease is not None
    new = environment.model_copy(update={"lease": environment.lease.model_copy(update=changes)})
    return build((new,), **DAYS)


def until(action: Action) -> str | None:
    assert isinstance(action.result, Environment)
    assert action.result.lease is not None
    return action.result.lease.until


def test_a_change_has_no_lease_unless_the_site_says_so(world: Build) -> None:
    (environment,) = settle(world(), CART)
    assert environment.lease is None


def test_a_changes_lease_counts_from_its_last_commit(world: Build) -> None:
    assert until(run(world(**DAYS), NOW)) == "2026-01-04T03:04:05Z"
    assert until(run(given(world), NOW + 40 * HOUR, MOVED)) == "2026-01-05T19:04:05Z"


def test_time_alone_changes_nothing_before_the_warning(world: Build) -> None:
    assert run(given(world), NOW + 35 * HOUR).verb == "leave"


def test_a_near_end_is_told_once(world: Build) -> None:
    action = run(given(world), NOW + 36 * HOUR)
    assert (action.verb, action.reason) == ("update", "its lease ends at 2026-01-04T03:04:05Z")
    assert isinstance(action.result, Environment)
    assert run(world((action.result,), **DAYS), NOW + 37 * HOUR).verb == "leave"


def test_an_idle_change_loses_its_environment_and_a_new_commit_brings_it_back(world: Build) -> None:
    action = run(given(world), NOW + 48 * HOUR)
    assert (action.verb, action.reason) == ("remove", "its lease ended at 2026-01-04T03:04:05Z")
    buried = with_tombstone(world, "expired")
    assert run(buried, NOW).verb == "leave"
    assert run(buried, NOW, MOVED).verb == "create"


def test_a_commit_that_comes_with_the_end_saves_it(world: Build) -> None:
    assert run(given(world), NOW + 49 * HOUR, MOVED).verb == "update"


def test_a_pin_survives_redeploys_and_outlasts_the_end(world: Build) -> None:
    pinned = given(world, pinned=True, by="qa", reason="pen test")
    assert run(pinned, NOW + 1000 * HOUR).verb == "leave"
    action = run(pinned, NOW + 1000 * HOUR, MOVED)
    assert isinstance(action.result, Environment)
    assert action.result.lease == next(iter(pinned.current.values())).lease  # type: ignore[union-attr]


def test_a_closed_change_ends_a_pin(world: Build) -> None:
    assert only(make_plan(given(world, pinned=True), [], NOW)).verb == "remove"


def test_an_extension_outlasts_a_shorter_renewal(world: Build) -> None:
    extended = given(world, until="2026-01-06T00:00:00Z", by="qa", reason="demo")
    assert until(run(extended, NOW + HOUR, MOVED)) == "2026-01-06T00:00:00Z"


def test_a_site_that_takes_leases_away_ends_them_but_for_pins(world: Build) -> None:
    (current,) = given(world).current.values()
    (pinned,) = given(world, pinned=True).current.values()
    action = run(world((current,)), NOW)
    assert isinstance(action.result, Environment)
    assert action.result.lease is None
    assert run(world((pinned,)), NOW).verb == "leave"


def living(world: World) -> Environment:
    (current,) = world.current.values()
    assert isinstance(current, Environment)
    return current


def test_an_extension_adds_to_what_is_left(world: Build) -> None:
    new = lease.extend(make_site(**DAYS), living(given(world)), 10, "qa", "demo", NOW + HOUR)
    assert (new.until, new.by, new.reason, new.warned) == ("2026-01-04T13:04:05Z", "qa", "demo", False)


@pytest.mark.parametrize(
    ("changes", "hours", "text"),
    [
        ({}, 53, "`lease.most_hours` in layersite.yaml allows 2026-01-06T07:04:05Z"),
        ({"pinned": True}, 1, "it is pinned"),
        ({"until": None}, 1, "it is pinned|has no end"),
    ],
)  # fmt: skip
def test_an_extension_beyond_the_cap_or_of_what_has_no_end_is_refused(
    world: Build, changes: dict[str, object], hours: int, text: str
) -> None:
    with pytest.raises(InvalidInputError, match=text):
        lease.extend(make_site(**DAYS), living(given(world, **changes)), hours, "qa", "demo", NOW)


def test_what_is_unpinned_begins_anew(world: Build) -> None:
    new = lease.unpin(make_site(**DAYS), living(given(world, pinned=True)), "qa", NOW + 500 * HOUR)
    assert new is not None
    assert (new.until, new.pinned) == ("2026-01-24T23:04:05Z", False)
    assert lease.unpin(make_site(), living(given(world, pinned=True)), "qa", NOW) is None


def test_a_preview_may_not_ask_for_more_than_the_cap() -> None:
    assert lease.ask(make_site(), None, None, "qa", NOW) == Lease(
        since="2026-01-02T03:04:05Z", until="2026-01-05T03:04:05Z", by="qa"
    )
    with pytest.raises(InvalidInputError, match=r"101 is more than `lease.most_hours`"):
        lease.ask(make_site(lease_hours=24, **DAYS), None, 101, "qa", NOW)
