"""JSON over HTTP as an adapter needs it: bounded in time, never redirected, and every answer whole or a ForgeError."""

import itertools
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from layersite.model.errors import ForgeError

__all__ = ["ForbiddenError", "Http", "MissingError", "Received"]

_PAGE = 50
_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4)
"""How long to wait before each try to read a list that changed while it was read."""
_CONNECTS = 3
"""How often to try to connect: a request that has not been sent can be repeated."""

T = TypeVar("T")
Parameters = Mapping[str, str | int]


class MissingError(ForgeError):
    """The forge answered 404; who asked may know what that means."""


class ForbiddenError(ForgeError):
    """The forge answered 403; who asked may know what that means."""


class Received(BaseModel):
    """The base of what a forge sends: what is not read here may be anything, what is read must be of its type."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


@dataclass(frozen=True)
class _Answer:
    headers: httpx.Headers
    body: bytes


class Http:
    """One forge's API below `url`, for several threads; `advice` says for an HTTP status what to do about it."""

    def __init__(self, url: str, headers: Mapping[str, str], advice: Mapping[int, str], timeout: float) -> None:
        self._url = url
        self._advice = advice
        self._timeout = timeout
        # Redirects are not followed: the token is for this address alone.
        self._client = httpx.Client(
            headers={"Accept": "application/json", "User-Agent": "layersite", **headers},
            timeout=httpx.Timeout(timeout, connect=min(5.0, timeout)),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def get(self, path: str, shape: type[T], what: str, params: Parameters | None = None) -> T:
        """Return the answer for `path` as `shape`; `what` says in an error what was asked for. Raises ForgeError."""
        return self._parse(self._send("GET", path, what, params or {}), shape, what)

    def send(self, method: str, path: str, what: str, content: Mapping[str, object] | None = None) -> None:
        """Have the forge change something. Raises ForgeError."""
        self._send(method, path, what, {}, content)

    def listing(
        self,
        path: str,
        shape: type[T],
        what: str,
        key: Callable[[T], Hashable],
        *,
        params: Parameters | None = None,
        check: Callable[[Sequence[T]], str] = lambda found: "",
    ) -> list[T]:
        """Return all items of a list as they stood at one moment; `check` may find a fault that total and keys hide.

        One page is a moment. Several are, if two readings in a row agree: no page changed between its two readings,
        so all stood as read between the first and the second. Raises ForgeError if that never comes about.
        """
        before: list[Hashable] | None = None
        fault = ""
        for pause in _PAUSES:
            time.sleep(pause)
            found, pages, fault = self._read_through(path, shape, what, key, params or {})
            fault = fault or check(found)
            keys = [key(item) for item in found]
            if not fault and (pages == 1 or keys == before):
                return found
            before = None if fault else keys
        raise ForgeError(f"{what}: {fault or 'the list kept changing while it was read'}; nothing was decided")

    def _read_through(
        self, path: str, shape: type[T], what: str, key: Callable[[T], Hashable], params: Parameters
    ) -> tuple[list[T], int, str]:
        """Return the items of all pages, how many pages, and what does not add up."""
        found: list[T] = []
        totals: set[int] = set()
        for page in itertools.count(1):
            answer = self._send("GET", path, what, {**params, "page": page, "limit": _PAGE})
            items: list[T] = self._parse(answer, list[shape], what)  # type: ignore[valid-type] # mypy: no runtime types
            found += items
            totals.add(total := self._total(answer, what))
            distinct = len({key(item) for item in found})
            if not items or len(found) >= total or distinct < len(found):
                break
        fault = ""
        if distinct < len(found):
            fault = f"{len(found) - distinct} of {len(found)} are listed twice"
        elif totals != {len(found)} or 'rel="next"' in answer.headers.get("Link", ""):
            fault = f"the list holds {len(found)}, but says that there are {max(totals)} or more"
        return found, page, fault

    def _total(self, answer: _Answer, what: str) -> int:
        total = answer.headers.get("X-Total-Count", "")
        if not total.isdecimal():
            raise ForgeError(
                f"{what}: {self._url} did not say how many there are (no X-Total-Count), so a part cannot be told from "
                f"the whole; have the proxy in front of it pass that header on"
            )
        return int(total)

    def _parse(self, answer: _Answer, shape: type[T], what: str) -> T:
        try:
            return TypeAdapter(shape).validate_json(answer.body)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the body"
            # `from None`: the cause would print what was received
            raise ForgeError(
                f"{what}: {self._url} answered 200, but not as a forge does ({place}: {first['type']}); "
                f"nothing was decided; see whether a login page or a proxy answers in its place"
            ) from None

    def _send(
        self, method: str, path: str, what: str, params: Parameters, content: Mapping[str, object] | None = None
    ) -> _Answer:
        deadline = time.monotonic() + self._timeout
        for attempt in itertools.count(1):
            try:
                return self._exchange(method, path, what, params, content, deadline)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if attempt == _CONNECTS or time.monotonic() > deadline:
                    raise ForgeError(f"{what}: {self._url} cannot be reached: {error or 'no connection'}") from error
            except (httpx.InvalidURL, UnicodeError) as error:
                raise ForgeError(f"{what}: {self._url} is no address; correct `url` in layersite.yaml") from error
            except httpx.TimeoutException as error:
                text = f"{what}: {self._url} took longer than {self._timeout:g} s and was given up"
                raise ForgeError(f"{text}; nothing was decided") from error
            except httpx.HTTPError as error:
                # `from None`: the cause may quote what was received
                text = f"{what}: {self._url} broke off its answer ({type(error).__name__}); nothing was decided"
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
    ) -> _Answer:
        """Send one request and read the whole answer before `deadline`: httpx itself bounds only each single read."""
        body = bytearray()
        with self._client.stream(method, self._url + path, params=dict(params), json=content) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("")
        if response.is_success:
            return _Answer(response.headers, bytes(body))
        group = min(response.status_code // 100, 5) * 100
        advice = self._advice.get(response.status_code, self._advice[group])
        refuse = {403: ForbiddenError, 404: MissingError}.get(response.status_code, ForgeError)
        raise refuse(f"{what}: {self._url} answered {response.status_code}: {advice}")
