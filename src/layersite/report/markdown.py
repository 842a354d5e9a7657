"""Text from outside in Markdown: in code spans and blocks only, where no markup, HTML or mention means anything."""

import re
import unicodedata
from collections.abc import Iterable

__all__ = ["block", "one_line", "quoted", "span"]

_PLAIN = re.compile(r"(?!.*(://|www\.)|[-=+]+$)([^\W_]|[ .,:;()'\"/%+=?-])*", re.IGNORECASE)


def one_line(text: str) -> str:
    """Return `text` in one line, without control and format characters (bidi marks among them)."""
    return " ".join("".join(" " if unicodedata.category(char).startswith("C") else char for char in text).split())


def span(text: str) -> str:
    """Return `text` as a code span, whatever it holds."""
    text = one_line(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def block(lines: Iterable[str]) -> list[str]:
    """Return `lines` as a code block, whatever they hold."""
    lines = [one_line(line) for line in lines]
    fence = "`" * max(3, 1 + max((len(run) for line in lines for run in re.findall("`+", line)), default=0))
    return [fence, *lines, fence]


def quoted(text: str) -> str:
    """Return a sentence in which what could mean anything but itself stands in code spans, as what is quoted does."""
    out = ""
    for part in re.split(r"(`[^`]+`|\s)", one_line(text)):
        word = span(part[1:-1]) if re.fullmatch("`[^`]+`", part) else _word(part)
        out += f" {word}" if out.endswith("`") and word.startswith("`") else word
    return out


def _word(text: str) -> str:
    """Return a word as it is, or as a code span; Markdown's escapes alone would leave links and mentions alive."""
    word = text.lstrip("(").rstrip(".,:;)")
    return text if _PLAIN.fullmatch(word) else text.replace(word, span(word), 1)
