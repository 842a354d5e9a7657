"""HTTP as a registry is asked: bounded in time and size, unencrypted only where allowed, every failure said."""

import contextlib
import ipaddress
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import httpx

from layersite.model.errors import RegistryError

__all__ = ["Answer", "Asker", "is_loopback", "refusal"]

_CONNECT_SECONDS = 5.0
_LARGEST = 4 * 1024 * 1024
"""The bytes that a manifest may have: the specification asks registries to take that much."""


@dataclass(frozen=True)
class Answer:
    """A whole answer, and the address that gave it."""

    url: httpx.URL
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return str(self.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def is_loopback(host: str) -> bool:
    """Return whether the host name or address `host` is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rpartition(".")[2] == "localhost"


def refusal(place: str, name: str, status: int) -> RegistryError:
    """Return what it means, and what to do, when `place` answers `status` where the repository `name` is asked for."""
    said = f"{place} answered {status} for the repository `{name}`"
    if status in (401, 403):
        return RegistryError(
            f"{said}: there is no such repository, or the bot may not pull from it; some registries do not tell these "
            f"apart. Push the first image, or run `docker login` where the bot runs, as a user who may pull"
        )
    if status == 429:
        return RegistryError(f"{said}: it was asked too often; run `docker login` where the bot runs, or wait")
    if status >= 500:
        return RegistryError(f"{said}: it has a fault; run this again later")
    return RegistryError(f"{said}, not as an image registry does; see whether a proxy or a login page answers for it")


class Asker:
    """Sends requests that must all be answered within `timeout` seconds from now."""

    def __init__(self, client: httpx.Client, insecure: Collection[str], timeout: float) -> None:
        self._client = client
        self._insecure = {entry.partition(":")[0] for entry in insecure}
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout

    def send(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        *,
        form: Mapping[str, str] | None = None,
        follow_redirects: bool = False,
    ) -> Answer:
        """Return the answer; a redirect to another origin takes no `Authorization` along. Raises RegistryError."""
        place = url.netloc.decode()
        self._check_encryption(url)
        left = max(self._deadline - time.monotonic(), 0.001)
        bounds = httpx.Timeout(left, connect=min(_CONNECT_SECONDS, left))
        try:
            request = self._client.build_request(method, url, headers=headers, data=form, timeout=bounds)
            return self._exchange(request, follow_redirects, place)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            is_plain = "SSL" in str(error) and "certificate" not in str(error)
            hint = "; if it speaks no TLS, list it under images.insecure_registries" if is_plain else ""
            raise RegistryError(f"{place} cannot be reached: {error or 'no connection'}{hint}") from error
        except httpx.TimeoutException as error:
            raise RegistryError(f"{place} took longer than {self._timeout:g} s and was given up") from error
        except httpx.HTTPError as error:
            # `from None`: the cause may quote what was sent or received
            raise RegistryError(f"{place} broke off its answer ({type(error).__name__}); try again later") from None

    def _exchange(self, request: httpx.Request, follow_redirects: bool, place: str) -> Answer:
        """Read the whole answer before the deadline: httpx itself bounds only each single read."""
        body = bytearray()
        response = self._client.send(request, stream=True, follow_redirects=follow_redirects)
        with contextlib.closing(response):
            self._check_encryption(response.url)
            for hop in response.history:
                self._check_encryption(hop.url)
            for chunk in response.iter_bytes():
                body += chunk
                if time.monotonic() > self._deadline:
                    raise httpx.ReadTimeout("")
                if len(body) > _LARGEST:
                    raise RegistryError(f"{place} sent more than {_LARGEST} bytes, which no manifest or token has")
        return Answer(response.url, response.status_code, response.headers, bytes(body))

    def _check_encryption(self, url: httpx.URL) -> None:
        if url.scheme == "https" or (url.scheme == "http" and (is_loopback(url.host) or url.host in self._insecure)):
            return
        raise RegistryError(
            f"{url.scheme}://{url.netloc.decode()} is not encrypted, so it is not trusted; have the registry name an "
            f"https address, or list that host under images.insecure_registries"
        )
