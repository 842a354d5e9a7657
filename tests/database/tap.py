"""Kill a program at a moment of its choice: a statement to its database server, a request, a file that it writes.

A tap stands between it and the server. To die at a statement that only reads, after another, leaves what it left to die
at that one, so these are passed over.
"""

import multiprocessing
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from threading import Lock, Thread
from urllib.parse import urlsplit

import pytest
from _pytest.mark import ParameterSet

__all__ = ["Fate", "MariaDBTap", "Tap", "every", "run_until", "write_until"]

_STATEMENTS = b"QP"
"""The messages that begin a statement: a simple query, and the parse step of an extended one."""

_READS = re.compile(rb"(?:\x03|[^\0]*\0)?\s*\(?(?:SELECT|SHOW|SET|BEGIN)\b(?!.*\bsetval\b)", re.I | re.S)
"""Statements that change nothing which outlives their session; what names them for later stands before some."""

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    [
        "pytest",
        "layersite.data.bring",
        "layersite.database.clone.postgresql",
        "layersite.database.mariadb.clone",
        "layersite.database.mariadb.engine",
        "tests.database.building",
    ]
)


def every(step: int) -> list[ParameterSet]:
    """Return the steps from one moment to the next at which a test shall die: `step`, and each under `stress`."""
    return [pytest.param(step, id=f"every {step}"), pytest.param(1, id="each", marks=pytest.mark.stress)]


class Fate:
    """Counts moments; its victim, or that and all that it has started if it `takes_all`, dies at the `last` of them.

    That may also be the statement that holds a word.
    """

    def __init__(self, last: int | bytes, *, takes_all: bool = False) -> None:
        self.moments = 0
        self.victim = 0
        self._last = last
        self._takes_all = takes_all
        self._lock = Lock()

    def is_due(self, statement: bytes = b"", *, counts: bool = True) -> bool:
        """Count a moment, unless `statement` is none that `counts`; return whether it is the last."""
        with self._lock:
            self.moments += counts
            if isinstance(self._last, bytes):
                return self._last in statement
            return counts and self._last == self.moments

    def strike(self) -> None:
        """Kill the victim."""
        for pid in _family(self.victim) if self._takes_all else [self.victim]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Tap:
    """Has a moment of `fate` at each statement that changes something, on any connection, and right after it."""

    def __init__(self, server_port: int, fate: Fate) -> None:
        self._fate = fate
        self._server_port = server_port
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]

    def open(self) -> None:
        """Let in who has come and who comes, until the door is closed."""
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
                    is_statement = bool(kind) and kind in _STATEMENTS
                    changed = self._pass_on(server, kind + head + body, body if is_statement else None, changed)
                    kind = stream.read(1)
            _hang_up(server)

    def _pass_on(self, server: socket.socket, message: bytes, statement: bytes | None, changed: bool) -> bool:
        """Send a message, and do what is due; return whether the last statement changes something, as one `changed`."""
        if statement is None:
            server.sendall(message)
            return changed
        changes = _READS.match(statement) is None
        is_due = self._fate.is_due(statement, counts=changes or changed)
        server.sendall(message)
        if is_due:
            self._fate.strike()
        return changes


class MariaDBTap(Tap):
    """The same for MariaDB, whose packets have their length, three bytes, and their number in an exchange first."""

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        changed = False
        with client, server, client.makefile("rb") as stream:
            with suppress(OSError):
                while head := stream.read(4):
                    body = stream.read(int.from_bytes(head[:3], "little"))
                    is_statement = head[3] == 0 and body[:1] == b"\x03"
                    changed = self._pass_on(server, head + body, body if is_statement else None, changed)
            _hang_up(server)


def run_until(
    last: int | bytes,
    work: Callable[..., object],
    uri: str,
    *arguments: object,
    kind: type[Tap] = Tap,
    meet: Callable[[Fate], None] = lambda fate: None,
    victim: int = 0,
    takes_all: bool = False,
) -> tuple[int | None, int]:
    """Run `work(uri, *arguments)` in a process of its own; it, or the `victim`, dies at the moment `last` (0: at none).

    Returns its exit code, and how many moments there were: for the server at `uri`, and for whom `meet` tells the fate.
    """
    port = urlsplit(uri).port
    assert port is not None
    fate = Fate(last, takes_all=takes_all)
    tap = kind(port, fate)
    process = _PROCESSES.Process(target=work, args=(uri.replace(f":{port}/", f":{tap.port}/"), *arguments))
    process.start()
    try:
        fate.victim = victim or process.pid or 0
        meet(fate)
        tap.open()
        process.join(300)
        return process.exitcode, fate.moments
    finally:
        process.kill()
        meet(Fate(0))
        tap.close()


_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.link", "os.symlink", "subprocess.Popen")


def write_until(last: int, work: Callable[..., object], *arguments: object) -> tuple[int | None, int]:
    """Run `work(*arguments)` in a process that dies when it is to change a file or run a program for the `last` time.

    Returns its exit code, and how often it was to do so.
    """
    moments = _PROCESSES.Value("i", 0)
    process = _PROCESSES.Process(target=_watch, args=(moments, last, work, *arguments))
    process.start()
    process.join(300)
    process.kill()
    return process.exitcode, moments.value


def _watch(moments: "Synchronized[int]", last: int, work: Callable[..., object], *arguments: object) -> None:
    numbers = count(1)

    def hear(event: str, details: tuple[object, ...]) -> None:
        is_written = event == "open" and isinstance(details[2], int) and details[2] & (os.O_WRONLY | os.O_RDWR)
        if event in _CHANGES or is_written:
            moments.value = next(numbers)
            if moments.value == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)
    work(*arguments)


def _family(pid: int) -> list[int]:
    """Return a process and those that it has started, and they, whichever session they are in."""
    children: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it has just ended
            children += map(int, path.read_text().split())
    return [pid, *(each for child in children for each in _family(child))]


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    _hang_up(target)


def _hang_up(connection: socket.socket) -> None:
    """End a connection at once, though another thread still reads from it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
