"""Tell Argo CD of a push at once; it would otherwise look every three minutes.

The event is GitHub's because that is what both endpoints understand, wherever the repository lies.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from layersite.argocd._http import PassingError, check, unreachable
from layersite.model.errors import ArgoCDError

__all__ = ["Push", "post", "web_url"]

_TRIES = 2
_ADVICE = {
    400: "it does not accept the event; is its `webhook.github.secret` in the Secret `argocd-secret` ours, and has it "
    "been restarted since that was set?",
    401: "something before it wants a login; let its path /api/webhook through",
    403: "something before it refuses; let its path /api/webhook through",
    404: "it is not there; is this the address of argocd-server, or of the ApplicationSet controller's webhook?",
}


@dataclass(frozen=True)
class Push:
    """A push of `branch` from the commit `before` to `after` that touched `paths` in the repository `url`."""

    url: str
    branch: str
    before: str
    after: str
    paths: Sequence[str]

    def body(self) -> bytes:
        """Return it as GitHub would send it, as far as Argo CD reads that."""
        commit = {"id": self.after, "added": [], "removed": [], "modified": list(self.paths)}
        event = {
            "ref": f"refs/heads/{self.branch}",
            "before": self.before,
            "after": self.after,
            "commits": [commit],
            "repository": {"html_url": web_url(self.url), "default_branch": self.branch},
        }
        return json.dumps(event).encode()


def web_url(repository: str) -> str:
    """Return the web page of a git URL, which Argo CD matches with its own URLs of that repository.

    Raises ArgoCDError where Argo CD could not match it: it knows http, https and ssh only.
    """
    found = re.fullmatch(
        r"(?:(?:https?|ssh)://(?:[^/@]*@)?(\[[^]/]+\]|[^/:]+)(?::\d+)?/|(?:[^/@:]+@)?([^/:]+):(?!/))(.+?)(?:\.git)?/*",
        repository,
    )
    if not found:
        text = "the environments repository has no http, https or ssh URL, so Argo CD cannot be told of a push to it"
        raise ArgoCDError(f"{text}; it looks by itself every three minutes")
    return f"https://{found[1] or found[2]}/{found[3]}"


def post(push: Push, secret: str, addresses: Sequence[str], client: httpx.Client) -> tuple[str, ...]:
    """Send `push`, signed with `secret`, to the webhooks of all `addresses` at once; return what went wrong."""
    try:
        body = push.body()
    except ArgoCDError as error:
        return (str(error),)
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }
    with ThreadPoolExecutor(len(addresses)) as pool:
        found = list(pool.map(lambda address: _send(client, address, body, headers), addresses))
    return tuple(problem for problem in found if problem)


def _send(client: httpx.Client, address: str, body: bytes, headers: dict[str, str]) -> str:
    url = address.rstrip("/").removesuffix("/api/webhook") + "/api/webhook"
    who = f"telling Argo CD of the push: {url}"
    for last in (attempt == _TRIES for attempt in range(1, _TRIES + 1)):
        try:
            check(client.post(url, content=body, headers=headers), who, _ADVICE)
            return ""
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            fault = unreachable(who, error)
        except ArgoCDError as error:
            fault = error
        if last or not isinstance(fault, PassingError):
            return str(fault)
    raise AssertionError("the last try returns")
