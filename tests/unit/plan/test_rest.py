"""When environments sleep: by the clock of the team, by label, by call, and who is left alone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from layersite.model.change import Change
from layersite.model.environment import Environment, Lease
from layersite.model.life import WorkingHours
from layersite.plan import Action, World, called, make_plan, plan_rest

from .conftest import OTHER, make_change, make_site
from .test_actions import only, settle

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
"""A Wednesday."""
NIGHT = NOON + 11 * HOUR
CART = make_change("cart", 7)
MOVED = make_change("cart", 7, sha=OTHER)
HOURS = {"working_hours": {"timezone": "Europe/Berlin", "holidays": ["2026-12-25"]}}
Build = Callable[..., World]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "is_working"),
    [
        pytest.param("2026-03-04T07:00", True, id="eight in winter"),
        pytest.param("2026-03-04T06:59", False, id="a minute before"),
        pytest.param("2026-07-01T06:00", True, id="eight in summer"),
        pytest.param("2026-07-01T17:00", False, id="seven in the evening in summer"),
        pytest.param("2026-03-07T12:00", False, id="Saturday"),
        pytest.param("2026-12-25T12:00", False, id="holiday"),
    ],
)
def test_working_hours_are_those_of_the_time_zone(moment: str, is_working: bool) -> None:
    hours = WorkingHours.model_validate(HOURS["working_hours"])
    assert hours.include(at(moment)) == is_working


def run(world: World, now: datetime, change: object = CART) -> Action:
    return only(make_plan(world, [change], now))  # type: ignore[list-item]


def result(action: Action) -> Environment:
    assert isinstance(action.result, Environment)
    return action.result


def given(build: Build) -> World:
    """A world with the environment of CART, awake at noon."""
    (environment,) = settle(build(), CART)
    return build((environment,), **HOURS)


def test_an_environment_sleeps_at_night_and_wakes_in_the_morning(world: Build) -> None:
    action = run(given(world), NIGHT)
    assert (action.verb, action.reason, result(action).state) == ("update", "nobody works now", "asleep")
    asleep = world((result(action),), **HOURS)
    assert run(asleep, NIGHT + HOUR).verb == "leave"
    action = run(asleep, NOON + 24 * HOUR)
    assert (action.reason, result(action).state) == ("working hours began", "active")


def test_a_pinned_one_is_left_alone(world: Build) -> None:
    (environment,) = given(world).current.values()
    assert isinstance(environment, Environment)
    kept = environment.model_copy(update={"lease": Lease(pinned=True)})
    assert run(world((kept,), **HOURS), NIGHT).verb == "leave"


def test_a_new_commit_at_night_wakes_it_for_a_while(world: Build) -> None:
    asleep = world((result(run(given(world), NIGHT)),), **HOURS)
    awake = result(run(asleep, NIGHT + HOUR, MOVED))
    assert awake.state == "active"
    kept = world((awake,), **HOURS)
    assert run(kept, NIGHT + 3 * HOUR, MOVED).verb == "leave"
    assert result(run(kept, NIGHT + 4 * HOUR, MOVED)).state == "asleep"


def test_a_call_to_sleep_lasts_until_the_next_commit(world: Build) -> None:
    call = called(make_site(**HOURS), "asleep", None, "qa", NOON)
    action = only(plan_rest(given(world), "cart-7", call, NOON))
    assert (action.reason, result(action).state) == ("it was told to sleep, qa", "asleep")
    asleep = world((result(action),), **HOURS)
    assert run(asleep, NOON + 24 * HOUR).verb == "leave"
    assert result(run(asleep, NOON + 24 * HOUR, MOVED)).state == "active"


def test_a_call_to_wake_up_lasts_for_its_hours(world: Build) -> None:
    asleep = world((result(run(given(world), NIGHT)),), **HOURS)
    call = called(make_site(**HOURS), "active", 2, "", NIGHT)
    awake = world((result(only(plan_rest(asleep, "cart-7", call, NIGHT))),), **HOURS)
    assert run(awake, NIGHT + HOUR).verb == "leave"
    assert result(run(awake, NIGHT + 2 * HOUR)).state == "asleep"


@pytest.mark.parametrize(("label", "now", "state"), [("awake", NIGHT, "active"), ("asleep", NOON, "asleep")])
def test_a_label_says_so_while_it_is_there(world: Build, label: str, now: datetime, state: str) -> None:
    labelled = make_change("cart", 7, labels=(f"layersite/{label}",))
    action = run(given(world), now, labelled)
    assert (result(action).state if action.result else "active") == state


NAMED = {
    "america": {"timezone": "America/New_York", "awake_hours": 1},
    "asia": {"timezone": "Asia/Tokyo", "awake_hours": 2},
}


def of(*names: str) -> Change:
    return replace(CART, labels=tuple(f"layersite/hours:{name}" for name in names))


@pytest.mark.parametrize(
    ("names", "moment", "state"),
    [
        pytest.param((), "2026-03-04T20:00", "asleep", id="evening at the site"),
        pytest.param(("america",), "2026-03-04T20:00", "active", id="afternoon in America"),
        pytest.param(("america",), "2026-03-04T12:00", "asleep", id="morning in America, noon at the site"),
        pytest.param(("america", "asia"), "2026-03-04T20:00", "active", id="somebody works"),
        pytest.param(("america", "asia"), "2026-03-04T12:00", "asleep", id="nobody works"),
    ],
)
def test_a_label_gives_an_environment_its_own_hours(
    world: Build, names: tuple[str, ...], moment: str, state: str
) -> None:
    (environment,) = given(world).current.values()
    assert isinstance(environment, Environment)
    action = run(world((environment,), **HOURS, named_hours=NAMED), at(moment), of(*names))
    assert (result(action).state if action.result else "active") == state


def test_without_hours_of_the_site_only_what_is_labelled_sleeps(world: Build) -> None:
    (environment,) = settle(world(), CART)
    there = world((environment,), named_hours=NAMED)
    assert run(there, NOON).verb == "leave"
    assert result(run(there, NOON, of("america"))).state == "asleep"


@pytest.mark.parametrize(("names", "hours"), [(("america",), 1), (("america", "asia"), 2)])
def test_a_new_commit_keeps_it_awake_as_long_as_its_own_hours_say(
    world: Build, names: tuple[str, ...], hours: int
) -> None:
    (environment,) = given(world).current.values()
    assert isinstance(environment, Environment)
    early = at("2026-03-04T10:30")
    moved = replace(of(*names), sha=OTHER)
    awake = result(run(world((environment,), **HOURS, named_hours=NAMED), early, moved))
    kept = world((awake,), **HOURS, named_hours=NAMED)
    assert run(kept, early + hours * HOUR - timedelta(minutes=1), moved).verb == "leave"
    assert result(run(kept, early + hours * HOUR, moved)).state == "asleep"


def test_a_visitor_keeps_it_awake_as_long_as_its_own_hours_say(world: Build) -> None:
    asleep = settle(world(), replace(CART, labels=("layersite/asleep",)))[0]
    visited = replace(world((asleep,), **HOURS, named_hours=NAMED), visited={"cart-7"})
    call = result(run(visited, NOON, of("america"))).call
    assert call is not None
    assert call.until == "2026-03-04T13:00:00Z"


def test_a_label_of_hours_that_there_are_not_changes_nothing_and_is_told(world: Build) -> None:
    (environment,) = given(world).current.values()
    assert isinstance(environment, Environment)
    plan = make_plan(world((environment,), **HOURS, named_hours=NAMED), [of("amerika")], NIGHT)
    assert [action.verb for action in plan.actions] == ["leave"]
    (refusal,) = plan.refusals
    text = "`named_hours` in layersite.yaml has no `amerika`, did you mean `america`?"
    assert refusal.reason == f"label layersite/hours:amerika: {text}"


def test_sleep_and_lease_are_no_part_of_what_is_rendered(world: Build) -> None:
    night = result(run(given(world), NIGHT))
    called_awake = result(only(plan_rest(given(world), "cart-7", called(make_site(), "active", 2, "", NOON), NOON)))
    (before,) = given(world).current.values()
    assert isinstance(before, Environment)
    assert before.render == called_awake.render
    assert before.render != night.render
