"""JSON as an adapter needs it: every answer of the shape that is expected and every list whole, or a ForgeError."""

import itertools
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from layersite.forge._connection import Answer, Connection, ForbiddenError, InvalidError, MissingError, Parameters
from layersite.model.errors import ForgeError

__all__ = ["ForbiddenError", "Http", "InvalidError", "MissingError", "Paging", "Received"]

_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4)
"""How long to wait before each try to read a list that changed while it was read."""

T = TypeVar("T")


class Received(BaseModel):
    """The base of what a forge sends: what is not read here may be anything, what is read must be of its type."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


@dataclass(frozen=True)
class Paging:
    """How a forge cuts a list: the parameter and number of a page's items, and the header with the number of all.

    Without such a header, a list ends where its `Link` names no next page.
    """

    parameter: str
    size: int
    total: str | None = None


class Http(Connection):
    """One forge's API below `url`, for several threads; `advice` says for an HTTP status what to do about it."""

    def __init__(
        self, url: str, headers: Mapping[str, str], advice: Mapping[int, str], timeout: float, paging: Paging
    ) -> None:
        super().__init__(url, headers, advice, timeout)
        self._paging = paging

    def get(self, path: str, shape: type[T], what: str, params: Parameters | None = None) -> T:
        """Return the answer for `path` as `shape`; `what` says in an error what was asked for. Raises ForgeError."""
        return self._parse(self.ask("GET", path, what, params or {}), shape, what)

    def post(self, path: str, shape: type[T], what: str, content: Mapping[str, object]) -> T:
        """Return the answer to `content` as `shape`. Raises ForgeError."""
        return self._parse(self.ask("POST", path, what, {}, content), shape, what)

    def send(self, method: str, path: str, what: str, content: Mapping[str, object] | None = None) -> None:
        """Have the forge change something. Raises ForgeError."""
        self.ask(method, path, what, {}, content)

    def some(self, path: str, shape: type[T], what: str) -> list[T]:
        """Return one item of a list, if it has any: that there is a list is the answer. Raises ForgeError."""
        params = {self._paging.parameter: 1}
        return self.get(path, list[shape], what, params)  # type: ignore[valid-type] # mypy: no runtime types

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
        totals: set[int | None] = set()
        for page in itertools.count(1):
            answer = self.ask("GET", path, what, {self._paging.parameter: self._paging.size, **params, "page": page})
            items: list[T] = self._parse(answer, list[shape], what)  # type: ignore[valid-type] # mypy: no runtime types
            found += items
            has_next = 'rel="next"' in answer.headers.get("Link", "")
            totals.add(total := self._total(answer, what))
            distinct = len({key(item) for item in found})
            is_end = not has_next if total is None else len(found) >= total
            if not items or is_end or distinct < len(found):
                break
        fault = ""
        if distinct < len(found):
            fault = f"{len(found) - distinct} of {len(found)} are listed twice"
        elif has_next or not totals <= {None, len(found)}:
            said = max((each for each in totals if each is not None), default=len(found))
            fault = f"the list holds {len(found)}, but says that there are {said} or more"
        return found, page, fault

    def _total(self, answer: Answer, what: str) -> int | None:
        name = self._paging.total
        if name is None:
            return None
        total = answer.headers.get(name, "")
        if not total.isdecimal():
            raise ForgeError(
                f"{what}: {self.url} did not say how many there are (no {name}), so a part cannot be told from "
                f"the whole; have the proxy in front of it pass that header on"
            )
        return int(total)

    def _parse(self, answer: Answer, shape: type[T], what: str) -> T:
        try:
            return TypeAdapter(shape).validate_json(answer.body)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the body"
            # `from None`: the cause would print what was received
            raise ForgeError(
                f"{what}: {self.url} answered 200, but not as a forge does ({place}: {first['type']}); "
                f"nothing was decided; see whether a login page or a proxy answers in its place"
            ) from None
