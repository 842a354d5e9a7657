"""What small forges on 127.0.0.1 share: real HTTP, pages, and every way to answer falsely."""

import contextlib
import hashlib
import json
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

TOKEN = "t0p-secret-token"
BOT = 7
MONA = 8
Payload = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What is sent; `cut` promises more bytes than come, `drip` waits between single bytes."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0
    cut: bool = False
    drip: float = 0


def sha(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()[:40]


@dataclass
class FakeForge(ABC):
    """What a test arranges, and looks at afterwards."""

    API: ClassVar[str]
    """A pattern of what all paths begin with."""
    SIGNED: ClassVar[tuple[str, str]]
    """The header that signs in, and what it must hold."""
    PAGES: ClassVar[tuple[str, str | None]]
    """The parameter for the size of a page, and the header that tells how many items there are, if one does."""
    LIST: ClassVar[str] = "/repos/acme/shop/pulls"
    FILES: ClassVar[str] = "/repos/acme/shop/pulls/1/files"
    COMMENTS: ClassVar[str] = "/repos/acme/shop/issues/1/comments"
    COMMENT: ClassVar[str] = "/repos/acme/shop/issues/comments/1"
    """Where the changes of a repository are, the files and comments of its first, and the first comment."""
    PAGE: ClassVar[str] = "pulls"
    """Where below its repository people see a change."""
    THUMBS: ClassVar[tuple[str, str, str]] = ("content", "+1", "-1")
    """The key that holds a reaction, and what up and down are called."""

    below: str = ""
    """Where on its host it is."""
    page_size: int = 50
    instead: dict[str, Answer] = field(default_factory=dict)
    after_page: Callable[[int], None] = lambda page: None
    writes: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    is_heard: Callable[[str], bool] = lambda what: True
    """Asked before each write is done and before it is answered; if not, the connection ends there."""

    def __post_init__(self) -> None:
        handler = type("Handler", (Request,), {"forge": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @abstractmethod
    def routes(self) -> Mapping[str, Callable[..., Answer]]:
        """Return what answers a path that matches, given the request and the pattern's groups."""


def answer(payload: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(payload).encode())


class Request(BaseHTTPRequestHandler):
    """One request, with what it asks for taken apart."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    forge: FakeForge

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(address.query).items()}
        self.sent = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "{}")
        path = re.sub(f"^{self.forge.below}{self.forge.API}", "", address.path)
        name, token = self.forge.SIGNED
        self.forge.tokens.append(self.headers[name])
        if instead := self.forge.instead.get(path) or self.forge.instead.get("*"):
            self._send(instead)
        elif self.headers[name] != token:
            self._send(answer({"message": "401 Unauthorized"}, 401))
        else:
            self._route(path)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 # http.server's names

    def _route(self, path: str) -> None:
        if self.command != "GET" and path != "/graphql":
            self.forge.writes.append(f"{self.command} {path}")
            if not self._goes_on("before"):
                return
        for pattern, action in self.forge.routes().items():
            if found := re.fullmatch(pattern, path):
                with contextlib.suppress(KeyError):
                    self._send(action(self, *found.groups()))
                    return
        self._send(answer({"message": "404 Not found"}, 404))

    def _goes_on(self, when: str) -> bool:
        self.close_connection = not self.forge.is_heard(f"{when} {self.command} {self.path}")
        return not self.close_connection

    def page(self, items: list[Payload]) -> Answer:
        parameter, total = self.forge.PAGES
        page, size = int(self.query.get("page", 1)), min(int(self.query.get(parameter, 20)), self.forge.page_size)
        headers = {total: str(len(items))} if total else {}
        if page * size < len(items):
            headers["Link"] = f'<{self.forge.url}{self.path}>; rel="next"'
        return Answer(body=json.dumps(items[(page - 1) * size : page * size]).encode(), headers=headers)

    def _send(self, answer: Answer) -> None:
        time.sleep(answer.wait)
        if self.command != "GET" and not self._goes_on("after"):
            return
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) * (2 if answer.cut else 1)))
        self.end_headers()
        self.close_connection = answer.cut
        with contextlib.suppress(ConnectionError):  # who asked has given up
            for piece in map(bytes, zip(answer.body)) if answer.drip else (answer.body,):
                self.wfile.write(piece)
                time.sleep(answer.drip)
