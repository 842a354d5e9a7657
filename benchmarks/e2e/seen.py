"""When each thing was first seen in the cluster and the environments repository, by watches that load neither."""

import json
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import inf
from pathlib import Path
from threading import Event, Thread
from typing import Any

from layersite.process import git
from tests.testbed import Bed, binary

__all__ = ["Seen", "committing", "listening", "watching"]

_PATIENCE, _PAUSE, _BLINK = 180, 0.05, 0.005
Json = Any  # what the cluster and the forge send; single fields of it are read


class Seen:
    """The moment (monotonic seconds) at which each `what` of each name came about for the first time."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], float] = {}

    def mark(self, what: str, name: str, moment: float | None = None) -> None:
        """Remember this moment, or the one given, unless it was so before."""
        self._first.setdefault((what, name), moment or time.monotonic())

    def wait(self, what: str, names: Collection[str]) -> dict[str, float]:
        """Return when `what` came about for each of `names`: infinity for one that is not there after three minutes."""
        until = time.monotonic() + _PATIENCE
        while any((what, name) not in self._first for name in names) and time.monotonic() < until:
            time.sleep(_PAUSE)
        return {name: self._first.get((what, name), inf) for name in names}


@contextmanager
def committing(seen: Seen, repository: Path, prefix: str) -> Iterator[None]:
    """Mark what is done to an environment, such as `A environment.yaml`, the moment `main` of the repository moves.

    The forge's own webhook comes seconds later. The names of the environments' applications begin with `prefix`.
    """
    head, ended = repository / "refs" / "heads" / "main", Event()

    def read(last: str) -> None:
        while not ended.wait(_BLINK):
            found = head.read_text(encoding="ascii").strip()
            if found and found != last:
                moment = time.monotonic()
                changed = git(
                    "diff", "--name-status", "--no-renames", last, found, "--", "environments", cwd=repository
                )
                for verb, parts in ((line[0], line[2:].split("/")) for line in changed.splitlines()):
                    if len(parts) == 4:
                        seen.mark(f"{verb} {parts[3]}", f"{prefix}{parts[2]}", moment)
                last = found

    thread = Thread(target=read, args=(head.read_text(encoding="ascii").strip(),), name="commits", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


def _application(seen: Seen, name: str, item: Json) -> None:
    status = item.get("status", {})
    seen.mark("Application", name)
    if status.get("sync", {}).get("status") == "Synced" and status.get("health", {}).get("status") == "Healthy":
        seen.mark("Healthy", name)
        for image in status.get("summary", {}).get("images", ()):
            seen.mark("Healthy", f"{name} {image.rpartition('@')[2]}")


def _pod(seen: Seen, name: str, item: Json) -> None:
    conditions = item.get("status", {}).get("conditions", [])
    if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
        seen.mark("pod ready", item["metadata"]["namespace"])


_KINDS: Mapping[str, tuple[str, Callable[[Seen, str, Json], None]]] = {
    "Application": ("/apis/argoproj.io/v1alpha1/namespaces/argocd/applications", _application),
    "namespace": ("/api/v1/namespaces", lambda seen, name, item: None),
    "pod": ("/api/v1/pods", _pod),
}


@contextmanager
def watching(bed: Bed, seen: Seen) -> Iterator[None]:
    """Mark what becomes of every application, namespace and pod, as the API server tells of them."""
    with ExitStack() as stack:
        for kind in _KINDS:
            stack.enter_context(_watch(bed, seen, kind))
        yield


@contextmanager
def _watch(bed: Bed, seen: Seen, kind: str) -> Iterator[None]:
    path, mark = _KINDS[kind]
    # The answer as the server sends it, one event a line, which costs a third of `kubectl get --watch -o json`.
    argv = [str(binary("kubectl")), f"--kubeconfig={bed.kubeconfig}", "get", "--raw"]
    argv.append(f"{path}?watch=true&timeoutSeconds=36000")

    def read(lines: Iterator[bytes]) -> None:
        for told in map(json.loads, lines):
            name = told["object"]["metadata"]["name"]
            if told["type"] == "DELETED":
                seen.mark(f"{kind} gone", name)
            else:
                mark(seen, name, told["object"])

    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        thread = Thread(target=read, args=(iter(process.stdout),), name=kind, daemon=True)
        thread.start()
        try:
            yield
        finally:
            process.terminate()
            thread.join(10)


@contextmanager
def listening(answer: Callable[[str, bytes], bytes]) -> Iterator[str]:
    """Serve HTTP on this machine with what `answer` makes of path and body; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = answer(self.path, self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  the name that http.server looks for

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
