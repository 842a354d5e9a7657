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


def waiting(world: World, first: tuple[str, ...] = (), numbers: tuple[int, ...] = NUMBERS, **caps: Any) -> list[str]:
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
    text = "in the queue: the site has 1 of 1 environments (`capacity.environments`)"
    assert waiting(world(), environments=1) == [f"cart-10 place 1 {text}", f"cart-11 place 2 {text}"]


def test_priority_goes_before_age(world: Build) -> None:
    assert [each.split()[0] for each in waiting(world(), ("cart-11",), environments=1)] == ["cart-9", "cart-10"]


def team(*authors: str, **caps: int) -> dict[str, Any]:
    return {"teams": {"shop": {"authors": authors, **caps}}}


@pytest.mark.parametrize(
    ("caps", "who", "where"),
    [
        pytest.param({"cores": 4}, "cart-11: the site has 3 of 4 cores and this needs 1.5", "cores", id="cores"),
        pytest.param({"gibibytes": 2}, "cart-11: the site has 2 of 2 GiB and this needs 1", "gibibytes", id="memory"),
        pytest.param(
            {"per_author": 1}, "cart-10: author ann has 1 of 1 environments", "per_author.environments", id="a number"
        ),
        pytest.param(
            {"per_author": {"environments": 1}},
            "cart-10: author ann has 1 of 1 environments",
            "per_author.environments",
            id="an author's environments",
        ),
        pytest.param(
            {"per_author": {"cores": 2}},
            "cart-10: author ann has 1.5 of 2 cores and this needs 1.5",
            "per_author.cores",
            id="an author's cores",
        ),
        pytest.param(
            {"per_repository": {"environments": 2}},
            "cart-11: repository cart has 2 of 2 environments",
            "per_repository.environments",
            id="a repository's environments",
        ),
        pytest.param(
            {"per_repository": {"gibibytes": 2}},
            "cart-11: repository cart has 2 of 2 GiB and this needs 1",
            "per_repository.gibibytes",
            id="a repository's memory",
        ),
        pytest.param(
            team("Ann", environments=1),
            "cart-10: team shop has 1 of 1 environments",
            "teams.shop.environments",
            id="a team's environments, in which bob is not",
        ),
        pytest.param(
            team("ann", "bob", cores=4),
            "cart-11: team shop has 3 of 4 cores and this needs 1.5",
            "teams.shop.cores",
            id="a team's cores, of two people",
        ),
    ],
)
def test_who_waits_hears_whose_cap_is_full(world: Build, caps: dict[str, Any], who: str, where: str) -> None:
    name, _, reason = who.partition(": ")
    assert waiting(world(), **caps) == [f"{name} place 1 in the queue: {reason} (`capacity.{where}`)"]


def test_who_is_in_no_team_counts_for_none(world: Build) -> None:
    assert waiting(world(), **team("eve", environments=0)) == []


def test_the_baseline_takes_no_room_of_a_repository(world: Build) -> None:
    there = world(cluster={"baseline": {"managed": True}})
    assert waiting(there, numbers=(9,), per_repository={"environments": 1, "cores": 2}) == []
    assert [each.split()[0] for each in waiting(there, numbers=(9,), environments=1)] == ["cart-9"]
    assert waiting(there, numbers=(9,), per_repository=0) == [
        "cart-9 place 1 in the queue: repository cart has 0 of 0 environments (`capacity.per_repository.environments`)"
    ]


def test_all_caps_that_are_full_are_named(world: Build) -> None:
    (text,) = waiting(world(), numbers=(9,), environments=0, **team("ann", cores=1))
    assert text.endswith(
        "the site has 0 of 0 environments (`capacity.environments`); "
        "team shop has 0 of 1 cores and this needs 1.5 (`capacity.teams.shop.cores`)"
    )


@pytest.mark.parametrize(("most", "is_waiting"), [(2, False), (1, True)])
def test_each_author_of_several_counts_alone(world: Build, most: int, is_waiting: bool) -> None:
    alone = [make_change("cart", 1, "b1", author="ann"), make_change("cart", 2, "b2", author="bob")]
    both = [
        make_change("cart", 3, "b3", author="ann", environment="both"),
        make_change("shop", 4, "b4", author="bob", environment="both"),
    ]
    results = [action.result for action in make_plan(world(), alone, NOW).actions]
    current = [each for each in results if isinstance(each, Environment)]
    plan = make_plan(world(tuple(current)), [*alone, *both], NOW)
    drafts = {a.name: a.result for a in plan.having("create") if isinstance(a.result, Environment)}
    queued = queue(plan, Capacity.model_validate({"per_author": most}), drafts, current, ())
    assert [*drafts] == ["both"]
    assert bool(queued.refusals) == is_waiting


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
