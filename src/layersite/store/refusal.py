"""Tell from git's words why a fetch or push failed: a race that is worth another try, or something to mend first."""

import re
from dataclasses import dataclass
from typing import Literal

from layersite.process import redact

__all__ = ["Refusal", "explain"]

_RACE = re.compile(
    r"^ ! .*\(.*(fetch first|non-fast-forward|stale info|cannot lock ref|failed to update ref|already exists"
    r"|incorrect old value|atomic transaction failed|atomic push failed)",
    re.MULTILINE,
)
_HOOK = re.compile(r"^ ! .*\(.*(hook declined|rule violations|protected branch)", re.MULTILINE)
_UNSURE = re.compile(
    r"unexpected disconnect|hung up unexpectedly|early EOF|RPC failed|Connection reset|Broken pipe"
    r"|returned error: 50[0234]"
)
_MOVE = re.compile(r"^( ! \[.*?\]) +\S+ -> \S+", re.MULTILINE)
_COMMIT = re.compile(r"\b(?:[0-9a-f]{40}|[0-9a-f]{64})\b")
_FULL = r"No space left on device|[Dd]isk quota exceeded|disk full|couldn't write '.*\.lock'"
"""The last is all that git says of a ref for which there is no room."""
_FATAL = (
    (
        _FULL,
        "a disk is full",
        "free space where the repository (or, without `remote:` before the line, this run's cache) lies",
    ),
    (
        r"returned error: 429|[Tt]oo many requests|rate limit",
        "the host limits how often it may be asked",
        "wait a few minutes, and run less often or with more environments per run",
    ),
    (
        r"could not read (Username|Password)|Authentication failed|returned error: 401|Permission denied \("
        r"|Invalid username or|Host key verification failed",
        "the host does not accept who we are",
        "check git's credential helper, token or SSH key for this host",
    ),
    (
        r"returned error: 403|[Pp]ermission to .* denied|[Pp]ermission denied|insufficient permission"
        r"|access denied|not allowed to push|unable to create temporary object directory|Read-only file system",
        "this account may not do that",
        "give the bot's account read and write access to the repository",
    ),
    (
        r"does not appear to be a git repository|[Rr]epository not found|repository '.*' not found|returned error: 404"
        r"|could not be found",
        "there is no such repository, or this account may not see it",
        "correct `environments.url` in layersite.yaml, or give the bot's account access",
    ),
    (
        r"Could ?n[o']t (resolve|connect)|Failed to connect|Connection refused|Connection timed out|No route to host"
        r"|Name or service not known|unable to connect|certificate",
        "the host cannot be reached",
        "check `environments.url` in layersite.yaml, the network and the host's certificate",
    ),
    (
        r"shallow update not allowed",
        "the branch no longer has the history that this run started from",
        "run again; if it stays so, remove the store's cache folder",
    ),
)


@dataclass(frozen=True)
class Refusal:
    """Why git failed: `race` and `unsure` (it may have landed) are worth another try, `unknown` fits no pattern."""

    kind: Literal["race", "unsure", "fatal", "unknown"]
    message: str

    @property
    def is_passing(self) -> bool:
        """Whether another try may succeed with nothing mended."""
        return self.kind in {"race", "unsure"}


def explain(stderr: str) -> Refusal:
    """Classify what git wrote to its standard error; `message` says what to do and quotes the lines that matter."""
    said = redact(stderr)
    if _HOOK.search(said):
        text = "a rule of the host refused the push; satisfy it, or exempt the bot's account from it"
        return Refusal("fatal", _quoting(text, "\n".join(re.findall(r"^remote: *(.*\S)", said, re.MULTILINE)) or said))
    if _RACE.search(said) and not re.search(_FULL, said):
        return Refusal("race", _quoting("another writer was first", said))
    for pattern, what, mend in _FATAL:
        if re.search(pattern, said):
            return Refusal("fatal", _quoting(f"{what}; {mend}", said))
    if _UNSURE.search(said):
        return Refusal("unsure", _quoting("the connection broke", said))
    return Refusal("unknown", _quoting("git failed", said))


def _quoting(text: str, said: str) -> str:
    """Quote `said` without the ids of commits: the same trouble has the same words at each attempt."""
    same = _COMMIT.sub("…", _MOVE.sub(r"\1", said))
    return "\n".join([text, *(f"  {line.strip()}" for line in same.splitlines() if line.strip())])
