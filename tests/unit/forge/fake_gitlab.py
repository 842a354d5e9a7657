"""A small GitLab on 127.0.0.1: real HTTP, answers as it documents them, and statuses that move as its own do."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import unquote

from tests.unit.forge.fake_forge import BOT, MONA, TOKEN, Answer, FakeForge, Payload, Request, answer, sha

SHOP = 3
HIDDEN = "mentioned in a project of others"
COUNT = "query($path: ID!) { project(fullPath: $path) { mergeRequests(state: opened) { count } } }"
_MOVES = {
    "pending": {"created"},
    "running": {"created", "pending"},
    "success": {"created", "pending", "running"},
    "failed": {"created", "pending", "running"},
}
"""From where a status may move to another, which GitLab refuses otherwise with 400."""


def user(number: int = MONA) -> Payload:
    login = {BOT: "layersite-bot", MONA: "mona"}[number]
    return {"id": number, "name": login, "username": login, "state": "active"}


@dataclass
class FakeGitLab(FakeForge):
    """Its state is plain data; merge requests by the path of their project."""

    API: ClassVar = "/api"
    SIGNED: ClassVar = ("PRIVATE-TOKEN", TOKEN)
    PAGES: ClassVar = ("per_page", "X-Total")
    LIST: ClassVar = "/v4/projects/acme%2Fshop/merge_requests"
    FILES: ClassVar = f"{LIST}/1/diffs"
    COMMENTS: ClassVar = f"{LIST}/1/notes"
    COMMENT: ClassVar = f"{COMMENTS}/1"
    PAGE: ClassVar = "-/merge_requests"
    THUMBS: ClassVar = ("name", "thumbsup", "thumbsdown")

    pulls: dict[str, list[Payload]] = field(default_factory=lambda: {"acme/shop": []})
    files: dict[tuple[str, int], list[Payload]] = field(default_factory=dict)
    comments: list[Payload] = field(default_factory=list)
    reactions: dict[int, list[Payload]] = field(default_factory=dict)
    levels: dict[int, int] = field(default_factory=lambda: {BOT: 30, MONA: 30})
    """Access levels of the project's members."""
    statuses: list[Payload] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)
    counted: int | None = None
    listed: list[Payload] | None = None
    """What the listing shows instead of what is there."""

    @staticmethod
    def label(name: str) -> object:
        return name

    @staticmethod
    def changed(path: str, kind: str = "", was: str = "") -> Payload:
        flags = {"new_file": kind == "added", "renamed_file": bool(was), "deleted_file": kind == "deleted"}
        modes = {"a_mode": "100644", "b_mode": "100644", "diff": "", "too_large": False}
        return {"old_path": was or path, "new_path": path, **flags, **modes}

    def open(self, number: int, repository: str = "acme/shop", **given: Any) -> Payload:
        url = f"{self.url}/{repository}/-/merge_requests/{number}"
        payload = merge_request(number, web_url=url, **given)
        self.pulls.setdefault(repository, []).append(payload)
        self.files[repository, number] = [self.changed("README.md")]
        return payload

    def close(self, number: int) -> None:
        for pull in self.pulls["acme/shop"]:
            if pull["iid"] == number:
                pull["state"] = "closed"

    def say(self, number: int, body: str, author: int = BOT, *, system: bool = False) -> None:
        key = 1 + max((each["id"] for each in self.comments), default=0)
        note = {"id": key, "body": body, "author": user(author), "system": system, "noteable_iid": number}
        self.comments.append({**note, "noteable_type": "MergeRequest", "project_id": SHOP, "internal": False})
        for pull in self.pulls["acme/shop"]:
            pull["user_notes_count"] += pull["iid"] == number and not system

    def ref(self, kind: str, name: str) -> Payload:
        commit = {"id": self.refs[name], "short_id": self.refs[name][:8], "title": "a commit"}
        return {"name": name, "commit": commit, "protected": False}

    def routes(self) -> Mapping[str, Callable[..., Answer]]:
        project = "/v4/projects/([^/]+)"
        notes = rf"{project}/merge_requests/(\d+)/notes"
        return {
            "/graphql": lambda request: answer(self.count(request.sent)),
            "/v4/user": lambda request: answer(user(BOT)),
            rf"{project}/merge_requests": self._pulls,
            rf"{project}/merge_requests/(\d+)": lambda request, path, number: answer(self._pull(path, number)),
            rf"{project}/merge_requests/(\d+)/diffs": lambda request, path, number: request.page(
                self.files[unquote(path), int(number)]
            ),
            notes: self._notes,
            rf"{notes}/(\d+)": self._note,
            rf"{notes}/(\d+)/award_emoji": self._awards,
            rf"{project}/members/all/(\d+)": lambda request, path, number: answer(self.member(int(number))),
            rf"{project}/repository/commits/(\w+)/statuses": self._found,
            rf"{project}/statuses/(\w+)": self._set,
            rf"{project}/repository/(branches|tags)/([^/]+)": lambda request, path, kind, name: answer(
                self.ref(kind, unquote(name))
            ),
        }

    def count(self, sent: Payload) -> Payload:
        """Answer the one query that is known here; GitLab has no project for who may not see it."""
        assert sent["query"] == COUNT
        pulls = self.pulls.get(sent["variables"]["path"])
        if pulls is None:
            return {"data": {"project": None}}
        count = sum(pull["state"] == "opened" for pull in pulls) if self.counted is None else self.counted
        return {"data": {"project": {"mergeRequests": {"count": count}}}}

    def member(self, number: int) -> Payload:
        return {**user(number), "access_level": self.levels[number], "expires_at": None}

    def _pulls(self, request: Request, path: str) -> Answer:
        shown = self.pulls[unquote(path)] if self.listed is None else self.listed
        page = request.page([pull for pull in shown if pull["state"] == request.query.get("state", "all")])
        self.after_page(int(request.query.get("page", 1)))
        return page

    def _pull(self, path: str, number: str) -> Payload:
        found = {pull["iid"]: pull for pull in self.pulls[unquote(path)]}[int(number)]
        return {"changes_count": str(len(self.files[unquote(path), int(number)])), **found}

    def _notes(self, request: Request, path: str, number: str) -> Answer:
        if request.command == "POST":
            self.say(int(number), request.sent["body"])
            return answer(self.comments[-1], 201)
        found = [each for each in self.comments if each["noteable_iid"] == int(number)]
        if request.query.get("activity_filter") == "only_comments":
            found = [each for each in found if not each["system"]]
        page = request.page(found)
        # What the token may not see is left out of the page, but not of the count.
        seen = [each for each in json.loads(page.body) if each["body"] != HIDDEN]
        return Answer(body=answer(seen).body, headers=page.headers)

    def _note(self, request: Request, path: str, number: str, note: str) -> Answer:
        found = {each["id"]: each for each in self.comments if each["noteable_iid"] == int(number)}[int(note)]
        if request.command == "DELETE":
            self.comments.remove(found)
            return Answer(204)
        found.update(request.sent)
        return answer(found)

    def _awards(self, request: Request, path: str, number: str, note: str) -> Answer:
        given = self.reactions.setdefault(int(note), [])
        if request.command == "POST":
            award = {"id": len(given) + 1, "name": request.sent["name"], "user": user(BOT)}
            given.append({**award, "awardable_id": int(note), "awardable_type": "Note"})
            return answer(given[-1], 201)
        return request.page(given)

    def _found(self, request: Request, path: str, commit: str) -> Answer:
        wanted = {key: request.query[key] for key in ("name", "ref")} | {"sha": commit}
        return request.page([each for each in self.statuses if each | wanted == each])

    def _set(self, request: Request, path: str, commit: str) -> Answer:
        sent = request.sent
        mine = [each for each in self.statuses if (each["sha"], each["name"]) == (commit, sent["name"])]
        going = [each for each in mine if each["status"] in ("pending", "running") and each["ref"] == sent["ref"]]
        status = going[-1] if going else {"id": len(self.statuses) + 1, "sha": commit, "status": "created"}
        if status["status"] not in _MOVES[sent["state"]]:
            return answer({"message": f"Cannot transition status from :{status['status']}"}, 400)
        if not going:
            self.statuses.append(status)
        told = {"target_url": None, "description": None, **sent}
        status.update({"status": told.pop("state"), **told})
        return answer(status, 201)


def merge_request(number: int, **given: Any) -> Payload:
    """Return an open merge request; `branch`, `body` and `head_repo` are what the forge calls otherwise."""
    branch = given.pop("branch", f"branch-{number}")
    return {
        "id": 1000 + number,
        "iid": number,
        "project_id": SHOP,
        "state": "opened",
        "title": f"Change {number}",
        "description": given.pop("body", ""),
        "author": user(),
        "labels": [],
        "draft": False,
        "user_notes_count": 0,
        "web_url": f"https://git.example.com/acme/shop/-/merge_requests/{number}",
        "updated_at": "2026-11-24T04:00:00.000Z",
        "source_branch": branch,
        "target_branch": "main",
        "source_project_id": given.pop("head_repo", SHOP),
        "target_project_id": SHOP,
        "sha": sha(branch),
        **given,
    }
