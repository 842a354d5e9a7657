"""Run git for the benchmarks as people do, without the machine's configuration getting in the way."""

import subprocess

__all__ = ["git", "git_fails"]

_QUIET = ("-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "gc.auto=0", "-c", "commit.gpgSign=0")


def git(*arguments: str, stdin: bytes = b"") -> str:
    return subprocess.run(["git", *_QUIET, *arguments], check=True, capture_output=True, input=stdin).stdout.decode()


def git_fails(*arguments: str) -> bool:
    """Whether the command ends with an error."""
    return subprocess.run(["git", *_QUIET, *arguments], capture_output=True, check=False).returncode != 0
