"""A run of the bot that is watched while something happens to it, and a proxy that answers in the forge's place."""

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from tests.e2e.team import Team, wait_for

__all__ = ["Answer", "Proxy", "Run", "running", "slim"]

_PASSED_ON = ("Content-Type", "X-Total-Count", "Link")


def slim(team: Team, *apps: str) -> None:
    """Make each of `apps` a ConfigMap alone, which needs no image, no time and nothing else."""
    for name in apps:
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"app": name}}
        (team.site / "apps" / name / "base" / "all.yaml").write_text(json.dumps(config))
        (team.site / "apps" / name / "app.yaml").write_text(
            json.dumps({"repository": name, "base": {"directory": "base"}})
        )


@dataclass
class Run:
    """One run of the bot in the background."""

    process: subprocess.Popen[bytes]
    log: Path

    def says(self, text: str) -> None:
        """Wait until it says `text`."""
        wait_for(f"the words {text!r}", lambda: text in self.log.read_text() or self.process.poll() is not None)
        assert text in self.log.read_text(), self.log.read_text()

    def ends(self) -> tuple[int, str]:
        """Wait for its end and return its exit code and what it said."""
        return self.process.wait(300), self.log.read_text()


@contextlib.contextmanager
def running(team: Team, *arguments: str) -> Iterator[Run]:
    """Start a command of the bot; it is killed if it has not ended."""
    argv = [str(Path(sys.executable).with_name("layersite")), "--site", str(team.site), *arguments]
    log = team.site.parent / "run.log"
    with log.open("wb") as file:
        process = subprocess.Popen(argv, env={**os.environ, **team.environment}, stdout=file, stderr=file)
    try:
        yield Run(process, log)
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Answer:
    """What is sent in place of the forge's own answer; `cut` breaks it off half-way, `hang` is in seconds."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    hang: float = 0


class Proxy:
    """Passes everything on to the forge at `target` but what it is told to answer itself."""

    def __init__(self, target: str) -> None:
        self.client = httpx.Client(base_url=target, trust_env=False, timeout=60)
        self.instead: dict[str, Answer] = {}
        self.page = 0
        self.let_go = threading.Event()
        self._open(0)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def _open(self, port: int) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Refuse connections."""
        self.close()
        try:
            yield
        finally:
            self._open(self.port)

    @contextlib.contextmanager
    def answering(self, answers: dict[str, Answer]) -> Iterator[None]:
        """Answer each request whose path matches a pattern in `answers` with what stands there."""
        self.let_go.clear()
        self.instead = answers
        try:
            yield
        finally:
            self.instead = {}
            self.let_go.set()


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = urlsplit(self.path).path.removeprefix("/api/v1")
            found = [answer for pattern, answer in proxy.instead.items() if re.fullmatch(pattern, path)]
            self._send(found[0] if found else self._ask(body))

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server's names

        def _ask(self, body: bytes) -> Answer:
            address = urlsplit(self.path)
            query = dict(parse_qsl(address.query))
            if proxy.page and "limit" in query:
                query["limit"] = str(min(proxy.page, int(query["limit"])))
            headers = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
            target = f"{address.path}?{urlencode(query)}"
            got = proxy.client.request(self.command, target, headers=headers, content=body)
            kept = {name: got.headers[name] for name in _PASSED_ON if name in got.headers}
            return Answer(got.status_code, got.content, kept)

        def _send(self, answer: Answer) -> None:
            if answer.hang:
                proxy.let_go.wait(answer.hang)
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.close_connection = answer.cut
            with contextlib.suppress(ConnectionError):  # who asked has given up
                self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)

    return Handler
