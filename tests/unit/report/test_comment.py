"""What a change's people read, and that nothing from outside can be more than text in it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layersite.model.environment import Environment, Lease, Member, Slot, Tombstone
from layersite.model.standing import Standing, State, Trouble
from layersite.report import comment, read_mark, status

SHA = "8f3a1c5e9b7d2046a8c4e6f0123456789abcdef0"
HOSTILE = [
    "http://x",
    "(www.x.org)",
    "`web`#42 owner/repo#1",
    "a@example.org.",
    "</details><h1>x",
    "`x` @admin #1",
    "a\n# b",
    "\u202egnp",
    "![x](http://x)",
    "-->",
    "``` end",
    "a\n===\nb\n---",
    "\x1b[31mred",
]


def environment(branch: str = "new-look") -> Environment:
    return Environment(
        name="web-42",
        cluster="in-cluster",
        namespace="env-web-42",
        generation=3,
        members=(Member(repository="web", number=42, branch=branch, sha=SHA, url="https://git.example.com/web/42"),),
        slice={
            "web": Slot(provision="isolated", reason="it changed in web#42", sha=SHA),
            "cart": Slot(provision="shared", reason="`web` needs it, and the site's policy is shared"),
        },
        urls={"web": "https://web-42--web.preview.example.com"},
    )


def test_a_ready_environment_shows_its_address_and_why_each_app_is_there() -> None:
    body = comment(Standing("web-42", "ready", "every app is healthy", environment()))
    assert "### ✅ Environment `web-42` is ready" in body
    assert "- [web](https://web-42--web.preview.example.com)" in body
    assert "- `web` is isolated: it changed in `web#42`" in body
    assert "- `cart` is shared: `web` needs it, and the site's policy is shared" in body
    assert "[`web#42` at `8f3a1c5`](https://git.example.com/web/42)" in body


def test_a_failure_names_the_resource_and_the_reason() -> None:
    trouble = Trouble("Pod", "web-1", "CrashLoopBackOff", "back-off 10s", ("starting", "panic: no database"))
    body = comment(Standing("web-42", "failed", "it is not healthy", environment(), (trouble,)))
    assert "**Pod** `web-1`: `CrashLoopBackOff`" in body
    assert "panic: no database" in body


def test_what_was_torn_down_by_hand_says_how_it_comes_back() -> None:
    kept = environment().model_dump(include={"name", "cluster", "namespace", "generation", "members"})
    stone = Tombstone(**kept, cause="teardown", reason="torn down")
    assert "A new commit brings it back." in comment(Standing("web-42", "gone", "nothing is left of it", stone))


def test_the_plan_is_folded() -> None:
    plan = ("create: web#42 is open", "```</details>@admin")
    body = comment(Standing("web-42", "deploying", "it is new", environment(), plan=plan))
    block = "````\ncreate: web#42 is open\n```</details>@admin\n````"
    assert f"\n\n<details><summary>Plan</summary>\n\n{block}\n</details>\n" in body


@pytest.mark.parametrize("state", ["waiting", "deploying", "ready", "asleep", "failed", "unseen"])
def test_what_ends_some_day_says_from_the_first_how_it_lives_longer(state: State) -> None:
    leased = environment().model_copy(update={"lease": Lease(until="2026-01-02T00:00:00Z")})
    body = comment(Standing("web-42", state, "x", leased))
    (line,) = [line for line in body.splitlines() if line.startswith("It lives until 2026-01-02T00:00:00Z: ")]
    assert "`/layersite extend 24h because …`" in line


@pytest.mark.parametrize("lease", [None, Lease(pinned=True)])
def test_what_has_no_end_is_not_said_to_be_extended(lease: Lease | None) -> None:
    kept = environment().model_copy(update={"lease": lease})
    assert "extend" not in comment(Standing("web-42", "ready", "x", kept))


def test_a_plain_sentence_is_left_as_it_is() -> None:
    text = "the registry's answer (a 404) says: no, it isn't there; try 10.90.0.1:5000/web again, 3 times"
    assert f"\n{text}\n" in comment(Standing("web-42", "failed", text))


def test_it_remembers_what_the_next_run_must_know() -> None:
    standing = Standing("web-42", "waiting", "no image `r/web:1--2` -->", environment(), since="2026-01-01T00:00:00Z")
    assert read_mark(comment(standing)) == {
        "state": "waiting",
        "generation": 3,
        "since": "2026-01-01T00:00:00Z",
        "summary": "no image `r/web:1--2` -->",
    }


@pytest.mark.parametrize("body", [None, "", "hello", "<!-- standing {broken -->", "<!-- standing [] -->"])
def test_a_comment_without_memory_remembers_nothing(body: str | None) -> None:
    assert read_mark(body) == {}


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_stays_text(text: str) -> None:
    trouble = Trouble("Pod", text, text, text, (text,))
    body = comment(Standing("web-42", "failed", f"because {text}", environment(text), (trouble,), smoke=text))
    outside = re.sub("<!--.*?-->", "<!-- -->", without_code(body))
    assert "<h1>" not in outside
    assert not [word for word in ("@", "://x", "www.", "#4", "#1") if word in outside]
    assert not any(char in body for char in "\u202e\x1b")
    assert [line for line in outside.splitlines() if line.startswith("#")] == ["### ❌ Environment  failed"]
    assert outside.count("-->") == 1
    assert not re.search(r"(?m)^[> ]*(=+|-+)$", outside)


def without_code(body: str) -> str:
    """Drop code blocks and spans the way CommonMark finds them."""
    lines, fence = [], ""
    for line in body.splitlines():
        if fence:
            fence = "" if line == fence else fence
        elif line.startswith("```"):
            fence = line
        else:
            lines.append(line)
    text, out = "\n".join(lines), ""
    while "`" in text:
        before, _, rest = text.partition("`")
        run = 1 + len(rest) - len(rest.lstrip("`"))
        inside = rest.lstrip("`")
        end = next((i for i in range(len(inside)) if is_run(inside, i, run)), None)
        out, text = (out + before, inside[end + run :]) if end is not None else (out + before + "`" * run, inside)
    return out + text


def is_run(text: str, start: int, length: int) -> bool:
    """Whether a run of exactly `length` backticks begins at `start`."""
    return (
        text[start : start + length] == "`" * length
        and text[start + length : start + length + 1] != "`"
        and (start == 0 or text[start - 1] != "`")
    )


@given(st.text())
def test_a_comment_is_never_longer_than_a_forge_takes(text: str) -> None:
    body = comment(Standing("web-42", "failed", text, environment(), (Trouble("Pod", "x", "y", text * 2000),)))
    assert len(body) < 65_536
    assert comment(Standing("web-42", "failed", text)) == comment(Standing("web-42", "failed", text))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("waiting", "pending"),
        ("deploying", "pending"),
        ("ready", "success"),
        ("failed", "failure"),
        ("gone", "success"),
    ],
)
def test_the_status_says_the_same(state: State, expected: str) -> None:
    said, description, url = status(Standing("web-42", state, "x" * 500, environment()))
    assert (said, url) == (expected, "https://web-42--web.preview.example.com")
    assert len(description) == 140
