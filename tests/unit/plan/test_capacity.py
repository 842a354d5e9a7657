"""Who gets room and who waits at which place, and what an environment asks for."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from layersite.model.capacity import Capacity, Requests, quantity
from layersite.model.environment import Environment
from layersite.plan import World, make_plan, queue
from layersite.render.requests import total

from .conftest import make_change, make_site

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ASKS = Requests(millicores=1500, mebibytes=1024)
NUMBERS = (9, 10, 11)
Build = Callable[..., World]


def waiting(world: World, first: tuple[str, ...] = (), numbers: tuple[int, ...] = NUMBERS, **caps: int) -> list[str]:
    changes = [make_change("cart", n, f"b{n}", author="ann" if n < 11 else "bob") for n in numbers]
    plan = make_plan(world, changes, NOW)
    results = [action.result for action in plan.actions if isinstance(action.result, Environment)]
    drafts = {each.name: each.model_copy(update={"requests": ASKS}) for each in results}
    current = [each for each in world.current.values() if isinstance(each, Environment)]
    queued = queue(plan, Capacity.model_validate(caps), drafts, current, first)
    assert {a.name for a in queued.having("create")} == drafts.keys() - {refusal.name for refusal in queued.refusals}
    return [f"{refusal.name} {refusal.reason.removeprefix('waits for room, ')}" for refusal in queued.refusals]


def test_without_a_cap_nobody_waits(world: Build) -> None:
    assert waiting(world()) == []


def test_the_older_change_goes_first(world: Build) -> None:
    text = "in the queue: `capacity.environments` allows 1 environments"
    assert waiting(world(), environments=1) == [f"cart-10 place 1 {text}", f"cart-11 place 2 {text}"]


def test_priority_goes_before_age(world: Build) -> None:
    assert [each.split()[0] for each in waiting(world(), ("cart-11",), environments=1)] == ["cart-9", "cart-10"]


def test_one_author_does_not_fill_everything(world: Build) -> None:
    assert [each.split()[0] for each in waiting(world(), per_author=1)] == ["cart-10"]


def test_what_is_requested_counts(world: Build) -> None:
    assert waiting(world(), cores=4) == ["cart-11 place 1 in the queue: `capacity.cores` allows 4 cores"]
    assert [each.split()[0] for each in waiting(world(), gibibytes=1)] == ["cart-10", "cart-11"]


def test_what_lives_takes_room_until_it_goes(world: Build) -> None:
    (action,) = make_plan(world(), [make_change("cart", 1, "b1", author="ann")], NOW).actions
    assert isinstance(action.result, Environment)
    there = world((action.result,))
    assert [each.split()[0] for each in waiting(there, numbers=(1, 2), environments=1)] == ["cart-2"]
    assert waiting(there, numbers=(2,), environments=1) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [("250m", "0.25"), ("1.5", "1.5"), ("64Mi", "67108864"), ("2Ki", "2048"), ("1k", "1000"), ("1e3", "1000")],
)
def test_quantities_are_those_of_kubernetes(text: str, value: str) -> None:
    assert quantity(text) == Decimal(value)


def workload(kind: str, *containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    spec = {"containers": list(containers), **more.pop("pod", {})}
    return {"kind": kind, "spec": {"template": {"spec": spec}, **more}}


BIG = {"resources": {"requests": {"cpu": "2", "memory": "1Gi"}}}
LIMITED = {"resources": {"limits": {"cpu": "300m", "memory": "100Mi"}}}


@pytest.mark.parametrize(
    ("item", "millicores", "mebibytes"),
    [
        pytest.param(workload("Deployment", BIG, replicas=3), 6000, 3072, id="replicas"),
        pytest.param(workload("Deployment", {}), 50, 64, id="the defaults of the limit range"),
        pytest.param(workload("StatefulSet", LIMITED), 300, 100, id="a limit is the request too"),
        pytest.param(workload("Job", {}, pod={"initContainers": [BIG]}), 2000, 1024, id="the larger init container"),
        pytest.param(workload("Deployment", BIG, replicas=0), 0, 0, id="asleep"),
        pytest.param({"kind": "Service", "spec": {}}, 0, 0, id="no pods"),
    ],
)
def test_requests_are_summed_as_the_scheduler_does(item: dict[str, Any], millicores: int, mebibytes: int) -> None:
    assert total([item], make_site()) == Requests(millicores=millicores, mebibytes=mebibytes)


def test_the_author_is_kept_and_a_plan_is_not_changed_by_requests(world: Build) -> None:
    change = make_change("cart", 1, author="ann")
    (action,) = make_plan(world(), [change], NOW).actions
    assert isinstance(action.result, Environment)
    assert action.result.members[0].author == "ann"
    again = replace(world(), current={"cart-1": action.result.model_copy(update={"requests": ASKS})})
    assert [each.verb for each in make_plan(again, [change], NOW).actions] == ["leave"]
