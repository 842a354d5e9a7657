"""The image gate: a registry that cannot be asked holds back what needs it, and nothing else."""

from collections.abc import Collection
from datetime import UTC, datetime

from layersite.follow import Follower
from layersite.gate import Gate
from layersite.model.errors import RegistryError
from layersite.plan import World, make_plan
from layersite.store import Committed, Snapshot, Write
from tests.unit.plan.conftest import OTHER, SHA, make_app, make_catalog, make_change, make_site

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIGEST = "sha256:" + "1" * 64
APPS = {
    "web": make_app("shop", images=[{"name": "up.example.com/web", "tag": "{sha}"}]),
    "cart": make_app("cart", images=[{"name": "down.example.com/cart", "tag": "{sha}"}]),
}


class Nothing:
    """An environments repository that nobody asks."""

    def read(self) -> Snapshot:
        return Snapshot(None, {})

    def known(self) -> Snapshot:
        return Snapshot(None, {})

    def commit(self, writes: list[Write], subject: str) -> Committed:
        return Committed(None, (), ())

    def contains(self, revision: str, commit: str) -> bool:
        return False


def digests(references: Collection[str]) -> dict[str, str | None]:
    if any(ref.startswith("down.") for ref in references):
        raise RegistryError("down.example.com cannot be reached")
    return dict.fromkeys(references, DIGEST)


def test_a_registry_that_is_down_holds_back_only_what_needs_it() -> None:
    site = make_site()
    gate = Gate(site.images, digests, Follower(site, Nothing(), lambda change: True), lambda: NOW, lambda step: None)
    world = World(site, make_catalog(**APPS), "1", {"shop": OTHER, "cart": OTHER})
    changes = [make_change("shop", 1, "a"), make_change("cart", 2, "b")]
    _, plan = gate.plan(world, lambda asked: make_plan(asked, changes, NOW))
    (action,) = plan.having("create")
    (refusal,) = plan.refusals
    assert action.name == "shop-1"
    assert action.result is not None
    assert f"up.example.com/web:{SHA}@{DIGEST}" in str(action.result)
    assert (refusal.name, refusal.is_error, refusal.reason) == ("cart-2", True, "down.example.com cannot be reached")
