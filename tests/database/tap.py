"""A tap between a program and its database server that kills the program once it has sent a certain statement.

To die at a statement that only reads, after another, leaves what it left to die at that one, so these are passed over.
"""

import multiprocessing
import os
import re
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from urllib.parse import urlsplit

import pytest
from _pytest.mark import ParameterSet

__all__ = ["MariaDBTap", "Tap", "every", "run_until"]

_STATEMENTS = b"QP"
"""The messages that begin a statement: a simple query, and the parse step of an extended one."""

_READS = re.compile(rb"(?:\x03|[^\0]*\0)?\s*\(?(?:SELECT|SHOW|SET|BEGIN)\b(?!.*\bsetval\b)", re.I | re.S)
"""Statements that change nothing which outlives their session; what names them for later stands before some."""

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    [
        "pytest",
        "layersite.database.clone.postgresql",
        "layersite.database.mariadb.clone",
        "layersite.database.mariadb.engine",
        "tests.database.building",
    ]
)


def every(step: int) -> list[ParameterSet]:
    """Return the steps from one moment to the next at which a test shall die: `step`, and each under `stress`."""
    return [pytest.param(step, id=f"every {step}"), pytest.param(1, id="each", marks=pytest.mark.stress)]


class Tap:
    """Counts moments of all connections together: each statement that changes something, and what comes right after it.

    At the `last` one, or at the statement that holds that word, its victim dies.
    """

    def __init__(self, server_port: int, last: int | bytes) -> None:
        self.moments = 0
        self._last = last
        self._victim = 0
        self._server_port = server_port
        self._lock = Lock()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]

    def open(self, victim: int) -> None:
        """Let in who has come and who comes, until the door is closed."""
        self._victim = victim
        Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Let nobody in any more."""
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server_port))
            Thread(target=self._forward, args=(client, server), daemon=True).start()
            Thread(target=_pour, args=(server, client), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        """Pass whole messages on; the first has no type."""
        kind, changed = b"", False
        with client, server, client.makefile("rb") as stream:
            with suppress(OSError):
                while head := stream.read(4):
                    body = stream.read(int.from_bytes(head, "big") - 4)
                    server.sendall(kind + head + body)
                    if kind and kind in _STATEMENTS:
                        changed = self._count(body, changed)
                    kind = stream.read(1)
            _hang_up(server)

    def _count(self, statement: bytes, changed: bool) -> bool:
        """Count the moment, if it is one; return whether `statement` changes something, as that before it `changed`."""
        changes = _READS.match(statement) is None
        with self._lock:
            self.moments += changes or changed
            is_last = (changes or changed) and self._last == self.moments
            if self._last in statement if isinstance(self._last, bytes) else is_last:
                os.kill(self._victim, signal.SIGKILL)
        return changes


class MariaDBTap(Tap):
    """The same for MariaDB, whose packets have their length, three bytes, and their number in an exchange first."""

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        changed = False
        with client, server, client.makefile("rb") as stream:
            with suppress(OSError):
                while head := stream.read(4):
                    body = stream.read(int.from_bytes(head[:3], "little"))
                    server.sendall(head + body)
                    if head[3] == 0 and body[:1] == b"\x03":
                        changed = self._count(body, changed)
            _hang_up(server)


def run_until(
    last: int | bytes, work: Callable[..., object], uri: str, *arguments: object, kind: type[Tap] = Tap
) -> tuple[int | None, int]:
    """Run `work(uri, *arguments)` in a process of its own that dies at the moment `last` (0: at none).

    Returns its exit code, and how many moments there were for the server at `uri`.
    """
    port = urlsplit(uri).port
    assert port is not None
    tap = kind(port, last)
    process = _PROCESSES.Process(target=work, args=(uri.replace(f":{port}/", f":{tap.port}/"), *arguments))
    process.start()
    try:
        tap.open(process.pid or 0)
        process.join(300)
        return process.exitcode, tap.moments
    finally:
        process.kill()
        tap.close()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    _hang_up(target)


def _hang_up(connection: socket.socket) -> None:
    """End a connection at once, though another thread still reads from it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
