"""What was checked of a golden and how it went, without a single value: hashed, and signed under the masking key."""

import hashlib
import hmac
import json
from typing import Annotated

from pydantic import Field

from layersite.model.database import Digest, Moment
from layersite.model.document import Many, Model

__all__ = ["Attestation", "Check", "digest", "is_signed", "sign"]


class Check(Model):
    """One check: what it looked at, how much of it, and what it found wrong (nothing, where it passed)."""

    name: str
    looked_at: int
    """How many columns, references, files or the like it looked at; a check that looked at none proves nothing."""
    problems: Many[str] = ()
    remarks: Many[str] = ()
    """What it could not look at, and why."""


class Attestation(Model):
    """What layersite saw when it built a golden."""

    database: str
    engine: str
    built: Moment
    layersite: str
    source_server: str
    snapshot: str
    """As of which moment the source was read, as it names that moment."""
    server: str
    contract: Digest
    rows: Annotated[int, Field(ge=0)]
    subset: bool
    left_out: Many[str] = ()
    checks: Many[Check]
    key: Digest
    """Tells by which key was masked, without telling the key."""
    signature: str = ""

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong."""
        return [f"{check.name}: {problem}" for check in self.checks for problem in check.problems]


def digest(attestation: Attestation) -> Digest:
    """Return the SHA-256 of the attestation without its signature."""
    body = attestation.model_dump(mode="json", exclude={"signature"})
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sign(attestation: Attestation, key: bytes) -> Attestation:
    """Return it with its signature under `key`."""
    return attestation.model_copy(update={"signature": _signature(attestation, key)})


def is_signed(attestation: Attestation, key: bytes) -> bool:
    """Whether nobody without `key` can have written or changed it."""
    return hmac.compare_digest(attestation.signature, _signature(attestation, key))


def _signature(attestation: Attestation, key: bytes) -> str:
    return hmac.new(key, digest(attestation).encode(), "sha256").hexdigest()
