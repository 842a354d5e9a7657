"""Ports for servers of clones' own: each has one for as long as its folder is there, whether it runs or not."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from layersite.model.errors import DatabaseError

__all__ = ["held", "unused"]


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other runs from choosing ports in `folder` meanwhile."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def unused(folder: Path, ports: tuple[int, int], wish: int) -> int:
    """Return a port that no server in `folder` has and nobody listens on, the first one from what is wished on.

    Raises DatabaseError: there is none.
    """
    size, taken = ports[1] - ports[0] + 1, set(_taken(folder))
    for port in (ports[0] + (wish + step) % size for step in range(size)):
        if port not in taken and _is_free(port):
            return port
    raise DatabaseError(f"no port of {ports[0]}-{ports[1]} is free for a server in {folder}; give it more of them")


def _taken(folder: Path) -> Iterator[int]:
    for path in folder.glob("*/port"):
        with suppress(FileNotFoundError):  # another run has just removed it
            yield int(path.read_text())


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
