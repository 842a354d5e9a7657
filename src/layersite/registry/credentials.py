"""Credentials where `docker login` keeps them: Docker's configuration file and the helpers that it names."""

import base64
import binascii
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from layersite.model.errors import RegistryError, ToolError
from layersite.process import CommandError, run
from layersite.registry.reference import HUB

__all__ = ["Credentials", "Keychain"]

_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", HUB)
_HELPER_SECONDS = 10
_NOT_FOUND = "credentials not found in native keychain"
"""What every helper prints where it has none for a host (docker-credential-helpers, credentials/error.go)."""
_IDENTITY = "<token>"
"""The user name under which a helper returns an identity token."""


@dataclass(frozen=True)
class Credentials:
    """A user's name and password, or an identity token that a token server takes in their place."""

    username: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The header `Authorization: Basic …`."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class _Received(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _Entry(_Received):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _Config(_Received):
    auths: Mapping[str, _Entry] = {}
    helpers: Mapping[str, str] = Field({}, alias="credHelpers")
    store: str = Field("", alias="credsStore")


class _Printed(_Received):
    username: str = Field(alias="Username")
    secret: str = Field(alias="Secret")


class Keychain:
    """The credentials of `path`, a Docker `config.json` that need not exist; each host is looked up once."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
        self._config: _Config | None = None
        self._found: dict[str, Credentials | None] = {}
        self._lock = threading.Lock()

    def find(self, host: str) -> Credentials | None:
        """Return the credentials for `host`, if there are any. Raises RegistryError if that cannot be known."""
        with self._lock:
            if host not in self._found:
                self._found[host] = self._look_up(_HUB_KEYS if host == HUB else (host,))
            return self._found[host]

    def _look_up(self, keys: tuple[str, ...]) -> Credentials | None:
        self._config = config = self._config or self._read()
        helper = next((config.helpers[key] for key in keys if key in config.helpers), config.store)
        if helper and (credentials := _ask_helper(f"docker-credential-{helper}", keys[0])):
            return credentials
        entries = {**{_host(key): entry for key, entry in config.auths.items()}, **config.auths}
        entry = next((entries[key] for key in keys if key in entries), None)
        return self._credentials(entry, keys[0]) if entry else None

    def _read(self) -> _Config:
        try:
            return _Config.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return _Config()
        except OSError as error:
            raise RegistryError(f"{self._path} cannot be read: {error.strerror}; make it readable") from error
        except ValidationError as error:
            # `from None`: the cause would print what the file holds
            raise RegistryError(f"{self._path} is no Docker configuration ({_first(error)}); mend it") from None

    def _credentials(self, entry: _Entry, key: str) -> Credentials | None:
        username, password = entry.username, entry.password
        if entry.auth:
            try:
                username, _, password = base64.b64decode(entry.auth, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                text = f"{self._path}: `auth` of {key} is not base64 of user:password; run `docker login` again"
                raise RegistryError(text) from None
        is_empty = not username and not entry.identitytoken
        return None if is_empty else Credentials(username, password, entry.identitytoken)


def _host(key: str) -> str:
    """Return the host of a key of `auths`, which older versions of Docker wrote as an address."""
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _first(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['type']}"


def _ask_helper(command: str, key: str) -> Credentials | None:
    """Run a credential helper, which may need all of this process's environment to find what it guards."""
    try:
        said = run([command, "get"], stdin=key.encode(), timeout=_HELPER_SECONDS, env=os.environ)
        answer = _Printed.model_validate(json.loads(said))
    except CommandError as error:
        if error.stdout.strip() == _NOT_FOUND:
            return None
        # `from None`: what a helper printed may be a secret
        text = f"`{command} get` failed with exit code {error.code} for {key}; run it by hand to see why"
        raise RegistryError(text) from None
    except ToolError as error:
        raise RegistryError(f"no credentials for {key}: {error}") from error
    except OSError as error:
        raise RegistryError(f"`{command}` cannot be run: {error.strerror}; install it again") from error
    except ValueError:
        text = f"`{command} get` did not print credentials for {key}; run it by hand to see what it says"
        raise RegistryError(text) from None
    is_identity = answer.username == _IDENTITY
    return Credentials("", "", answer.secret) if is_identity else Credentials(answer.username, answer.secret)
