"""How the apps of an environment are provided, and why."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layersite.model.app import App
from layersite.model.catalog import Catalog
from layersite.model.errors import InvalidInputError
from layersite.plan import decide_slice, touched_apps

from .conftest import SHOP, make_app, make_catalog, make_change, make_site


def provisions(catalog: Catalog, *changed: str, **settings: str) -> dict[str, str]:
    slots = decide_slice(dict.fromkeys(changed, "shop#1"), make_site(**settings), catalog)
    return {app: slot.provision for app, slot in slots.items()}


def test_callers_are_isolated_and_the_rest_is_shared() -> None:
    assert provisions(make_catalog(**SHOP), "cart") == {
        "cart": "isolated",
        "web": "isolated",
        "worker": "isolated",
        "redis": "shared",
        "catalog": "shared",
    }


def test_each_app_says_why() -> None:
    slots = decide_slice({"cart": "shop#1"}, make_site(), make_catalog(**SHOP))
    assert {app: slot.reason for app, slot in slots.items()} == {
        "cart": "it changed in shop#1",
        "web": "it calls `cart`, which changed in shop#1",
        "worker": "it calls `cart`, which changed in shop#1",
        "redis": "`cart` needs it, and the site's policy is shared",
        "catalog": "`web` needs it, and the site's policy is shared",
    }


def test_a_chain_of_calls_is_spelled_out() -> None:
    catalog = make_catalog(web=make_app(needs=("b",)), b=make_app(needs=("a",)), a=make_app())
    reason = decide_slice({"a": "shop#1"}, make_site(), catalog)["web"].reason
    assert reason == "it calls `b`, which calls `a`, which changed in shop#1"


def test_climbing_stops_at_exposed_apps() -> None:
    catalog = make_catalog(load=make_app(needs=("web",)), web=make_app(needs=("a",), expose={}), a=make_app())
    assert provisions(catalog, "a") == {"a": "isolated", "web": "isolated"}


def test_cycles_are_legal() -> None:
    catalog = make_catalog(a=make_app(needs=("b",)), b=make_app(needs=("c",)), c=make_app(needs=("a",)))
    assert provisions(catalog, "b") == {"a": "isolated", "b": "isolated", "c": "isolated"}


def test_an_app_that_calls_itself_is_legal() -> None:
    assert provisions(make_catalog(a=make_app(needs=("a",))), "a") == {"a": "isolated"}


@pytest.mark.parametrize(
    ("needed", "site_policy", "expected"),
    [
        (make_app(), "isolated", "isolated"),
        (make_app(), "shared", "shared"),
        (make_app(provide="isolated"), "shared", "isolated"),
        (make_app(provide="shared"), "isolated", "shared"),
        (make_app(external={"host": "pay.example.com"}), "shared", "external"),
    ],
    ids=["site isolated", "site shared", "own isolated", "own shared", "external"],
)
def test_what_is_needed_comes_by_its_own_policy_else_by_the_sites(needed: App, site_policy: str, expected: str) -> None:
    catalog = make_catalog(web=make_app(needs=("needed",)), needed=needed)
    assert provisions(catalog, "web", dependencies=site_policy)["needed"] == expected


def test_an_isolated_dependency_brings_its_own_dependencies_but_not_its_other_callers() -> None:
    catalog = make_catalog(
        web=make_app(needs=("db",)),
        db=make_app(needs=("disk",), provide="isolated"),
        disk=make_app(),
        other=make_app(needs=("db",)),
    )
    assert provisions(catalog, "web") == {"web": "isolated", "db": "isolated", "disk": "shared"}


def test_a_mock_is_refused_with_what_to_do() -> None:
    catalog = make_catalog(web=make_app(needs=("pay",)), pay=make_app(provide="mock"))
    with pytest.raises(InvalidInputError, match=r"apps/pay/app.yaml: provide: .*use `shared` or `isolated`"):
        provisions(catalog, "web")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("web/a.py",), ("web",)),
        (("web/a.py", "catalog/deep/b.go"), ("catalog", "web")),
        (("README.md",), ()),
        ((), ()),
        (None, ("catalog", "web", "worker")),
    ],
    ids=["one", "two", "none of them", "empty change", "unknown files"],
)
def test_in_a_monorepo_the_paths_decide(files: tuple[str, ...] | None, expected: tuple[str, ...]) -> None:
    assert touched_apps(make_change(files=files), make_catalog(**SHOP)) == expected


def test_an_app_without_paths_owns_its_repository() -> None:
    assert touched_apps(make_change("cart", files=("anything",)), make_catalog(**SHOP)) == ("cart",)


NAMES = "abcdef"
GRAPHS = st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES)), max_size=6)


def from_graph(graph: dict[str, set[str]], exposed: set[str]) -> Catalog:
    def app(name: str) -> App:
        more: dict[str, Any] = {"expose": {}} if name in exposed else {}
        return make_app(None, tuple(sorted(graph.get(name, ()))), **more)

    apps = {name: app(name) for name in NAMES}
    return make_catalog(**apps)


@given(GRAPHS, st.sets(st.sampled_from(NAMES), min_size=1), st.sets(st.sampled_from(NAMES)))
def test_what_an_isolated_app_needs_is_always_in_the_slice(
    graph: dict[str, set[str]], changed: set[str], exposed: set[str]
) -> None:
    catalog = from_graph(graph, exposed)
    slots = decide_slice(dict.fromkeys(changed, "x"), make_site(), catalog)
    isolated = {app for app, slot in slots.items() if slot.provision == "isolated"}
    assert changed <= isolated
    assert {need.app for app in isolated for need in catalog.apps[app].needs} <= slots.keys()


@given(GRAPHS, st.sets(st.sampled_from(NAMES), min_size=1), st.sampled_from(NAMES))
def test_one_more_change_never_takes_an_app_out_of_isolation(
    graph: dict[str, set[str]], changed: set[str], more: str
) -> None:
    catalog = from_graph(graph, set())
    before = decide_slice(dict.fromkeys(changed, "x"), make_site(), catalog)
    after = decide_slice(dict.fromkeys(changed | {more}, "x"), make_site(), catalog)
    isolated = {app for app, slot in before.items() if slot.provision == "isolated"}
    assert isolated <= {app for app, slot in after.items() if slot.provision == "isolated"}
