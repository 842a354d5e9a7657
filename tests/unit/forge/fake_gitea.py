"""A small Gitea on 127.0.0.1: real HTTP, payloads of the published shape, and every way to answer falsely."""

import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

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


def user(number: int = MONA) -> Payload:
    login = {BOT: "layersite-bot", MONA: "mona"}[number]
    return {"id": number, "login": login, "full_name": "", "email": f"{login}@example.com"}


def sha(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()[:40]


@dataclass
class FakeGitea:
    """Its state is plain data that a test arranges, and looks at afterwards."""

    page_size: int = 50
    pulls: dict[str, list[Payload]] = field(default_factory=lambda: {"acme/shop": []})
    files: dict[tuple[str, int], list[Payload]] = field(default_factory=dict)
    comments: list[Payload] = field(default_factory=list)
    reactions: dict[int, list[Payload]] = field(default_factory=dict)
    rights: dict[str, str] | None = field(default_factory=dict)
    """Of other people, by login; None where the token's user may not know."""
    statuses: list[Payload] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)
    counted: int | None = None
    listed: list[Payload] | None = None
    """What the listing shows instead of what is there."""
    is_writable: bool = True
    instead: dict[str, Answer] = field(default_factory=dict)
    after_page: Callable[[int], None] = lambda page: None
    writes: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    is_heard: Callable[[str], bool] = lambda what: True
    """Asked before each write is done and before it is answered; if not, the connection ends there."""

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def open(self, number: int, repository: str = "acme/shop", **given: Any) -> Payload:
        payload = pull_request(number, html_url=f"{self.url}/{repository}/pulls/{number}", **given)
        self.pulls.setdefault(repository, []).append(payload)
        self.files[repository, number] = [changed("README.md")]
        return payload

    def close(self, number: int) -> None:
        for pull in self.pulls["acme/shop"]:
            if pull["number"] == number:
                pull["state"] = "closed"

    def say(self, number: int, body: str, author: int = BOT) -> None:
        key = 1 + max((each["id"] for each in self.comments), default=0)
        path = f"{self.url}/acme/shop/pulls/{number}"
        self.comments.append({"id": key, "body": body, "user": user(author), "pull_request_url": path})
        for pull in self.pulls["acme/shop"]:
            pull["comments"] += pull["number"] == number

    def repository(self, slug: str) -> Payload:
        count = sum(pull["state"] == "open" for pull in self.pulls[slug])
        return {
            "id": 1,
            "name": slug.partition("/")[2],
            "full_name": slug,
            "default_branch": "main",
            "has_pull_requests": True,
            "permissions": {"admin": False, "push": self.is_writable, "pull": True},
            "open_pr_counter": count if self.counted is None else self.counted,
        }

    def permission(self, login: str) -> Payload:
        right = (self.rights or {})[login]
        return {"permission": right, "role_name": right, "user": user()}

    def ref(self, kind: str, name: str) -> Payload:
        commit = self.refs[name]
        return {"name": name, "commit": {"id": commit} if kind == "branches" else {"sha": commit}}


def pull_request(number: int, **given: Any) -> Payload:
    """Return an open pull request; `branch` and `head_repo` are short for what lies deeper."""
    branch = given.pop("branch", f"branch-{number}")
    head = {"label": branch, "ref": branch, "sha": sha(branch), "repo_id": given.pop("head_repo", 1)}
    return {
        "id": 1000 + number,
        "number": number,
        "state": "open",
        "title": f"Change {number}",
        "body": "",
        "user": user(),
        "labels": [],
        "draft": False,
        "comments": 0,
        "html_url": f"https://git.example.com/acme/shop/pulls/{number}",
        "updated_at": "2026-11-24T04:00:00Z",
        "merge_base": sha("base"),
        "base": {"label": "main", "ref": "main", "sha": sha("main"), "repo_id": 1},
        "head": {**head, **given.pop("head", {})},
        **given,
    }


def changed(filename: str, **more: Any) -> Payload:
    return {"filename": filename, "status": "changed", "additions": 1, "deletions": 0, "changes": 1, **more}


