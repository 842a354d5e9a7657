"""A small image registry on 127.0.0.1: real HTTP, answers of the specified shape, and every way to answer falsely."""

import base64
import contextlib
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD, IDENTITY = "bot", "s3cret-pässword", "identity-t0ken"
INDEX = "application/vnd.oci.image.index.v1+json"
UNKNOWN = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}'
PAGE = b"<!doctype html><title>Welcome</title>"


@dataclass(frozen=True)
class Answer:
    """What is sent; `cut` promises more bytes than come, `drip` waits before each byte."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    drip: float = 0


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    authorization: str | None


def digest_of(manifest: bytes) -> str:
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def html(status: int) -> Answer:
    return Answer(status, PAGE, {"Content-Type": "text/html; charset=utf-8"})


@dataclass
class FakeRegistry:
    """Its state is plain data that a test arranges, and looks at afterwards."""

    manifests: dict[str, bytes] = field(default_factory=dict)
    asks_for: Literal["nothing", "basic", "bearer"] = "nothing"
    realm: str = ""
    is_public: bool = False
    names_digest: bool = True
    signs: bool = True
    moved_to: str = ""
    instead: dict[str, Answer] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"registry": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.port = self._server.server_port
        self.host = f"127.0.0.1:{self.port}"
        self.realm = f"http://{self.host}/token"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def push(self, name_and_tag: str) -> str:
        """Keep a manifest of its own for `name:tag`; return its digest."""
        manifest = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "of": name_and_tag}).encode()
        self.manifests[name_and_tag] = manifest
        return digest_of(manifest)

    def expected(self, name: str) -> str:
        """Return the authorization with which the repository `name` may be pulled from."""
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return basic if self.asks_for == "basic" else f"Bearer token-for-repository:{name}:pull"

    def challenge(self, name: str) -> str:
        if self.asks_for == "basic":
            return 'Basic realm="registry, with a comma"'
        scope = f',scope="repository:{name}:pull"' if name else ""
        return f'Bearer realm="{self.realm}",service="fake"{scope}'

    def is_known(self, authorization: str | None, form: dict[str, list[str]]) -> bool:
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return self.is_public or authorization == basic or form.get("refresh_token") == [IDENTITY]


class Handler(BaseHTTPRequestHandler):
    """One request to `registry`."""

    registry: FakeRegistry
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"] or 0)).decode())
        asked = Request(self.command, address.path, self.headers["Authorization"])
        self.registry.requests.append(asked)
        instead = self.registry.instead
        if found := instead.get(f"{asked.method} {asked.path}") or instead.get(asked.path) or instead.get("*"):
            self._send(found)
        elif asked.path == "/token":
            self._send(self._token(parse_qs(address.query) | form, self.registry.is_known(asked.authorization, form)))
        else:
            self._send(self._pull(asked))

    do_HEAD = do_POST = do_GET  # noqa: N815 # http.server's names

    def _token(self, asked: dict[str, list[str]], is_known: bool) -> Answer:
        if not is_known:
            return Answer(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}')
        return Answer(body=json.dumps({"token": f"token-for-{asked['scope'][0]}", "expires_in": 300}).encode())

    def _pull(self, asked: Request) -> Answer:
        sign = {"Docker-Distribution-Api-Version": "registry/2.0"} if self.registry.signs else {}
        name, _, tag = asked.path.removeprefix("/v2/").partition("/manifests/")
        if self.registry.asks_for != "nothing" and asked.authorization != self.registry.expected(name):
            return Answer(401, b"{}", {"WWW-Authenticate": self.registry.challenge(name), **sign})
        if self.registry.moved_to:
            return Answer(307, headers={"Location": self.registry.moved_to + asked.path})
        if not name:
            return Answer(200, b"{}", {"Content-Type": "application/json"})
        manifest = self.registry.manifests.get(f"{name}:{tag}")
        if manifest is None or INDEX not in self.headers["Accept"]:
            return Answer(404, UNKNOWN, {"Content-Type": "application/json", **sign})
        named = {"Docker-Content-Digest": digest_of(manifest)} if self.registry.names_digest else {}
        return Answer(200, manifest, {"Content-Type": INDEX, **sign, **named})

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) + (100 if answer.cut else 0)))
        self.end_headers()
        if self.command != "HEAD":
            self._write(answer)
        self.close_connection = answer.cut

    def _write(self, answer: Answer) -> None:
        step = 1 if answer.drip else len(answer.body) or 1
        for start in range(0, len(answer.body), step):
            time.sleep(answer.drip)
            self.wfile.write(answer.body[start : start + step])
