"""Run a foreign command: argv only, a bounded time, a plain environment, and errors that say what to do."""

import os
import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from layersite.model.errors import ToolError

__all__ = ["FORGE_TOKEN", "CommandError", "git", "let_git_sign_in", "redact", "run", "said"]

_PASSED_ON = ("PATH", "HOME", "TMPDIR", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
_KUBECTL = ("KUBECONFIG",)
_GIT = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_ASKPASS", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "XDG_CONFIG_HOME")
_SIGN_IN = ("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0")
FORGE_TOKEN = "LAYERSITE_FORGE_TOKEN"  # noqa: S105  the variable's name
"""The variable that holds the token of the forge's API, with which git signs in at the same address."""


class CommandError(ToolError):
    """A command ended with a non-zero exit code; `stderr` and `stdout` hold what it said."""

    def __init__(self, argv: Sequence[str], code: int, stderr: str, stdout: str = "") -> None:
        self.stderr = stderr.strip()
        self.stdout = stdout
        self.code = code
        super().__init__(f"`{' '.join(argv[:3])}` failed with exit code {code}: {self.stderr or 'it said nothing'}")


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    stdin: bytes = b"",
    timeout: float = 120,
    env: Mapping[str, str] | None = None,
) -> bytes:
    """Run `argv` and return its standard output.

    The command sees PATH, HOME and the like, `LC_ALL=C`, and `env`, nothing else. `timeout` is in seconds.

    Raises:
        ToolError: the command is not installed, or takes longer than `timeout`.
        CommandError: it exits with another code than 0.
    """
    if shutil.which(argv[0]) is None:
        raise ToolError(f"`{argv[0]}` is needed here and is not on PATH; install it and run this again")
    plain = {name: os.environ[name] for name in (*_PASSED_ON, *_GIT, *_KUBECTL) if name in os.environ}
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=timeout,
            env={**plain, "LC_ALL": "C", **(env or {})},
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"`{' '.join(argv[:3])}` took longer than {timeout:g} s and was stopped") from error
    if done.returncode != 0:
        said = (done.stderr.decode("utf-8", "replace"), done.stdout.decode("utf-8", "replace"))
        raise CommandError(argv, done.returncode, *said)
    return done.stdout


def git(*arguments: str, cwd: Path | None = None, stdin: bytes = b"", timeout: float = 120) -> str:
    """Run git without prompts and return its standard output as text. Raises ToolError, CommandError."""
    env = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh", "GIT_OPTIONAL_LOCKS": "0"}
    signed = {name: os.environ[name] for name in _SIGN_IN if name in os.environ}
    out = run(["git", *arguments], cwd=cwd, stdin=stdin, timeout=timeout, env={**env, **signed})
    return out.decode("utf-8", "surrogateescape")


def redact(text: str) -> str:
    """Return `text` without the credentials of the URLs in it and without terminal control characters."""
    hidden = re.sub(r"(\w+://)[^/@\s]+@", r"\1***@", text)
    return "".join(c if c.isprintable() or c == "\n" else " " for c in hidden)


def said(error: ToolError) -> str:
    """Return what a command that failed said, or why it could not run, without credentials."""
    return redact(error.stderr if isinstance(error, CommandError) else str(error))


def let_git_sign_in(url: str, user: str = "layersite") -> None:
    """Have git, from now on, sign in at `url` with the forge's token, which stays out of argv.

    `user` is the name that goes with it; most forges take any. A configuration that the caller gave in GIT_CONFIG_COUNT
    has precedence.
    """
    token = os.environ.get(FORGE_TOKEN)
    if token and "GIT_CONFIG_COUNT" not in os.environ:
        # A credential helper would be asked only after a refusal, which costs each fetch and push another request.
        header = f"Authorization: Basic {b64encode(f'{user}:{token}'.encode()).decode()}"
        os.environ.update(zip(_SIGN_IN, ("1", f"http.{url}.extraHeader", header), strict=True))