def _handler(gitea: FakeGitea) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

        def do_GET(self) -> None:
            gitea.tokens.append(self.headers["Authorization"])
            address = urlsplit(self.path)
            self.query = {key: values[0] for key, values in parse_qs(address.query).items()}
            path = unquote(address.path).removeprefix("/api/v1")
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "{}")
            instead = gitea.instead.get(path) or gitea.instead.get("*")
            if instead:
                self._send(instead)
            elif self.headers["Authorization"] != f"token {TOKEN}":
                self._answer({"message": "token is required"}, status=401)
            else:
                self._route(path, body)

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 # http.server's names

        def _route(self, path: str, body: Payload) -> None:
            if self.command != "GET":
                gitea.writes.append(f"{self.command} {path}")
                if not self._goes_on("before"):
                    return
            for pattern, action in routes:
                if found := re.fullmatch(pattern, path):
                    try:
                        action(self, body, *found.groups())
                    except KeyError:
                        self._answer({"message": "not found"}, status=404)
                    return
            self._answer({"message": "not found"}, status=404)

        def _goes_on(self, when: str) -> bool:
            self.close_connection = not gitea.is_heard(f"{when} {self.command} {self.path}")
            return not self.close_connection

        def me(self, body: Payload) -> None:
            self._answer(user(BOT))

        def repository(self, body: Payload, slug: str) -> None:
            self._answer(gitea.repository(slug))

        def pulls(self, body: Payload, slug: str) -> None:
            state = self.query.get("state", "open")
            shown = gitea.pulls[slug] if gitea.listed is None else gitea.listed
            page = self._page([pull for pull in shown if pull["state"] == state])
            gitea.after_page(int(self.query.get("page", 1)))
            self._send(page)

        def pull(self, body: Payload, slug: str, number: str) -> None:
            self._answer({pull["number"]: pull for pull in gitea.pulls[slug]}[int(number)])

        def files(self, body: Payload, slug: str, number: str) -> None:
            self._send(self._page(gitea.files[slug, int(number)]))

        def comments(self, body: Payload, slug: str, number: str) -> None:
            if self.command == "POST":
                gitea.say(int(number), body["body"])
                self._answer(gitea.comments[-1], status=201)
                return
            wanted = f"/{slug}/pulls/{number}"
            found = [each for each in gitea.comments if each["pull_request_url"].endswith(wanted)]
            self._answer(found, {"X-Total-Count": str(len(found))})

        def one_comment(self, body: Payload, slug: str, number: str) -> None:
            found = {each["id"]: each for each in gitea.comments}[int(number)]
            if self.command == "DELETE":
                gitea.comments.remove(found)
            found.update(body)
            self._answer(found)

        def reactions(self, body: Payload, slug: str, number: str) -> None:
            given = gitea.reactions.setdefault(int(number), [])
            if self.command == "POST":
                given.append({"user": user(BOT), "content": body["content"], "created_at": "2026-11-24T04:00:00Z"})
            self._answer(given or None)

        def permission(self, body: Payload, slug: str, login: str) -> None:
            if gitea.rights is None:
                self._answer({"message": "only admins can query all permissions"}, status=403)
                return
            self._answer(gitea.permission(login))

        def statuses(self, body: Payload, slug: str, commit: str) -> None:
            if self.command == "POST":
                status = {"status": body.pop("state"), **body}
                gitea.statuses.append({"id": len(gitea.statuses) + 1, "url": f"{gitea.url}/{commit}", **status})
            self._send(self._page([each for each in gitea.statuses if each["url"].endswith(commit)]))

        def ref(self, body: Payload, slug: str, kind: str, name: str) -> None:
            self._answer(gitea.ref(kind, name))

        def _page(self, items: list[Payload]) -> Answer:
            page, size = int(self.query.get("page", 1)), min(int(self.query.get("limit", 30)), gitea.page_size)
            headers = {"X-Total-Count": str(len(items))}
            if page * size < len(items):
                headers["Link"] = f'<{gitea.url}{self.path}>; rel="next"'
            return Answer(body=json.dumps(items[(page - 1) * size : page * size]).encode(), headers=headers)

        def _answer(self, payload: object, headers: dict[str, str] | None = None, status: int = 200) -> None:
            self._send(Answer(status, json.dumps(payload).encode(), headers or {}))

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

    slug = r"/repos/([^/]+/[^/]+)"
    routes = (
        ("/user", Handler.me),
        (slug, Handler.repository),
        (rf"{slug}/pulls", Handler.pulls),
        (rf"{slug}/pulls/(\d+)", Handler.pull),
        (rf"{slug}/pulls/(\d+)/files", Handler.files),
        (rf"{slug}/issues/(\d+)/comments", Handler.comments),
        (rf"{slug}/issues/comments/(\d+)", Handler.one_comment),
        (rf"{slug}/issues/comments/(\d+)/reactions", Handler.reactions),
        (rf"{slug}/collaborators/([^/]+)/permission", Handler.permission),
        (rf"{slug}/statuses/(\w+)", Handler.statuses),
        (rf"{slug}/(branches|tags)/(.+)", Handler.ref),
    )
    return Handler
