"""Comments that ask for something: how they are read, who is obeyed, and what is answered."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from layersite.model.command import Asked, Command, is_command, read_command
from layersite.model.environment import Environment, Lease, Tombstone
from layersite.model.life import Call
from layersite.plan import Plan, World, answers, make_plan
from layersite.plan.lease import begin

from .conftest import OTHER, make_change
from .test_actions import only, settle

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
CART = make_change("cart", 7)
Build = Callable[..., World]


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/layersite wake", Command("wake")),
        ("  /layersite  WAKE 4h\nplease", Command("wake", 4)),
        ("/layersite extend 2d because demo on Friday", Command("extend", 48, "demo on Friday")),
        ("/layersite extend 24 the \u202edemo", Command("extend", 24, "the demo")),
        ("/layersite pin because 3 of us need it", Command("pin", None, "3 of us need it")),
        ("/layersite unpin", Command("unpin")),
        ("/layersite teardown", Command("teardown")),
    ],
)
def test_a_comment_is_read(text: str, command: Command) -> None:
    assert (is_command(text), read_command(text)) == (True, command)


@pytest.mark.parametrize(
    "text", ["wake", "please /layersite wake", "> /layersite wake", "/layersites wake", "`/layersite wake`", ""]
)
def test_what_only_speaks_of_it_is_no_command(text: str) -> None:
    assert not is_command(text)


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("/layersite", "say one of wake, sleep, extend, pin, unpin, teardown"),
        ("/layersite extnd 2h", "`extend`"),
        ("/layersite extend because demo", "write it as `/layersite extend 24h because …`"),
        ("/layersite extend 24h", "write it as `/layersite extend 24h because …`"),
        ("/layersite pin", "write it as `/layersite pin because …`"),
    ],
)
def test_what_cannot_be_read_is_told_how_to_write(text: str, mend: str) -> None:
    with pytest.raises(ValueError, match=mend):
        read_command(text)


def ask(text: str, comment: int = 5, refusal: str = "") -> Asked:
    return Asked(CART, comment, "mona", f"/layersite {text}", refusal)


def told(build: Build, *asked: Asked, lease: Lease | None = None, heard: int | None = None) -> tuple[World, Plan]:
    """A plan with one living environment of which something is asked."""
    site = {"lease": {"change_hours": 48}}
    (environment,) = settle(build(**site), CART)
    environment = environment.model_copy(update={"lease": lease or begin(48, NOW), "heard": heard})
    world = build((environment,), **site)
    world.asked["cart-7"] = asked  # type: ignore[index] # a plain dict in tests
    return world, make_plan(world, [CART], NOW)


def said(world: World, plan: Plan) -> list[tuple[bool, str]]:
    found = answers(world.site, world.current, world.asked, plan, NOW).get("cart-7", ())
    return [(answer.is_done, answer.text) for answer in found]


def result(plan: Plan) -> Environment:
    environment = only(plan).result
    assert isinstance(environment, Environment)
    return environment


def test_an_extension_is_committed_with_who_and_why(world: Build) -> None:
    found = told(world, ask("extend 24h because demo"))
    assert result(found[1]).lease == Lease(
        since="2026-03-04T12:00:00Z", until="2026-03-07T12:00:00Z", by="mona", reason="demo"
    )
    assert said(*found) == [(True, "it lives until 2026-03-07T12:00:00Z")]


def test_several_are_obeyed_in_the_order_in_which_they_were_written(world: Build) -> None:
    found = told(world, ask("unpin", 6), ask("pin because demo", 5), ask("sleep", 9))
    environment = result(found[1])
    assert (environment.state, environment.heard) == ("asleep", 9)
    assert environment.lease is not None
    assert not environment.lease.pinned
    assert [is_done for is_done, _ in said(*found)] == [True, True, True]


def test_none_counts_twice(world: Build) -> None:
    found = told(world, ask("extend 24h because demo"), heard=5)
    assert (only(found[1]).verb, said(*found)) == ("leave", [(True, "it was done")])


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        pytest.param(ask("wake", refusal="only who may write may ask"), "only who may write may ask", id="a stranger"),
        pytest.param(ask("extend 900h because I like it"), "`lease.most_hours`", id="beyond the cap"),
        pytest.param(ask("dance"), "say one of wake", id="no command"),
    ],
)
def test_a_refusal_changes_nothing_and_says_why(world: Build, asked: Asked, text: str) -> None:
    found = told(world, asked)
    ((is_done, why),) = said(*found)
    assert (only(found[1]).verb, is_done, text in why) == ("leave", False, True)


def test_a_teardown_leaves_a_tombstone_that_remembers_it_and_a_commit_brings_it_back(world: Build) -> None:
    before, plan = told(world, ask("teardown"), ask("wake", 6))
    stone = only(plan).result
    assert isinstance(stone, Tombstone)
    assert (stone.cause, stone.reason, stone.heard) == ("teardown", "mona asked for it in a comment", 5)
    assert said(before, plan) == [(True, "it goes away; a new commit brings it back")]
    buried = world((stone.model_copy(update={"reap": ()}),), lease={"change_hours": 48})
    assert only(make_plan(buried, [CART], NOW)).verb == "leave"
    again = only(make_plan(buried, [make_change("cart", 7, sha=OTHER)], NOW)).result
    assert isinstance(again, Environment)
    assert again.heard == 5


def test_an_extension_saves_what_would_end_in_the_same_run(world: Build) -> None:
    found = told(world, ask("extend 24h because demo"), lease=begin(48, NOW - timedelta(hours=49)))
    assert (only(found[1]).verb, said(*found)[0][0]) == ("update", True)


def test_what_was_not_committed_is_not_answered_yet(world: Build) -> None:
    before, plan = told(world, ask("pin because demo"), ask("dance", 6))
    held = Plan((type(only(plan))("leave", "cart-7", "somebody else changed it"),))
    assert [is_done for is_done, _ in said(before, held)] == [False]


def test_what_is_asked_of_an_environment_to_come_waits_for_it(world: Build) -> None:
    empty = world()
    empty.asked["cart-7"] = (ask("pin because demo"),)  # type: ignore[index] # a plain dict in tests
    plan = make_plan(empty, [CART], NOW)
    assert (only(plan).verb, said(empty, plan)) == ("create", [])


def test_a_change_that_gets_no_environment_says_so(world: Build) -> None:
    empty, fork = world(), make_change("cart", 7, fork=True)
    empty.asked["cart-7"] = (ask("wake"),)  # type: ignore[index] # a plain dict in tests
    ((is_done, text),) = said(empty, make_plan(empty, [fork], NOW))
    assert (is_done, "there is no environment" in text, "forge.forks" in text) == (False, True, True)


def test_a_change_is_woken_for_the_awake_hours_of_its_own_hours(world: Build) -> None:
    hours = {"timezone": "Asia/Tokyo", "awake_hours": 5}
    change = make_change("cart", 7, labels=("layersite/hours:asia",))
    before = world(settle(world(named_hours={"asia": hours}), change), named_hours={"asia": hours})
    before.asked["cart-7"] = (Asked(change, 5, "mona", "/layersite wake"),)  # type: ignore[index] # a plain dict in tests
    call = result(make_plan(before, [change], NOW)).call
    assert call is not None
    assert call.until == "2026-03-04T17:00:00Z"


@pytest.mark.parametrize(
    ("labels", "visited", "state"),
    [
        pytest.param((), {"cart-7"}, "active", id="whom somebody wants to see"),
        pytest.param(("layersite/asleep",), {"cart-7"}, "asleep", id="a label outdoes a visitor"),
        pytest.param((), {"cart-8"}, "asleep", id="somebody else"),
    ],
)
def test_a_visitor_wakes_what_sleeps(world: Build, labels: tuple[str, ...], visited: set[str], state: str) -> None:
    change = make_change("cart", 7, labels=labels)
    asleep = settle(world(), make_change("cart", 7, labels=("layersite/asleep",)))[0]
    asleep = asleep.model_copy(update={"call": Call(state="asleep", by="mona")})
    plan = make_plan(replace(world((asleep,)), visited=visited), [change], NOW)
    result = only(plan).result or asleep
    assert isinstance(result, Environment)
    assert result.state == state
    assert (result.call != asleep.call) == (state == "active")
