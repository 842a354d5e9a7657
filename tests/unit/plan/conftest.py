"""A small shop: web calls cart and catalog, cart calls redis, worker calls cart; and what a plan is made from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from layersite.model.app import App
from layersite.model.catalog import Catalog
from layersite.model.change import Change
from layersite.model.environment import Environment
from layersite.model.site import Site
from layersite.plan import World

SHA = "a" * 40
OTHER = "b" * 40


def make_site(**settings: Any) -> Site:
    return Site.model_validate(
        {
            "organization": "acme",
            "environments": {"url": "environments.git"},
            "repositories": {"shop": {"url": "shop.git"}, "cart": {"url": "cart.git"}},
            "cluster": {"baseline": {"namespace": "staging"}},
            "exposure": {"domain": "preview.example.com"},
            **settings,
        }
    )


def make_app(repository: str | None = None, needs: tuple[str, ...] = (), **more: Any) -> App:
    base = {} if "external" in more else {"base": {"directory": "base"}}
    return App.model_validate({"repository": repository, "needs": [{"app": name} for name in needs], **base, **more})


def make_catalog(**apps: App) -> Catalog:
    return Catalog(Path("apps"), apps, dict.fromkeys(apps, "digest"))


SHOP = {
    "web": make_app("shop", ("cart", "catalog"), paths=["web/**"], expose={}),
    "catalog": make_app("shop", paths=["catalog/**"]),
    "cart": make_app("cart", ("redis",), images=[{"name": "cart", "tag": "{sha}"}]),
    "redis": make_app(),
    "worker": make_app("shop", ("cart",), paths=["worker/**"]),
}


def make_change(repository: str = "shop", number: int | None = 1, branch: str = "topic", **more: Any) -> Change:
    return Change(repository, number, branch, more.pop("sha", SHA), **more)


@pytest.fixture
def world() -> Callable[..., World]:
    def build(current: tuple[Environment, ...] = (), **settings: Any) -> World:
        heads = {"shop": OTHER, "cart": OTHER}
        return World(make_site(**settings), make_catalog(**SHOP), "1", heads, {e.name: e for e in current})

    return build
