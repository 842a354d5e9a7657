"""A tap between a program and its database server that kills the program once it has sent so many statements."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread

__all__ = ["MariaDBTap", "Tap", "tapped"]

_STATEMENTS = b"QP"
"""The messages that begin a statement: a simple query, and the parse step of an extended one."""


class Tap:
    """Counts the statements of all connections together, and kills `victim` when it has passed on number `last`."""

    def __init__(self, server_port: int) -> None:
        self.statements = 0
        self.last = 0
        self.victim = 0
        self._server_port = server_port
        self._lock = Lock()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]

    def listen(self) -> None:
        """Serve connections until the door is closed."""
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server_port))
            Thread(target=self._forward, args=(client, server), daemon=True).start()
            Thread(target=_pour, args=(server, client), daemon=True).start()

    def close(self) -> None:
        """Let nobody in any more."""
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        """Pass whole messages on; the first has no type."""
        kind = b""
        with client, server, client.makefile("rb") as stream:
            with suppress(OSError):
                while head := stream.read(4):
                    server.sendall(kind + head + stream.read(int.from_bytes(head, "big") - 4))
                    self._count(kind)
                    kind = stream.read(1)
            _hang_up(server)

    def _count(self, kind: bytes) -> None:
        if kind and kind in _STATEMENTS:
            with self._lock:
                self.statements += 1
                if self.statements == self.last:
                    os.kill(self.victim, signal.SIGKILL)


class MariaDBTap(Tap):
    """The same for MariaDB, whose packets have their length, three bytes, and their number in an exchange first."""

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, client.makefile("rb") as stream:
            with suppress(OSError):
                while head := stream.read(4):
                    body = stream.read(int.from_bytes(head[:3], "little"))
                    server.sendall(head + body)
                    self._count(b"Q" if head[3] == 0 and body[:1] == b"\x03" else b"")
            _hang_up(server)


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    _hang_up(target)


def _hang_up(connection: socket.socket) -> None:
    """End a connection at once, though another thread still reads from it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def tapped(server_port: int, kind: type[Tap] = Tap) -> Iterator[Tap]:
    """Give a tap in front of the server."""
    tap = kind(server_port)
    thread = Thread(target=tap.listen)
    thread.start()
    try:
        yield tap
    finally:
        tap.close()
        thread.join()
