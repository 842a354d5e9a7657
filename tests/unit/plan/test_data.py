"""Which golden an environment gets, and how long it keeps it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from layersite.model.app import App
from layersite.model.database import Data, Golden, Suited
from layersite.model.environment import Environment, Tombstone
from layersite.model.errors import DatabaseError
from layersite.model.life import Call
from layersite.plan import Choose, Plan, World, make_plan, plan_again, plan_rest

from .conftest import OTHER, make_app, make_catalog, make_change

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CART = make_change("cart", 7)
DATABASES = {"shop": {"host": "postgres.databases.svc"}}


def golden(name: str) -> Golden:
    return Golden(
        name=name,
        database="shop",
        engine="postgresql",
        built="2026-01-01T00:00:00Z",
        contract="a" * 64,
        attestation="b" * 64,
        server="18",
        migrations=("0001", "0002"),
    )


def choosing(first: Suited, again: Suited | None = None) -> Choose:
    """Choose `first` for a new database, and `again` for one whose members move."""
    return lambda database, members, kept, shown: again if kept else first


def needing(world: Callable[..., World], *needs: str, newest: str = "golden_1") -> World:
    """A world whose cart needs databases, and whose newest golden is `newest`."""
    cart: App = make_app("cart").model_copy(update={"needs": App.model_validate(_needs(needs)).needs})
    found = world(databases=DATABASES)
    catalog = make_catalog(**{**found.catalog.apps, "cart": cart})
    return replace(found, catalog=catalog, choose=choosing(Suited(golden(newest))))


def _needs(needs: tuple[str, ...]) -> dict[str, object]:
    return {"base": {"directory": "base"}, "needs": [{"database": name} for name in needs]}


def settled(plan: Plan, world: World) -> World:
    results = [action.result for action in plan.actions]
    return replace(world, current={each.name: each for each in results if each is not None})


def data(plan: Plan) -> dict[str, Data] | None:
    (action,) = plan.actions
    assert isinstance(action.result, (Environment, Tombstone)), action
    return action.result.data


def test_an_isolated_app_that_needs_a_database_gets_the_golden_that_suits_it(world: Callable[..., World]) -> None:
    expected = Data(name="env_cart_7__shop", golden="golden_1", attestation="b" * 64, migration="0002")
    assert data(make_plan(needing(world, "shop"), [CART], NOW)) == {"shop": expected}
    assert data(make_plan(needing(world), [CART], NOW)) is None


def test_a_newer_golden_changes_nothing_until_a_reset(world: Callable[..., World]) -> None:
    first = needing(world, "shop")
    later = replace(settled(make_plan(first, [CART], NOW), first), choose=choosing(Suited(golden("golden_2"))))
    (action,) = make_plan(later, [CART], NOW).actions
    assert (action.verb, action.reason) == ("leave", "nothing changed")
    again = plan_again(replace(later, resetting={"cart-7"}), "cart-7")
    assert again.actions[0].reason == "its database `shop` comes from golden_2"
    assert (data(again) or {})["shop"].golden == "golden_2"


def test_what_sleeps_and_what_wakes_keeps_its_database(world: Callable[..., World]) -> None:
    first = needing(world, "shop")
    there = settled(make_plan(first, [CART], NOW), first)
    newer = replace(there, choose=choosing(Suited(golden("golden_2"))))
    slept = plan_rest(newer, "cart-7", Call(state="asleep"), NOW)
    woken = plan_rest(settled(slept, newer), "cart-7", Call(state="active"), NOW)
    states = [
        action.result.state
        for plan in (slept, woken)
        for action in plan.actions
        if isinstance(action.result, Environment)
    ]
    assert states == ["asleep", "active"]
    assert data(slept) == data(woken) == there.current["cart-7"].data
    assert (data(slept) or {})["shop"].golden == "golden_1"


def test_a_database_that_is_no_longer_needed_goes_with_the_environment(world: Callable[..., World]) -> None:
    first = needing(world, "shop")
    later = replace(needing(world), current=settled(make_plan(first, [CART], NOW), first).current)
    moved = make_plan(later, [make_change("cart", 7, sha=OTHER)], NOW)
    assert (data(moved) or {})["shop"].golden == "golden_1"
    gone = make_plan(later, [], NOW)
    assert (data(gone) or {}).keys() == {"shop"}
    assert isinstance(gone.actions[0].result, Tombstone)
    assert gone.actions[0].result.reap == ("application", "namespace", "database")


def test_a_server_that_cannot_be_asked_holds_back_only_who_needs_it_now(world: Callable[..., World]) -> None:
    def refuse(*asked: object) -> Suited:
        raise DatabaseError("the variable LAYERSITE_DATABASE_SHOP_SERVER is not set")

    first = needing(world, "shop")
    there = settled(make_plan(first, [CART], NOW), first)
    plan = make_plan(replace(there, choose=refuse), [CART, make_change("cart", 8, branch="other")], NOW)
    assert [(refusal.name, refusal.reason) for refusal in plan.refusals] == [
        ("cart-8", "the variable LAYERSITE_DATABASE_SHOP_SERVER is not set")
    ]
    assert [(action.verb, action.name) for action in plan.actions] == [("leave", "cart-7")]


def test_a_database_without_a_golden_is_planned_empty(world: Callable[..., World]) -> None:
    bare = replace(needing(world, "shop"), choose=choosing(Suited(None, ("there is no golden",))))
    expected = Data(name="env_cart_7__shop", notes=("there is no golden",))
    assert data(make_plan(bare, [CART], NOW)) == {"shop": expected}


def test_a_push_that_takes_back_what_was_applied_makes_the_database_anew(world: Callable[..., World]) -> None:
    first = needing(world, "shop")
    there = settled(make_plan(first, [CART], NOW), first)
    again = Suited(golden("golden_1"), ("it was made anew",), is_anew=True)
    moved = replace(there, choose=choosing(again, again))
    plan = make_plan(moved, [make_change("cart", 7, sha=OTHER)], NOW)
    assert plan.actions[0].reason.endswith("its database `shop` comes from golden_1")
    found = (data(plan) or {})["shop"]
    assert (found.golden, found.again, found.notes) == ("golden_1", 1, ("it was made anew",))
    stays = replace(settled(plan, moved), choose=choosing(again, None))
    (action,) = make_plan(stays, [make_change("cart", 7)], NOW).actions
    assert isinstance(action.result, Environment)
    assert action.result.data == {"shop": found}
