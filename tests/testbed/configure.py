"""Small things that starting each part of the bed needs: fill in its configuration, run its tool, see it answer."""

import subprocess
from pathlib import Path
from string import Template

import httpx

from tests.testbed.programs import BedError
from tests.testbed.space import ADDRESS, Space

__all__ = ["answers", "configure", "tool"]

_CONFIG = Path(__file__).parent / "config"


def configure(space: Space, name: str, into: str = ".", **values: object) -> Path:
    """Fill in a file of `config/` and write it to a folder of the bed's, for nobody else to read."""
    text = Template((_CONFIG / name).read_text(encoding="utf-8"))
    target = space.directory / into / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch(0o600)
    target.write_text(text.substitute(directory=space.directory, address=ADDRESS, **values), encoding="utf-8")
    return target


def tool(space: Space, *argv: str | Path, stdin: str = "") -> str:
    """Run a command beside the bed's programs and return what it prints."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, env=space.environment(), check=False)
    if done.returncode != 0:
        raise BedError(f"`{' '.join(map(str, argv[:3]))}` failed in the bed {space.id}: {done.stderr.strip()[:500]}")
    return done.stdout.strip()


def answers(url: str, below: int = 300) -> bool:
    """Say whether `url` answers, with a status below `below`."""
    try:
        return httpx.get(url, verify=False, timeout=5, trust_env=False).status_code < below  # noqa: S501 - self-signed
    except httpx.TransportError:
        return False
