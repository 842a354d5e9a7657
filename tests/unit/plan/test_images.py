"""A change is rendered with the digests of its images, and waits until the registry has them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from layersite.model.environment import Environment
from layersite.plan import Plan, World, make_plan, overdue

from .conftest import OTHER, SHA, make_change

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Build = Callable[..., World]
CART = make_change("cart", 7)
DIGEST = "sha256:" + "1" * 64


def asked(world: World, images: dict[str, str | None], *current: Environment) -> World:
    return replace(world, images=images, current={each.name: each for each in current})


def made(plan: Plan) -> Environment:
    (action,) = plan.actions
    assert isinstance(action.result, Environment)
    return action.result


def test_an_image_that_is_there_is_rendered_by_its_digest(world: Build) -> None:
    environment = made(make_plan(asked(world(), {f"cart:{SHA}": DIGEST}), [CART], NOW))
    assert environment.slice["cart"].images == {"cart": f"cart:{SHA}@{DIGEST}"}


def test_a_new_change_waits_for_its_image(world: Build) -> None:
    plan = make_plan(asked(world(), {f"cart:{SHA}": None}), [CART], NOW)
    (refusal,) = plan.refusals
    assert plan.actions == ()
    assert (refusal.waits_for, refusal.is_error) == ((f"cart:{SHA}",), False)
    assert refusal.reason == f"waits for `cart:{SHA}`, which the registry does not have yet"


def test_an_environment_stays_as_it_is_while_its_next_image_is_built(world: Build) -> None:
    before = made(make_plan(asked(world(), {f"cart:{SHA}": DIGEST}), [CART], NOW))
    moved = make_change("cart", 7, sha=OTHER)
    plan = make_plan(asked(world(), {f"cart:{OTHER}": None}, before), [moved], NOW)
    assert [(action.verb, action.name) for action in plan.actions] == [("leave", "cart-7")]
    assert plan.refusals[0].waits_for == (f"cart:{OTHER}",)


def test_a_digest_that_is_committed_need_not_be_asked_for_again(world: Build) -> None:
    before = made(make_plan(asked(world(), {f"cart:{SHA}": DIGEST}), [CART], NOW))
    (action,) = make_plan(asked(world(), {}, before), [CART], NOW).actions
    assert (action.verb, action.reason) == ("leave", "nothing changed")


@pytest.mark.parametrize(("minutes", "is_error"), [(29, False), (30, True)])
def test_the_wait_ends_with_a_clear_failure(world: Build, minutes: int, is_error: bool) -> None:
    plan = make_plan(asked(world(), {f"cart:{SHA}": None}), [CART], NOW)
    judged = overdue(plan, {"cart-7": NOW - timedelta(minutes=minutes)}, NOW, timedelta(minutes=30))
    assert judged.refusals[0].is_error == is_error
    assert ("after 30 minutes; does the change's build push it?" in judged.refusals[0].reason) == is_error


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"fork": True}, "comes from a fork"), ({"draft": True}, "is a draft")],
    ids=["fork", "draft"],
)
def test_what_the_site_does_not_want_gets_none_and_loses_the_one_it_had(
    world: Build, more: dict[str, Any], reason: str
) -> None:
    site = world(forge={"kind": "gitea", "url": "https://git.example.com", "drafts": False})
    unwanted = make_change("cart", 7, **more)
    assert reason in make_plan(site, [unwanted], NOW).refusals[0].reason
    before = made(make_plan(site, [CART], NOW))
    (action,) = make_plan(replace(site, current={"cart-7": before}), [unwanted], NOW).actions
    assert action.verb == "remove"
    assert reason in action.reason


def test_forks_and_drafts_get_one_where_the_site_says_so(world: Build) -> None:
    site = world(forge={"kind": "gitea", "url": "https://git.example.com", "forks": True})
    assert made(make_plan(site, [make_change("cart", 7, fork=True, draft=True)], NOW)).members[0].number == 7
