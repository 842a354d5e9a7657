"""One forge's API over HTTP: bounded in time, never redirected, left alone when it asks for that."""

import itertools
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from layersite.model.errors import ForgeError

__all__ = ["Answer", "Connection", "ForbiddenError", "InvalidError", "MissingError", "Parameters"]

_CONNECTS = 3
"""How often to try to connect: a request that has not been sent can be repeated."""
_REST = 60.0
"""How many seconds a forge is left alone that was asked too often and does not say for how long."""

Parameters = Mapping[str, str | int]


class MissingError(ForgeError):
    """The forge answered 404; who asked may know what that means."""


class ForbiddenError(ForgeError):
    """The forge answered 403; who asked may know what that means."""


class InvalidError(ForgeError):
    """The forge answered 422: it would do this, but not with these values."""


@dataclass(frozen=True)
class Answer:
    """A successful answer, read to its end."""

    headers: httpx.Headers
    body: bytes


class Connection:
    """The API below `url`, for several threads; `advice` says for an HTTP status what to do about it."""

    def __init__(self, url: str, headers: Mapping[str, str], advice: Mapping[int, str], timeout: float) -> None:
        self.url = url
        self._advice = advice
        self._timeout = timeout
        self._rest = (0.0, "")
        # Redirects are not followed: the token is for this address alone.
        self._client = httpx.Client(
            headers={"Accept": "application/json", "User-Agent": "layersite", **headers},
            timeout=httpx.Timeout(timeout, connect=min(5.0, timeout)),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def ask(
        self, method: str, path: str, what: str, params: Parameters, content: Mapping[str, object] | None = None
    ) -> Answer:
        """Return the answer to one request; `what` says in an error what was asked for. Raises ForgeError."""
        deadline = time.monotonic() + self._timeout
        if time.monotonic() < self._rest[0]:
            raise ForgeError(f"{what}: {self.url} was not asked, for it said before: {self._rest[1]}")
        for attempt in itertools.count(1):
            try:
                return self._exchange(method, path, what, params, content, deadline)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if attempt == _CONNECTS or time.monotonic() > deadline:
                    raise ForgeError(f"{what}: {self.url} cannot be reached: {error or 'no connection'}") from error
            except (httpx.InvalidURL, UnicodeError) as error:
                raise ForgeError(f"{what}: {self.url} is no address; correct `url` in layersite.yaml") from error
            except httpx.TimeoutException as error:
                text = f"{what}: {self.url} took longer than {self._timeout:g} s and was given up"
                raise ForgeError(f"{text}; nothing was decided") from error
            except httpx.HTTPError as error:
                # `from None`: the cause may quote what was received
                text = f"{what}: {self.url} broke off its answer ({type(error).__name__}); nothing was decided"
                raise ForgeError(text) from None
        raise AssertionError  # mypy does not know that the loop has no end

    def _exchange(
        self,
        method: str,
        path: str,
        what: str,
        params: Parameters,
        content: Mapping[str, object] | None,
        deadline: float,
    ) -> Answer:
        """Send one request and read the whole answer before `deadline`: httpx itself bounds only each single read."""
        body = bytearray()
        with self._client.stream(method, self.url + path, params=dict(params), json=content) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("")
        if response.is_success:
            return Answer(response.headers, bytes(body))
        code, headers = response.status_code, response.headers
        if code == 429 or (code == 403 and _is_limit(headers, body)):
            seconds, reason = _rest(headers)
            self._rest = (time.monotonic() + seconds, reason)
            raise ForgeError(f"{what}: {self.url} answered {code}: {reason}; nothing was decided, a later run goes on")
        advice = self._advice.get(code, self._advice[min(code // 100, 5) * 100])
        needed = headers.get("X-Accepted-GitHub-Permissions", "") if code in (403, 404) else ""
        if re.fullmatch(r"[a-z_]+=[a-z]+([,;] ?[a-z_]+=[a-z]+)*", needed):
            advice = f"{advice}; this takes the permission {needed.replace('; ', ' or ')}"
        refuse = {403: ForbiddenError, 404: MissingError, 422: InvalidError}.get(code, ForgeError)
        raise refuse(f"{what}: {self.url} answered {code}: {advice}")


def _is_limit(headers: httpx.Headers, body: bytes | bytearray) -> bool:
    """Whether a 403 says that the token asked too often, rather than that it may not ask."""
    is_spent = headers.get("X-RateLimit-Remaining") == "0" or "Retry-After" in headers
    return is_spent or b"secondary rate limit" in body.lower()


def _rest(headers: httpx.Headers) -> tuple[float, str]:
    """Return for how many seconds a forge that was asked too often wants to be left alone, and that in words."""
    after, reset = headers.get("Retry-After", ""), headers.get("X-RateLimit-Reset", "")
    if not re.fullmatch(r"\d{1,6}", after) and re.fullmatch(r"\d{9,10}", reset):
        seconds = max(float(reset) - time.time(), 0.0)
        when = datetime.fromtimestamp(int(reset), UTC)
        return seconds, f"too many requests: the token's budget is spent and is new at {when:%H:%M} UTC"
    seconds = float(after) if re.fullmatch(r"\d{1,6}", after) else _REST
    return seconds, f"too many requests: it wants to be left alone for {seconds:g} s"
