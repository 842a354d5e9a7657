"""The API server of a cluster in memory, over HTTP, for playbooks that run in a process of their own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.unit.cluster.fake import FakeCluster

__all__ = ["serving"]

_KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
contexts: [{{name: here, context: {{cluster: here, user: nobody}}}}]
users: [{{name: nobody, user: {{}}}}]
"""


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
