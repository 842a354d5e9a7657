"""JSON over HTTP as argocd-server speaks it: bounded in time, not redirected, each fault an ArgoCDError with a mend."""

import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from layersite.model.errors import ArgoCDError

__all__ = ["ForbiddenError", "Http", "MissingError", "PassingError", "check", "new_client", "unreachable"]

T = TypeVar("T")
Parameters = Mapping[str, str | Sequence[str]]


_NOT_FOUND = 5
"""In gRPC's words, which Argo CD adds to each status."""


class _Refusal(BaseModel):
    code: int


class PassingError(ArgoCDError):
    """Argo CD does not answer now, as when it restarts; asking again may help."""


class ForbiddenError(ArgoCDError):
    """The token may not do that."""


class MissingError(ArgoCDError):
    """There is no such application in the project; the token would be allowed to see it."""


class Http:
    """The server at `url` as `token` may use it, for several threads; `timeout` in seconds bounds a whole answer.

    `verify` is a file of certificate authorities, True for the machine's own, or False to trust anyone.
    """

    def __init__(self, url: str, token: str, project: str, verify: bool | Path, timeout: float) -> None:
        self.url, self._project, self._timeout = url.rstrip("/"), project, timeout
        self._client = new_client(verify, timeout)
        try:
            self._client.headers["Authorization"] = f"Bearer {token}"
        except UnicodeEncodeError:
            text = "the token for Argo CD has characters that no token has; give it as Argo CD printed it"
            raise ArgoCDError(text) from None

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def get(
        self,
        path: str,
        shape: type[T],
        what: str,
        params: Parameters | None = None,
        needs: str = "applications, get",
        timeout: float | None = None,
    ) -> T:
        """Return the answer for `path` as `shape`; `what` and the permission it `needs` stand in an error.

        Raises:
            MissingError, PassingError, ArgoCDError
        """
        seconds = timeout or self._timeout
        deadline = time.monotonic() + seconds
        body = bytearray()
        with self.stream(path, what, params, needs, read=seconds) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if time.monotonic() > deadline:  # httpx itself bounds only each single read
                    raise PassingError(f"{what}: {self.url} took longer than {seconds:g} s and was given up")
        return self.parse(bytes(body), shape, what)

    def send(self, method: str, path: str, what: str, needs: str, content: Mapping[str, object]) -> None:
        """Have the server change something of the project. Raises as `get` does."""
        with self.stream(path, what, {"project": self._project}, needs, method=method, content=content):
            pass

    @contextmanager
    def stream(
        self,
        path: str,
        what: str,
        params: Parameters | None = None,
        needs: str = "applications, get",
        read: float | None = None,
        method: str = "GET",
        content: Mapping[str, object] | None = None,
    ) -> Iterator[httpx.Response]:
        """Open `path` and give the answer to be read, which may pause for `read` seconds. Raises as `get` does."""
        timeout = httpx.Timeout(read or self._timeout, connect=min(5.0, self._timeout))
        try:
            # Also what has no content goes as JSON: Argo CD refuses what a browser could be made to send.
            with self._client.stream(method, self.url + path, params=params, json=content, timeout=timeout) as response:
                self._refuse(response, what, needs)
                yield response
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable(f"{what}: {self.url}", error) from None  # the cause may quote what was received

    def parse(self, body: bytes, shape: type[T], what: str) -> T:
        """Return `body` as `shape`. Raises ArgoCDError."""
        try:
            return TypeAdapter(shape).validate_json(body)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the body"
            raise self._stranger(what, f"{place}: {first['type']}") from None  # the cause would print what was received

    def _stranger(self, what: str, why: str) -> ArgoCDError:
        text = "see whether a login page or a proxy answers in its place"
        return ArgoCDError(f"{what}: {self.url} answered 200, but not as Argo CD does ({why}); {text}")

    def _refuse(self, response: httpx.Response, what: str, needs: str) -> None:
        if response.status_code == 404 and _is_from_argocd(response):
            raise MissingError(f"{what}: there is none in Argo CD's project `{self._project}`")
        if response.status_code == 403:
            raise self.forbidden(what, needs)
        check(
            response,
            f"{what}: {self.url}",
            {
                401: f"the token is wrong, expired or revoked; make one with `argocd proj role create-token "
                f"{self._project} <role>`",
                404: "this is not argocd-server's address",
            },
        )
        if "html" in response.headers.get("Content-Type", ""):
            raise self._stranger(what, "a web page")

    def forbidden(self, what: str, needs: str) -> ForbiddenError:
        """Return the error that says which policy the token lacks."""
        line = f"p, proj:{self._project}:<role>, {needs}, {self._project}/*, allow"
        text = f"the token may not do that; give its role in the AppProject `{self._project}` the policy `{line}`"
        return ForbiddenError(f"{what}: {self.url} refuses: {text}")


def new_client(verify: bool | Path, timeout: float) -> httpx.Client:
    """Return a client that sends no token. Raises ArgoCDError if `verify` cannot be read."""
    try:
        return httpx.Client(
            headers={"Accept": "application/json", "User-Agent": "layersite"},
            timeout=httpx.Timeout(timeout, connect=min(5.0, timeout)),
            verify=ssl.create_default_context(cafile=verify) if isinstance(verify, Path) else verify,
            follow_redirects=False,  # the token is for one address alone
        )
    except OSError as error:
        raise ArgoCDError(f"the certificate authorities in `{verify}` cannot be read: {error}") from error


def check(response: httpx.Response, who: str, advice: Mapping[int, str]) -> None:
    """Raise the error for an answer that is not a success, in the words of `advice` by status."""
    status = response.status_code
    if response.is_success:
        return
    if response.is_redirect:
        text = "it redirects elsewhere; give the address that it redirects to, most often with https"
        raise ArgoCDError(f"{who} answered {status}: {text}")
    if status >= 500 or status == 429:
        raise PassingError(f"{who} answered {status}: Argo CD, or a proxy before it, is not ready; try again later")
    raise ArgoCDError(f"{who} answered {status}: {advice.get(status, 'it does not understand; see its log')}")


def _is_from_argocd(response: httpx.Response) -> bool:
    """Return whether it is Argo CD that found nothing, and not a proxy that lost Argo CD."""
    try:
        return _Refusal.model_validate_json(response.read()).code == _NOT_FOUND
    except ValidationError:
        return False


def unreachable(who: str, error: httpx.HTTPError | httpx.InvalidURL) -> ArgoCDError:
    """Return the error that says why no whole answer came, and passes unless it is about certificates."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        text = "its certificate is not signed by an authority known here; give the file with the one that signed it"
        return ArgoCDError(f"{who}: {text}")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return ArgoCDError(f"{who} is no address that can be asked; give it as https://<host>")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return PassingError(
            f"{who} cannot be reached: {error or 'no connection'}; is it running, and the address right?"
        )
    if isinstance(error, httpx.TimeoutException):
        return PassingError(f"{who} took too long and was given up")
    return PassingError(f"{who} broke off its answer ({type(error).__name__})")
