"""An HTTP server that answers as it is told, for what a real Argo CD does not do on demand."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from layersite.argocd import ArgoCD

__all__ = ["Answer", "Stub"]

TOKEN = "t0ken-nobody-may-see"
SECRET = "webhook-secret"


@dataclass(frozen=True)
class Answer:
    """One answer; a `body` that is a list goes line by line, and then the connection ends."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang: float = 0


@dataclass
class Request:
    """What was asked."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class Stub:
    """The server; each path has its answers, of which the last one stays."""

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, path: str, *answers: Answer) -> None:
        self.answers[path] = list(answers)

    def take(self, request: Request) -> Answer:
        with self.lock:
            self.requests.append(request)
            left = self.answers.get(request.path, [Answer({"error": "no such route"}, 404)])
            return left.pop(0) if len(left) > 1 else left[0]


def _handler(stub: Stub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def _answer(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = stub.take(Request(self.command, url.path, parse_qs(url.query), headers, body))
            time.sleep(answer.hang)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            lines = answer.body if isinstance(answer.body, list) else [answer.body]
            texts = [line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines]
            if not isinstance(answer.body, list):
                self.send_header("Content-Length", str(len(b"".join(texts))))
            self.end_headers()
            for text in texts:
                self.wfile.write(text)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - http.server's names

    return Handler


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def make_client() -> Iterator[Callable[..., ArgoCD]]:
    made: list[ArgoCD] = []

    def make(url: str, **options: Any) -> ArgoCD:
        options = {"project": "shop", "webhook_secret": SECRET, "timeout": 2, **options}
        made.append(ArgoCD(url, TOKEN, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(stub: Stub, make_client: Callable[..., ArgoCD]) -> ArgoCD:
    return make_client(stub.url, applicationset_url=f"{stub.url}/sets")
