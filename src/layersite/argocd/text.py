"""Make what a cluster or a container says fit to be shown: no control characters, no colours, bounded."""

import re
from collections.abc import Sequence

__all__ = ["clean", "tail"]

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(\x07|\x1b\\)?"  # a title or a link
    r"|[\x1b\x9b][\[()#;?]*[0-9;?]*[ -/]*[@-~]?"  # a colour, a move
)
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
_LONGEST_LINE = 400


def clean(text: str, limit: int = 500) -> str:
    """Return `text` as one line of at most `limit` characters that shows as it reads."""
    line = " ".join(_HIDDEN.sub("", _ESCAPES.sub("", text.replace("\r", " "))).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def tail(lines: Sequence[str], count: int = 20, size: int = 2000) -> tuple[str, ...]:
    """Return the last of `lines`: at most `count` that are not blank, and `size` bytes of UTF-8."""
    kept: list[str] = []
    for raw in reversed(lines):
        line = _HIDDEN.sub("", _ESCAPES.sub("", raw)).replace("\t", "    ").rstrip()
        line = line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + "…"
        size -= len(line.encode()) + 1
        if size < 0 or len(kept) == count:
            break
        if line:
            kept.append(line)
    return tuple(reversed(kept))
