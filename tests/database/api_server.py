"""The API server of a cluster in memory, over HTTP, for playbooks that run in a process of their own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from layersite.cluster.api import Json
from tests.database.tap import Fate
from tests.unit.cluster.fake import FakeCluster

__all__ = ["FatedCluster", "serving"]

_KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
contexts: [{{name: here, context: {{cluster: here, user: nobody}}}}]
users: [{{name: nobody, user: {{}}}}]
"""


class FatedCluster(FakeCluster):
    """One whose users may die when a change arrives, and once it is made, before they hear of it.

    Whoever asks for `/moment` adds another one.
    """

    fate = Fate(0)

    def meet(self, fate: Fate) -> None:
        """Let requests be moments of `fate` from now on."""
        self.fate = fate

    def get(self, path: str) -> Json | None:
        if path == "/moment":
            self._be_a_moment()
        return super().get(path)

    def create(self, path: str, item: Json) -> None:
        with self._moments():
            super().create(path, item)

    def replace(self, path: str, item: Json) -> None:
        with self._moments():
            super().replace(path, item)

    def delete(self, path: str, item: Json) -> None:
        with self._moments():
            super().delete(path, item)

    @contextmanager
    def _moments(self) -> Iterator[None]:
        self._be_a_moment()
        yield
        self._be_a_moment()

    def _be_a_moment(self) -> None:
        if self.fate.is_due():
            self.fate.strike()
            raise ConnectionAbortedError


@contextmanager
def serving(cluster: FakeCluster, kubeconfig: Path) -> Iterator[None]:
    """Serve the objects of `cluster`, and write how to reach it to `kubeconfig`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"cluster": cluster}))
    kubeconfig.write_text(_KUBECONFIG.format(port=server.server_port), encoding="utf-8")
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    cluster: FakeCluster

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.endswith(("/persistentvolumes", "/pods")):
            self._answer(200, {"items": self.cluster.items(path), "metadata": {}})
            return
        found = self.cluster.get(path)
        self._answer(200 if found else 404, found or {"message": "not found"})

    def do_POST(self) -> None:
        self.cluster.create(self.path, self._body())
        self._answer(201, {})

    def do_PUT(self) -> None:
        self.cluster.replace(self.path, self._body())
        self._answer(200, {})

    def do_DELETE(self) -> None:
        self.cluster.delete(self.path, self.cluster.objects[self.path])
        self._answer(200, {})

    def handle(self) -> None:
        with suppress(ConnectionError):  # of who was killed
            super().handle()

    def log_message(self, *_: object) -> None:
        pass

    def _body(self) -> dict[str, object]:
        body: dict[str, object] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return body

    def _answer(self, status: int, data: object) -> None:
        text = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
