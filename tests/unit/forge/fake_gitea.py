"""A small Gitea on 127.0.0.1: real HTTP, payloads of the published shape, and every way to answer falsely."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import unquote

from tests.unit.forge.fake_forge import BOT, MONA, TOKEN, Answer, FakeForge, Payload, Request, answer, sha

__all__ = ["BOT", "MONA", "TOKEN", "Answer", "FakeGitea", "Payload", "pull_request", "sha", "user"]


def user(number: int = MONA) -> Payload:
    login = {BOT: "layersite-bot", MONA: "mona"}[number]
    return {"id": number, "login": login, "email": f"{login}@example.com"}


@dataclass
class FakeGitea(FakeForge):
    """Its state is plain data that a test arranges, and looks at afterwards."""

    API: ClassVar = "/api/v1"
    SIGNED: ClassVar = ("Authorization", f"token {TOKEN}")
    PAGES: ClassVar[tuple[str, str | None]] = ("limit", "X-Total-Count")

    pulls: dict[str, list[Payload]] = field(default_factory=lambda: {"acme/shop": []})
    files: dict[tuple[str, int], list[Payload]] = field(default_factory=dict)
    comments: list[Payload] = field(default_factory=list)
    reactions: dict[int, list[Payload]] = field(default_factory=dict)
    rights: dict[str, str] | None = field(default_factory=lambda: {"mona": "write"})
    """Of other people, by login; None where the token's user may not know."""
    statuses: list[Payload] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)
    counted: int | None = None
    listed: list[Payload] | None = None
    """What the listing shows instead of what is there."""
    is_writable: bool = True

    @staticmethod
    def label(name: str) -> object:
        return {"id": sum(name.encode()), "name": name}

    @staticmethod
    def changed(path: str, kind: str = "changed", was: str = "") -> Payload:
        before = {"previous_filename": was} if was else {}
        return {"filename": path, "status": kind, "additions": 1, "deletions": 0, "changes": 1, **before}

    def open(self, number: int, repository: str = "acme/shop", **given: Any) -> Payload:
        payload = pull_request(number, **{"html_url": f"{self.url}/{repository}/pulls/{number}", **given})
        self.pulls.setdefault(repository, []).append(payload)
        self.files[repository, number] = [self.changed("README.md")]
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

    def brief(self, pull: Payload) -> Payload:
        """Return what a list shows of a pull request."""
        return pull

    def ref(self, kind: str, name: str) -> Payload:
        commit = self.refs[name]
        return {"name": name, "commit": {"id": commit} if kind == "branches" else {"sha": commit}}

    def routes(self) -> Mapping[str, Callable[..., Answer]]:
        slug = "/repos/([^/]+/[^/]+)"
        return {
            "/user": lambda request: answer(user(BOT)),
            slug: lambda request, path: answer(self.repository(path)),
            rf"{slug}/pulls": self._pulls,
            rf"{slug}/pulls/(\d+)": lambda request, path, number: answer(
                {pull["number"]: pull for pull in self.pulls[path]}[int(number)]
            ),
            rf"{slug}/pulls/(\d+)/files": lambda request, path, number: request.page(self.files[path, int(number)]),
            rf"{slug}/issues/(\d+)/comments": self._comments,
            rf"{slug}/issues/comments/(\d+)": self._comment,
            rf"{slug}/issues/comments/(\d+)/reactions": self._reactions,
            rf"{slug}/collaborators/([^/]+)/permission": self._permission,
            rf"{slug}/statuses/(\w+)": self._statuses,
            rf"{slug}/(branches|tags)/(.+)": lambda request, path, kind, name: answer(self.ref(kind, unquote(name))),
        }

    def _pulls(self, request: Request, path: str) -> Answer:
        shown = self.pulls[path] if self.listed is None else self.listed
        wanted = request.query.get("state", "open")
        page = request.page([self.brief(pull) for pull in shown if pull["state"] == wanted])
        self.after_page(int(request.query.get("page", 1)))
        return page

    def _comments(self, request: Request, path: str, number: str) -> Answer:
        if request.command == "POST":
            self.say(int(number), request.sent["body"])
            return answer(self.comments[-1], 201)
        wanted = f"/{path}/pulls/{number}"
        found = [each for each in self.comments if each["pull_request_url"].endswith(wanted)]
        return Answer(body=answer(found).body, headers={"X-Total-Count": str(len(found))})

    def _comment(self, request: Request, path: str, number: str) -> Answer:
        found = {each["id"]: each for each in self.comments}[int(number)]
        if request.command == "DELETE":
            self.comments.remove(found)
        found.update(request.sent)
        return answer(found)

    def _reactions(self, request: Request, path: str, number: str) -> Answer:
        given = self.reactions.setdefault(int(number), [])
        if request.command == "POST":
            at = "2026-11-24T04:00:00Z"
            given.append({"user": user(BOT), "content": request.sent["content"], "created_at": at})
        return answer(given or None)

    def _permission(self, request: Request, path: str, login: str) -> Answer:
        if self.rights is None:
            return answer({"message": "only admins can query all permissions"}, 403)
        return answer(self.permission(login))

    def _statuses(self, request: Request, path: str, commit: str) -> Answer:
        if request.command == "POST":
            sent = {"target_url": "", "status": request.sent.pop("state"), **request.sent}
            self.statuses.append({"id": len(self.statuses) + 1, "url": f"{self.url}/{commit}", **sent})
        return request.page([each for each in self.statuses if each["url"].endswith(commit)])


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
