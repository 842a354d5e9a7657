"""The one question that is put to image registries: which digest does this tag have, if it is there at all?"""

import hashlib
import re
import ssl
from collections import defaultdict
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from layersite.model.errors import RegistryError
from layersite.registry.credentials import Keychain
from layersite.registry.http import Answer, Asker, is_loopback, refusal
from layersite.registry.login import authorize
from layersite.registry.reference import Reference, parse_reference

__all__ = ["Registry"]

_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_HEADERS = {"Accept": ", ".join(_MANIFESTS), "Accept-Encoding": "identity", "User-Agent": "layersite"}
_DIGEST = "Docker-Content-Digest"
_SIGN = "Docker-Distribution-Api-Version"
_AT_ONCE = 16


class Registry:
    """The registries that image references name, asked with the credentials that `docker login` left.

    `insecure` lists those that speak no TLS as `host:port`; a registry on this machine need not be listed. `config` is
    by default Docker's own `config.json`. `timeout` is in seconds, for all that one reference takes.
    """

    def __init__(self, *, insecure: Collection[str] = (), config: Path | None = None, timeout: float = 15.0) -> None:
        self._trust = httpx.create_ssl_context()  # takes 30 ms, which each question would pay again
        self._insecure = frozenset(entry.lower() for entry in insecure)
        self._config = config
        self._timeout = timeout

    def digests(self, references: Collection[str]) -> dict[str, str | None]:
        """Return the digest of each reference, None for one whose tag or repository is not there.

        Raises:
            RegistryError: for at least one of them it cannot be known; says which, and why.
        """
        parsed = {text: parse_reference(text) for text in sorted(set(references))}
        keychain = Keychain(self._config)
        found: dict[str, str | None] = {}
        failed: defaultdict[str, list[str]] = defaultdict(list)
        with _client(self._trust) as client, ThreadPoolExecutor(_AT_ONCE) as pool:
            asked = {each: pool.submit(self._digest, client, keychain, each) for each in set(parsed.values())}
            for text, reference in parsed.items():
                try:
                    found[text] = asked[reference].result()
                except RegistryError as error:
                    failed[str(error)].append(text)
        if failed:
            raise RegistryError("\n".join(f"{', '.join(texts)}: {why}" for why, texts in failed.items()))
        return found

    def _digest(self, client: httpx.Client, keychain: Keychain, reference: Reference) -> str | None:
        is_plain = reference.host in self._insecure or is_loopback(reference.host.partition(":")[0])
        root = httpx.URL(f"{'http' if is_plain else 'https'}://{reference.server}/v2/")
        return _Question(Asker(client, self._insecure, self._timeout), keychain, reference, root).digest()


def _client(trust: ssl.SSLContext) -> httpx.Client:
    """Return a client that asks what runs on this machine directly, even where there is a proxy for the rest."""
    direct = dict.fromkeys(("all://localhost", "all://*.localhost", "all://127.0.0.1"))
    return httpx.Client(verify=trust, headers=_HEADERS, mounts=direct, max_redirects=5)


class _Question:
    """One reference, asked of the registry whose API begins at `root`."""

    def __init__(self, asker: Asker, keychain: Keychain, reference: Reference, root: httpx.URL) -> None:
        self._asker = asker
        self._keychain = keychain
        self._reference = reference
        self._root = root
        self._authorization: dict[str, str] = {}

    def digest(self) -> str | None:
        """Return the digest of the tag, None if it is not there. Raises RegistryError."""
        path = f"{self._reference.name}/manifests/{self._reference.tag}"
        answer = self._ask("HEAD", path)
        if answer.status == 200 and answer.headers.get(_DIGEST):
            return self._claimed(answer)
        if answer.status in (200, 405, 501):
            answer = self._ask("GET", path)
            if answer.status == 200:
                return self._computed(answer)
        if answer.status != 404:
            raise refusal(self._reference.host, self._reference.name, answer.status)
        self._check_is_registry(answer)
        return None

    def _ask(self, method: str, path: str) -> Answer:
        answer = self._send(method, path)
        if answer.status != 401 or self._authorization:
            return answer
        if answer.url.netloc != self._root.netloc:
            place, other = self._reference.host, answer.url.netloc.decode()
            raise RegistryError(f"{place} leads to {other}, which wants a sign-in; name {other} in the image instead")
        credentials = self._keychain.find(self._reference.host)
        self._authorization = {"Authorization": authorize(self._asker, answer, self._reference.name, credentials)}
        return self._send(method, path)

    def _send(self, method: str, path: str) -> Answer:
        return self._asker.send(method, self._root.join(path), self._authorization, follow_redirects=True)

    def _claimed(self, answer: Answer) -> str:
        digest = answer.headers[_DIGEST]
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise self._foreign(f"its {_DIGEST} is not sha256: and 64 hex digits")
        return str(digest)

    def _computed(self, answer: Answer) -> str:
        """Return the digest of what was sent; only these media types are hashed byte by byte."""
        if answer.media_type not in _MANIFESTS:
            raise self._foreign(f"what it sent as a manifest is `{answer.media_type}`")
        digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if answer.headers.get(_DIGEST, digest) != digest:
            raise self._foreign(f"its {_DIGEST} is not that of the manifest it sent")
        return digest

    def _check_is_registry(self, answer: Answer) -> None:
        """Tell a registry's 404 from that of anything else, which would know of no image at all."""
        if _SIGN in answer.headers:
            return
        root = self._send("GET", "")
        is_registry = root.status == 200 or (root.status == 401 and "WWW-Authenticate" in root.headers)
        if not is_registry or root.media_type == "text/html":
            raise self._foreign("it answered 404, and `/v2/` is not answered as the API of a registry")

    def _foreign(self, why: str) -> RegistryError:
        text = f"{self._reference.host} is no image registry, or something answers in its place: {why}"
        return RegistryError(f"{text}; see whether the image names the right host")
