"""Which changes share an environment, and its name."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layersite.model.change import Change
from layersite.model.names import BASELINE, is_environment_name
from layersite.plan import group

from .conftest import make_change

REPOSITORIES = ("shop", "cart")


def names(*changes: Change) -> dict[str, list[str]]:
    return {each.name: [str(change) for change in each.changes] for each in group(changes, REPOSITORIES)}


def test_one_change_is_named_after_its_repository_and_number() -> None:
    assert names(make_change(number=42)) == {"shop-42": ["shop#42"]}


def test_one_branch_name_in_two_repositories_is_one_environment() -> None:
    both = names(make_change("shop", 1, "new-cart"), make_change("cart", 7, "new-cart"))
    assert both == {"new-cart": ["cart#7", "shop#1"]}


def test_a_declared_name_joins_changes_of_different_branches() -> None:
    joined = names(make_change("shop", 1, "x", environment="friday"), make_change("cart", 7, "y", environment="friday"))
    assert joined == {"friday": ["cart#7", "shop#1"]}


def test_a_declared_name_also_joins_the_branch_of_that_name() -> None:
    assert names(make_change("shop", 1, "friday"), make_change("cart", 7, "y", environment="friday")) == {
        "friday": ["cart#7", "shop#1"]
    }


def test_a_fork_shares_with_nobody_whatever_it_declares() -> None:
    fork = make_change("cart", 7, "new-cart", fork=True, environment="friday")
    assert names(make_change("shop", 1, "new-cart"), make_change("shop", 2, "z", environment="friday"), fork) == {
        "shop-1": ["shop#1"],
        "friday": ["shop#2"],
        "cart-7": ["cart#7"],
    }


def test_changes_from_the_default_branch_do_not_meet() -> None:
    assert names(make_change("shop", 1, "main"), make_change("cart", 7, "main")) == {
        "cart-7": ["cart#7"],
        "shop-1": ["shop#1"],
    }


def test_without_numbers_the_branch_names_the_environment() -> None:
    assert names(make_change("shop", None, "new-cart")) == {"new-cart": ["shop#new-cart"]}


def test_a_branch_called_like_a_change_does_not_take_its_name() -> None:
    found = names(make_change("shop", 42, "x"), make_change("cart", None, "shop-42"))
    assert found["shop-42"] == ["shop#42"]
    assert len(found) == 2


@pytest.mark.parametrize(
    "branch",
    ["..", ".git", ".GIT", "-rf", "a\nb", "a\0b", "\u202ecod", "x" * 300, "Feature", "feature/x", "feature_x", "аdmin",
     "", "-", "ab", BASELINE, "new-a1b2c3", "xn--a", "$(reboot)", "`id`", "{{ 7*7 }}", "\x1b[31mred"],
    ids=lambda text: ascii(text)[:20],
)  # fmt: skip
def test_a_hostile_branch_name_becomes_a_valid_name_of_its_own(branch: str) -> None:
    (name,) = names(make_change("shop", None, branch))
    assert is_environment_name(name)
    assert name != branch
    assert name != BASELINE


@pytest.mark.parametrize(("one", "two"), [("Feature", "feature"), ("feature/x", "feature_x"), ("a.b", "a-b")])
def test_two_branches_with_one_slug_get_two_environments(one: str, two: str) -> None:
    assert len(names(make_change("shop", None, one), make_change("cart", None, two))) == 2


@given(st.lists(st.text(), unique=True, max_size=20))
def test_different_branches_never_share_a_name(branches: list[str]) -> None:
    found = names(*(make_change("shop", None, branch) for branch in branches))
    assert len(found) == len(branches)
    assert all(is_environment_name(name) for name in found)


CHANGES = st.lists(
    st.builds(
        make_change,
        st.sampled_from(REPOSITORIES),
        st.one_of(st.none(), st.integers(1, 9)),
        st.sampled_from(["a-branch", "b-branch", "main", "shop-3"]),
        environment=st.sampled_from([None, "friday", "a-branch"]),
        fork=st.booleans(),
    ),
    max_size=8,
    unique_by=lambda change: change.key,
)


@given(CHANGES, st.randoms())
def test_every_change_is_in_one_group_whatever_the_order(changes: list[Change], shuffle: random.Random) -> None:
    groups = group(changes, REPOSITORIES)
    assert sorted(str(change) for each in groups for change in each.changes) == sorted(map(str, changes))
    shuffled = list(changes)
    shuffle.shuffle(shuffled)
    assert group(shuffled, REPOSITORIES) == groups
