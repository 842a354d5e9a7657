"""Signing in as a registry asks for it: a token from the server that it names, or a user and password each time."""

import re
from typing import Annotated
from urllib.request import parse_http_list

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from layersite.model.errors import RegistryError
from layersite.registry.credentials import Credentials
from layersite.registry.http import Answer, Asker, refusal

__all__ = ["authorize"]

_CLIENT = "layersite"
_Printable = Annotated[str, Field(pattern=re.compile(r"\A[\x21-\x7e]*\Z"))]


class _Token(BaseModel):
    """A token server's answer; which of the two names it uses depends on its age."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)
    token: _Printable = ""
    access_token: _Printable = ""


def authorize(asker: Asker, challenged: Answer, name: str, credentials: Credentials | None) -> str:
    """Return the `Authorization` header that a pull from repository `name` takes, after a 401. Raises RegistryError."""
    place = challenged.url.netloc.decode()
    challenges = _challenges(challenged.headers)
    if "bearer" in challenges:
        return f"Bearer {_token(asker, place, name, challenges['bearer'], credentials)}"
    if "basic" not in challenges:
        text = f"{place} answered 401 and asks neither for Bearer nor for Basic; see whether a proxy answers for it"
        raise RegistryError(text)
    if credentials is None or not credentials.username:
        text = f"{place} wants a user and a password, and there are none; run `docker login {place}` where the bot runs"
        raise RegistryError(text)
    return credentials.basic


def _challenges(headers: httpx.Headers) -> dict[str, dict[str, str]]:
    """Return the parameters of each scheme that the server offers."""
    challenges: dict[str, dict[str, str]] = {}
    for line in headers.get_list("WWW-Authenticate"):
        scheme, _, rest = line.strip().partition(" ")
        pairs = (part.partition("=") for part in parse_http_list(rest))
        challenges.setdefault(scheme.lower(), {key.lower(): value.strip('"') for key, _, value in pairs})
    return challenges


def _token(asker: Asker, place: str, name: str, challenge: dict[str, str], credentials: Credentials | None) -> str:
    try:
        realm = httpx.URL(challenge.get("realm", ""))
    except httpx.InvalidURL:
        realm = httpx.URL()
    if not realm.host:
        raise RegistryError(f"{place} names no token server that can be asked; see whether a proxy answers for it")
    asked = {"service": challenge.get("service", ""), "scope": challenge.get("scope") or f"repository:{name}:pull"}
    if credentials is not None and credentials.identity_token:
        secret = {"grant_type": "refresh_token", "client_id": _CLIENT, "refresh_token": credentials.identity_token}
        answer = asker.send("POST", realm, {}, form={**asked, **secret})
    else:
        headers = {"Authorization": credentials.basic} if credentials else {}
        answer = asker.send("GET", realm.copy_merge_params(asked), headers)
    if answer.status != 200:
        raise refusal(f"{realm.netloc.decode()}, the token server of {place},", name, answer.status)
    return _read_token(answer)


def _read_token(answer: Answer) -> str:
    try:
        received = _Token.model_validate_json(answer.body)
    except ValidationError:
        received = _Token()
    if token := received.token or received.access_token:
        return token
    # neither the answer nor the cause is shown: they may hold a token
    raise RegistryError(
        f"{answer.url.netloc.decode()} answered 200, but sent no token; see whether a proxy answers for it"
    )
