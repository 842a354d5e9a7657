"""A small GitHub Enterprise on 127.0.0.1: real HTTP, payloads of the published shape, for an app's token."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import unquote

from tests.unit.forge.fake_forge import BOT, TOKEN, Answer, Payload, Request, answer, sha
from tests.unit.forge.fake_gitea import FakeGitea, user

__all__ = ["FakeGitHub", "pull_request"]

_NOT_LISTED = {"comments", "changed_files"}


@dataclass
class FakeGitHub(FakeGitea):
    """What GitHub does in another way than Gitea."""

    API: ClassVar = "/api(/v3)?"
    SIGNED: ClassVar = ("Authorization", f"Bearer {TOKEN}")
    PAGES: ClassVar = ("per_page", None)
    PAGE: ClassVar = "pull"

    page_size: int = 100
    annotated: dict[str, str] = field(default_factory=dict)
    """The commits of annotated tags, by the ids of the tags."""

    @staticmethod
    def changed(path: str, kind: str = "modified", was: str = "") -> Payload:
        return {**FakeGitea.changed(path, kind, was), "sha": sha(path)}

    def open(self, number: int, repository: str = "acme/shop", **given: Any) -> Payload:
        payload = pull_request(number, **{"html_url": f"{self.url}/{repository}/pull/{number}", **given})
        self.pulls.setdefault(repository, []).append(payload)
        self.files[repository, number] = [self.changed("README.md")]
        return payload

    def say(self, number: int, body: str, author: int = BOT) -> None:
        super().say(number, body, author)
        for pull in self.pulls["acme/shop"]:
            pull["updated_at"] = f"2026-11-24T04:{pull['comments']:02}:00Z"

    def routes(self) -> Mapping[str, Callable[..., Answer]]:
        slug = "/repos/([^/]+/[^/]+)"
        alike = super().routes().items()
        return {
            **{pattern: action for pattern, action in alike if not pattern.endswith(("/(.+)", "/user"))},
            "/graphql": self._graphql,
            rf"{slug}/pulls/(\d+)": lambda request, path, number: answer(self.whole(path, int(number))),
            rf"{slug}/commits/(\w+)/statuses": self._statuses,
            rf"{slug}/git/ref/(heads|tags)/(.+)": lambda request, path, kind, name: answer(
                self.ref(kind, unquote(name))
            ),
            rf"{slug}/git/tags/(\w+)": lambda request, path, tag: answer(self.tag(tag)),
        }

    def whole(self, path: str, number: int) -> Payload:
        pull = {each["number"]: each for each in self.pulls[path]}[number]
        return {"changed_files": len(self.files[path, number]), **pull}

    def brief(self, pull: Payload) -> Payload:
        return {key: value for key, value in pull.items() if key not in _NOT_LISTED}

    def ref(self, kind: str, name: str) -> Payload:
        commit = self.refs[name]
        what = {"type": "tag" if commit in self.annotated else "commit", "sha": commit, "url": f"{self.url}/{commit}"}
        return {"ref": f"refs/{kind}/{name}", "node_id": "x", "url": f"{self.url}/{name}", "object": what}

    def tag(self, tag: str) -> Payload:
        commit = self.annotated[tag]
        return {"tag": "v1", "sha": tag, "object": {"type": "commit", "sha": commit, "url": f"{self.url}/{commit}"}}

    def _graphql(self, request: Request) -> Answer:
        if "viewer" in request.sent["query"]:
            return answer({"data": {"viewer": {"databaseId": BOT, "login": "layersite-bot"}}})
        slug = "{owner}/{name}".format(**request.sent["variables"])
        if slug not in self.pulls:
            fault = {"type": "NOT_FOUND", "path": ["repository"], "message": "Could not resolve to a Repository"}
            return answer({"data": {"repository": None}, "errors": [fault]})
        total = {"totalCount": self.repository(slug)["open_pr_counter"]}
        return answer({"data": {"repository": {"pullRequests": total}}})

    def _comments(self, request: Request, path: str, number: str) -> Answer:
        super()._comments(request, path, number)
        wanted = f"/{path}/pulls/{number}"
        found = [self.comment(each) for each in self.comments if each["pull_request_url"].endswith(wanted)]
        return answer(found[-1], 201) if request.command == "POST" else request.page(found)

    def comment(self, kept: Payload) -> Payload:
        return {key: value for key, value in kept.items() if key != "pull_request_url"}

    def _reactions(self, request: Request, path: str, number: str) -> Answer:
        super()._reactions(request, path, number)
        given = self.reactions[int(number)]
        return answer(given[-1], 201) if request.command == "POST" else request.page(given)

    def _statuses(self, request: Request, path: str, commit: str) -> Answer:
        if request.command == "POST" and not self.is_writable:
            return answer({"message": "Not Found"}, 404)
        if request.command == "POST" and commit == "0" * 40:
            return answer({"message": f"No commit found for SHA: {commit}"}, 422)
        if request.command == "POST":
            sent = {"description": None, "target_url": None, **request.sent}
            if sent["target_url"] is not None and not sent["target_url"].startswith(("http://", "https://")):
                return answer({"message": "Validation Failed"}, 422)
            self.statuses.append({"id": len(self.statuses) + 1, "url": f"{self.url}/{commit}", **sent})
            return answer(self.statuses[-1], 201)
        return request.page([each for each in reversed(self.statuses) if each["url"].endswith(commit)])


def pull_request(number: int, **given: Any) -> Payload:
    """Return an open pull request; `branch`, `head_repo` and `head` are short for what lies deeper."""
    branch, repository = given.pop("branch", f"branch-{number}"), given.pop("head_repo", 1)
    head = {"label": f"acme:{branch}", "ref": branch, "sha": sha(branch), "repo": repository and {"id": repository}}
    return {
        "id": 1000 + number,
        "number": number,
        "state": "open",
        "title": f"Change {number}",
        "body": None,
        "user": user(),
        "labels": [],
        "draft": False,
        "comments": 0,
        "html_url": f"https://github.example.com/acme/shop/pull/{number}",
        "updated_at": "2026-11-24T04:00:00Z",
        "base": {"label": "acme:main", "ref": "main", "sha": sha("main"), "repo": {"id": 1}},
        "head": {**head, **given.pop("head", {})},
        **given,
    }
