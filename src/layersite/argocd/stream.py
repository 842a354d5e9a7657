"""One open stream of what happens to applications, which another thread may stop."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

import httpx

from layersite.argocd._http import Http, PassingError
from layersite.argocd.received import Application, Received
from layersite.model.errors import ArgoCDError

__all__ = ["Change", "Stream"]

_NOT_ALLOWED, _NOT_LOGGED_IN = 7, 16
"""In gRPC's words, as an answer that has begun with 200 cannot take that back."""


class Change(Received):
    """What happened to an application; everyone is ADDED when a stream begins."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    application: Application


class _Fault(Received):
    grpc_code: int = 0


class _Line(Received):
    result: Change | None = None
    error: _Fault | None = None


class Stream:
    """The answer `response`, line by line."""

    def __init__(self, http: Http, response: httpx.Response, what: str) -> None:
        self._http, self._response, self._what = http, response, what

    def __iter__(self) -> Iterator[Change]:
        left = b""
        with suppress(httpx.ReadTimeout):  # nothing happened for long: whoever reads may want to begin anew
            for chunk in self._response.iter_bytes():
                *lines, left = (left + chunk).split(b"\n")  # half a line, where the connection broke, is no line
                for line in lines:
                    if line.strip() and (change := self._parse(line)):
                        yield change

    def stop(self) -> None:
        """End it, though another thread waits for the next line."""
        connection = self._response.extensions["network_stream"].get_extra_info("socket")
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def _parse(self, text: bytes) -> Change | None:
        line = self._http.parse(text, _Line, self._what)
        if line.error:
            kind = ArgoCDError if line.error.grpc_code in (_NOT_ALLOWED, _NOT_LOGGED_IN) else PassingError
            raise kind(f"{self._what}: {self._http.url} ended it with code {line.error.grpc_code}; see its log")
        return line.result
