"""What is shown of a container's or cluster's words."""

import pytest

from layersite.argocd.text import clean, tail


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m alert", "red alert"),
        ("\x1b]8;;https://evil.example\x07click\x1b]8;;\x07", "click"),
        ("\x1b]0;title\x1b\\text", "text"),
        ("one\r\ntwo\tthree  four", "one two three four"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("a\x00b\x07c\x9b31md", "abcd"),
        ("caf\u00e9 \U0001f600", "caf\u00e9 \U0001f600"),
    ],
    ids=["colour", "link", "title", "white-space", "right-to-left", "control", "other-languages"],
)
def test_a_message_is_one_line_that_shows_as_it_reads(raw: str, shown: str) -> None:
    assert clean(raw) == shown


def test_a_long_message_is_cut() -> None:
    assert clean("x" * 600) == "x" * 499 + "…"


def test_a_log_keeps_its_last_lines() -> None:
    assert tail([f"line {number}" for number in range(50)]) == tuple(f"line {number}" for number in range(30, 50))


def test_blank_lines_do_not_count() -> None:
    assert tail(["kept", "", "   ", "\x1b[0m", "last"], count=2) == ("kept", "last")


def test_a_log_keeps_its_indentation() -> None:
    assert tail(["Traceback:", "\tat main"]) == ("Traceback:", "    at main")


def test_a_log_has_at_most_its_bytes_whatever_its_letters() -> None:
    kept = tail(["\u4e16" * 300] * 20, size=2000)
    assert 0 < len("\n".join(kept).encode()) <= 2000


def test_one_endless_line_is_cut() -> None:
    assert [len(line) for line in tail(["x" * 100_000])] == [400]
