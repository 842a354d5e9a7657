"""YAML is read as Kubernetes reads it and written so that every parser reads the same values."""

from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from layersite.model.errors import InvalidInputError
from layersite.model.yaml import dump, load_all


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0644", 420),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", 1000),
        ("1e3", 1000.0),
        ("12:30", "12:30"),
        ("2001-01-01", "2001-01-01"),
        ("on", True),
        ("No", False),
        ("~", None),
        ("1234567e1", 12345670.0),
        ("=", "="),
        ("'0644'", "0644"),
    ],
)
def test_plain_scalars_mean_what_kubernetes_takes_them_for(text: str, value: Any) -> None:
    assert load_all(f"- {text}", "x") == [[value]]


def test_keys_are_text() -> None:
    assert load_all("on: 1\n8: 2\n", "x") == [{"on": 1, "8": 2}]


AWKWARD = [
    "no", "y", "0123", "1e3", "12:30", "null", "~", "1234567e1", "2001-01-01", "", "-", "---", "---\nx\n", "&a", "*a",
    "a\nb\n", "a\n", "\n", " lead", "tab\tx", "!!python/x:y", "{{ x }}", "# c", "a: b", "\x1b[31m", "\x7f", "\x85",
    "\u202e", "\u2028", "\ufeff", "\ue000", "😀",
]  # fmt: skip


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
def test_awkward_text_survives_ours_and_another_parser(text: str) -> None:
    written = dump({"key": text, text or "empty": [text, {"deep": text}]})
    assert load_all(written, "x") == [{"key": text, text or "empty": [text, {"deep": text}]}]
    assert pyyaml.safe_load(written)["key"] == text


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_what_is_written_is_read_back(value: dict[str, Any]) -> None:
    assert load_all(dump(value), "x") == [value]


def test_keys_are_sorted_whatever_order_they_came_in() -> None:
    assert dump({"b": 1, "a": [2]}) == dump({"a": [2], "b": 1}) == "---\na:\n  - 2\nb: 1\n"


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "aliases expand to more than 200,000 nodes"),
        ("a: &a [*a]", "an alias refers to the node that it stands in"),
        ("a: 1\na: 2\n", "stands here twice"),
        ("!!python/object/apply:os.system [id]", "has no meaning here"),
        ("[" * 5000, "not valid YAML"),
        ("? [a]\n: b\n", "not valid YAML"),
    ],
    ids=["bomb", "loop", "duplicate", "python tag", "deep nesting", "list as key"],
)
def test_dangerous_yaml_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        load_all(text, "x.yaml")
