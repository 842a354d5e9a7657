"""Which environments are rendered again first, and what holds the others back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from layersite.model.environment import Environment
from layersite.model.life import WorkingHours
from layersite.plan import Plan, World, called, in_waves, last_wave, make_plan, plan_renewals, plan_rest

from .conftest import OTHER, make_change, make_site

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
Build = Callable[..., World]
CHANGES = [make_change("cart", number, f"topic-{number}") for number in range(1, 8)]
NAMES = [f"cart-{number}" for number in range(1, 8)]


def settle(world: World, plan: Plan) -> World:
    """The world after `plan` was committed."""
    results = {a.name: a.result for a in plan.actions if isinstance(a.result, Environment)}
    return replace(world, current={**world.current, **results})


@pytest.fixture
def changed(world: Build) -> World:
    """Seven environments that another layersite rendered, of which three go at once."""
    old = world(waves={"environments": 3, "percent": 0})
    return replace(settle(old, make_plan(old, CHANGES, NOW)), version="2")


def renewed(plan: Plan) -> list[str]:
    return [action.name for action in plan.having("update")]


def test_only_the_first_wave_goes(changed: World) -> None:
    plan = in_waves(make_plan(changed, CHANGES, NOW), changed, NAMES, ())
    assert renewed(plan) == NAMES[:3]
    assert {action.reason for action in plan.having("leave")} == {"waits for its wave: layersite 1 became 2"}


def test_the_next_goes_when_the_last_has_arrived_and_so_on_to_the_end(changed: World) -> None:
    waves = []
    while True:
        plan = plan_renewals(changed)
        plan = in_waves(plan, changed, NAMES, last_wave(plan, changed)[1])
        if not renewed(plan):
            break
        waves.append(renewed(plan))
        changed = settle(changed, plan)
    assert waves == [NAMES[:3], NAMES[3:6], NAMES[6:]]
    assert {action.reason for action in make_plan(changed, CHANGES, NOW).actions} == {"nothing changed"}


def test_one_that_is_not_healthy_stops_all_that_wait(changed: World) -> None:
    after = settle(changed, in_waves(plan_renewals(changed), changed, NAMES, ()))
    plan = in_waves(make_plan(after, CHANGES, NOW), after, NAMES, {"cart-1", "cart-3"})
    assert renewed(plan) == []
    text = "waits until cart-2, which got before it what changed, can be seen to be healthy"
    assert {action.reason for action in plan.having("leave")} == {text, "nothing changed"}


def test_a_mend_begins_with_those_that_were_broken(changed: World) -> None:
    after = settle(changed, in_waves(plan_renewals(changed), changed, NAMES, ()))
    mended = replace(after, version="3", site=make_site(waves={"environments": 1, "percent": 0}))
    assert renewed(in_waves(plan_renewals(mended), mended, set(NAMES) - {"cart-2"}, ())) == ["cart-2"]


def smoked(world: World, *names: str, smoke: str | None = "failed", state: str = "active") -> World:
    """The world after smoke tests of `names` said so."""
    lock = {name: e.render.model_copy(update={"smoke": smoke}) for name, e in alive(world).items() if e.render}
    found = {n: alive(world)[n].model_copy(update={"render": lock[n], "state": state}) for n in names}
    return replace(world, current={**world.current, **found})


def alive(world: World) -> dict[str, Environment]:
    return {name: each for name, each in world.current.items() if isinstance(each, Environment)}


def test_what_a_wave_rendered_holds_the_next_back_until_its_smoke_tests_passed(changed: World) -> None:
    after = settle(changed, in_waves(plan_renewals(changed), changed, NAMES, (), has_smoke=True))

    def then(world: World) -> Plan:
        return in_waves(plan_renewals(world), world, NAMES, NAMES[:3], has_smoke=True)

    assert renewed(then(after)) == []
    failed = then(smoked(smoked(after, "cart-1", "cart-3", smoke=None), "cart-2"))
    text = "waits until cart-2 (its smoke tests failed), which got before it what changed, can be seen to be healthy"
    assert {action.reason for action in failed.having("leave")} == {text}
    passed = smoked(after, "cart-1", "cart-2", smoke=None)
    assert renewed(then(passed)) == []
    assert renewed(then(smoked(passed, "cart-3", smoke=None))) == NAMES[3:6]
    assert renewed(then(smoked(passed, "cart-3", smoke="due", state="asleep"))) == NAMES[3:6]


def test_to_put_it_to_sleep_is_no_way_around_its_smoke_tests(changed: World) -> None:
    after = smoked(settle(changed, in_waves(plan_renewals(changed), changed, NAMES, ())), "cart-2")
    slept = settle(after, plan_rest(after, "cart-2", called(after.site, "asleep", None, "mona", NOW), NOW))
    plan = in_waves(plan_renewals(slept), slept, NAMES, NAMES[:3], has_smoke=True)
    assert (alive(slept)["cart-2"].state, renewed(plan)) == ("asleep", [])


def test_a_mend_begins_with_those_whose_smoke_tests_failed_and_waits_for_these(changed: World) -> None:
    after = smoked(settle(changed, in_waves(plan_renewals(changed), changed, NAMES, (), has_smoke=True)), "cart-2")
    mended = replace(after, version="3", site=make_site(waves={"environments": 1, "percent": 0}))
    plan = in_waves(plan_renewals(mended), mended, NAMES, (), has_smoke=True)
    assert renewed(plan) == ["cart-2"]
    then = settle(mended, plan)
    assert renewed(in_waves(plan_renewals(then), then, NAMES, NAMES, has_smoke=True)) == []


def test_smoke_tests_that_failed_before_any_wave_hold_nobody_up(changed: World) -> None:
    before = smoked(changed, "cart-1")
    first = in_waves(plan_renewals(before), before, NAMES, (), has_smoke=True)
    assert renewed(first) == NAMES[1:4]


def test_what_was_unwell_before_goes_last_and_holds_nobody_up(changed: World) -> None:
    well = NAMES[2:]
    first = in_waves(plan_renewals(changed), changed, well, ())
    assert renewed(first) == NAMES[2:5]
    after = settle(changed, first)
    second = in_waves(plan_renewals(after), after, well, NAMES[2:5])
    assert renewed(second) == ["cart-1", "cart-6", "cart-7"]
    assert last_wave(Plan(()), settle(after, second)) == (2, frozenset({"cart-6", "cart-7"}))


def test_a_push_and_a_call_do_not_wait(changed: World) -> None:
    moved = [make_change("cart", 7, "topic-7", sha=OTHER), *CHANGES[:6]]
    plan = in_waves(make_plan(changed, moved, NOW), changed, NAMES, ())
    assert renewed(plan) == [*NAMES[:3], "cart-7"]
    call = called(changed.site, "asleep", None, "mona", NOW)
    assert not plan_rest(changed, "cart-7", call, NOW).actions[0].renews


def test_the_end_of_working_hours_waits_with_the_rest(changed: World) -> None:
    hours = WorkingHours(timezone="UTC", start="08:00", end="09:00")
    resting = replace(changed, site=changed.site.model_copy(update={"working_hours": hours}))
    assert renewed(in_waves(make_plan(resting, CHANGES, NOW), resting, NAMES, ())) == NAMES[:3]
    unchanged = replace(resting, version="1")
    assert renewed(in_waves(make_plan(unchanged, CHANGES, NOW), unchanged, NAMES, ())) == NAMES


def test_a_share_of_many_goes_at_once(changed: World) -> None:
    site = make_site(waves={"environments": 1, "percent": 60})
    assert (
        renewed(in_waves(plan_renewals(replace(changed, site=site)), replace(changed, site=site), NAMES, ()))
        == (NAMES[:4])
    )


def test_the_baseline_goes_last(world: Build) -> None:
    settings = {"cluster": {"baseline": {"managed": True}}, "waves": {"environments": 7, "percent": 0}}
    old = world(**settings)
    changed = replace(settle(old, make_plan(old, CHANGES, NOW)), version="2")
    assert renewed(in_waves(plan_renewals(changed), changed, [*NAMES, "baseline"], ())) == NAMES
