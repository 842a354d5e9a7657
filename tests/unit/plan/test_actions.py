"""From what should be and what is to one action per environment, with its reason."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from layersite.model.change import Change
from layersite.model.environment import Environment, Lease, Member, Tombstone
from layersite.plan import Action, Plan, World, make_plan, over_the_cap, plan_named, remove

from .conftest import OTHER, SHA, make_change

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Build = Callable[..., World]
CART = make_change("cart", 7)


def settle(world: World, *changes: Change) -> tuple[Environment, ...]:
    """What is committed after one run."""
    results = [action.result for action in make_plan(world, changes, NOW).actions]
    return tuple(result for result in results if isinstance(result, Environment))


def only(plan: Plan) -> Action:
    (action,) = plan.actions
    return action


def test_an_open_change_gets_an_environment(world: Build) -> None:
    action = only(make_plan(world(), [CART], NOW))
    assert (action.verb, action.name, action.reason) == ("create", "cart-7", "cart#7 needs an environment")
    assert isinstance(action.result, Environment)
    assert action.result.namespace == "env-cart-7"
    assert action.result.urls == {"web": "https://cart-7--web.preview.example.com"}
    assert action.result.slice["cart"].images == {"cart": f"cart:{SHA}"}


def test_a_second_run_changes_nothing(world: Build) -> None:
    action = only(make_plan(world(settle(world(), CART)), [CART], NOW))
    assert (action.verb, action.reason) == ("leave", "nothing changed")


def test_a_new_commit_updates_with_the_next_generation(world: Build) -> None:
    moved = make_change("cart", 7, sha=OTHER)
    action = only(make_plan(world(settle(world(), CART)), [moved], NOW))
    assert (action.verb, action.reason) == ("update", "cart#7 moved from aaaaaaa to bbbbbbb")
    assert isinstance(action.result, Environment)
    assert action.result.generation == 2


def test_the_commit_of_an_unchanged_app_stays_while_the_change_does_not_move(world: Build) -> None:
    web = make_change("shop", 1, files=("web/x",))
    before = world(settle(world(dependencies="isolated"), web), dependencies="isolated")
    merged = World(before.site, before.catalog, "1", {"shop": "c" * 40, "cart": "c" * 40}, before.current)
    assert only(make_plan(merged, [web], NOW)).verb == "leave"


def test_a_closed_change_leaves_a_tombstone(world: Build) -> None:
    action = only(make_plan(world(settle(world(), CART)), [], NOW))
    assert (action.verb, action.reason) == ("remove", "cart#7 is no longer open")
    assert isinstance(action.result, Tombstone)
    assert action.result.cause == "closed"


def bury(environment: Environment, cause: Any) -> Tombstone:
    result = remove(environment, cause, "why").result
    assert isinstance(result, Tombstone)
    return result


def with_tombstone(build: Build, cause: str) -> World:
    found = build()
    (environment,) = settle(found, CART)
    return World(found.site, found.catalog, "1", found.heads, {"cart-7": bury(environment, cause)})


def test_a_reopened_change_comes_back(world: Build) -> None:
    action = only(make_plan(with_tombstone(world, "closed"), [CART], NOW))
    assert (action.verb, action.reason) == ("create", "cart#7 is open again")


def test_a_reopened_change_waits_until_the_old_one_is_gone_where_argocd_can_tell(world: Build) -> None:
    buried = with_tombstone(world, "closed")
    site = world(argocd={"url": "https://argocd.example.com"}).site
    waiting = replace(buried, site=site)
    action = only(make_plan(waiting, [CART], NOW))
    assert (action.verb, action.reason) == ("leave", "cart#7 is wanted again, and gets it when the old one is gone")
    (stone,) = buried.current.values()
    reaped = replace(waiting, current={"cart-7": stone.model_copy(update={"reap": ()})})
    again = only(make_plan(reaped, [CART], NOW))
    assert isinstance(again.result, Environment)
    assert (again.verb, again.result.generation) == ("create", stone.generation + 1)


def test_what_was_torn_down_by_hand_stays_away(world: Build) -> None:
    assert only(make_plan(with_tombstone(world, "teardown"), [CART], NOW)).verb == "leave"


def test_a_new_commit_brings_back_what_was_torn_down_by_hand(world: Build) -> None:
    moved = make_change("cart", 7, sha=OTHER)
    assert only(make_plan(with_tombstone(world, "teardown"), [moved], NOW)).verb == "create"


def test_a_change_that_touches_no_app_is_skipped_and_is_no_error(world: Build) -> None:
    plan = make_plan(world(), [make_change(files=("README.md",))], NOW)
    assert plan.actions == ()
    assert [(refusal.reason, refusal.is_error) for refusal in plan.refusals] == [
        ("shop#1 touches no app of the catalog", False)
    ]


def test_two_changes_of_one_app_in_one_environment_are_refused_and_the_others_go_on(world: Build) -> None:
    clash = [make_change("cart", number, f"b{number}", environment="friday") for number in (1, 2)]
    plan = make_plan(world(), [*clash, CART], NOW)
    assert [action.name for action in plan.actions] == ["cart-7"]
    assert "cart#1 and cart#2 both change `cart`" in plan.refusals[0].reason


def test_a_refused_group_keeps_the_environment_it_has(world: Build) -> None:
    one = make_change("cart", 1, "b1", environment="friday")
    current = world(settle(world(), one))
    plan = make_plan(current, [one, make_change("cart", 2, "b2", environment="friday")], NOW)
    assert only(plan).verb == "leave"


def test_a_managed_baseline_runs_every_app_at_its_default_branch(world: Build) -> None:
    action = only(make_plan(world(cluster={"baseline": {"managed": True}}), [], NOW))
    assert isinstance(action.result, Environment)
    assert action.name == "baseline"
    assert {slot.provision for slot in action.result.slice.values()} == {"isolated"}
    assert action.result.slice["cart"].images == {"cart": f"cart:{OTHER}"}


def test_a_baseline_that_is_no_longer_managed_is_left(world: Build) -> None:
    committed = settle(world(cluster={"baseline": {"managed": True}}))
    assert only(make_plan(world(committed), [], NOW)).verb == "leave"


def named(build: Build, lease: Lease, *current: Environment) -> Plan:
    member = Member(repository="cart", branch="main", sha=SHA, apps=("cart",), change=False)
    return plan_named(build(current), "friday-demo", (member,), lease, NOW)


LEASE = Lease(until="2026-01-05T00:00:00Z")


def test_a_named_environment_lives_until_its_lease_ends(world: Build) -> None:
    environment = only(named(world, LEASE)).result
    assert isinstance(environment, Environment)
    assert only(make_plan(world((environment,)), [], NOW)).verb == "leave"
    ended = only(make_plan(world((environment,)), [], NOW + timedelta(days=3)))
    assert (ended.verb, ended.reason) == ("remove", "its lease ended at 2026-01-05T00:00:00Z")


def test_a_pinned_lease_never_ends(world: Build) -> None:
    environment = only(named(world, LEASE.model_copy(update={"pinned": True}))).result
    assert isinstance(environment, Environment)
    assert only(make_plan(world((environment,)), [], NOW + timedelta(days=300))).verb == "leave"


def test_a_change_cannot_take_the_name_of_a_named_environment(world: Build) -> None:
    environment = only(named(world, LEASE)).result
    assert isinstance(environment, Environment)
    plan = make_plan(world((environment,)), [make_change("cart", 1, "x", environment="friday-demo")], NOW)
    assert "taken by an environment that was asked for by hand" in plan.refusals[0].reason
    assert only(plan).verb == "leave"


def test_a_changed_site_renders_anew_but_a_changed_cap_does_not(world: Build) -> None:
    committed = settle(world(), CART)
    assert only(make_plan(world(committed, safety={"removals": 1}), [CART], NOW)).verb == "leave"
    other = only(make_plan(world(committed, exposure={"domain": "other.example.com"}), [CART], NOW))
    assert (other.verb, other.reason) == ("update", "layersite.yaml changed")


def test_files_edited_by_hand_are_written_anew(world: Build) -> None:
    found = world(settle(world(), CART))
    drifted = World(found.site, found.catalog, "1", found.heads, found.current, {"cart-7"})
    assert only(make_plan(drifted, [CART], NOW)).reason == "its files are not those that were rendered"


def test_more_removals_than_the_cap_are_held_back(world: Build) -> None:
    changes = [make_change("cart", number, f"b{number}") for number in range(1, 13)]
    current = world(settle(world(), *changes))
    assert len(over_the_cap(make_plan(current, changes[11:], NOW), current)) == 11
    assert over_the_cap(make_plan(current, changes[10:], NOW), current) == {}
