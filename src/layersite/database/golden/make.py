"""From a contract to a published golden: check, build, verify, publish; a golden that fails anything never exists."""

import hashlib
import hmac
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from layersite import __version__
from layersite.database.contract import Contract, as_data, check, propose, unlisted
from layersite.database.golden.api import Draft, Engine, Server, Source
from layersite.database.golden.attestation import Attestation, Check, digest, is_signed, sign
from layersite.model.database import Golden, golden_name
from layersite.model.document import Document
from layersite.model.errors import DatabaseError, InvalidInputError, LayersiteError, Problem, UnknownNameError
from layersite.model.site import Migrations
from layersite.model.yaml import dump

__all__ = ["Made", "UncoveredError", "Verdict", "Wish", "build", "cover", "subkey", "verify"]

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Wish:
    """What to make a golden of; with `fresh`, one of this contract that is no older is enough."""

    database: str
    contract: Contract
    document: Document
    engine: Engine
    key: str = field(repr=False)
    keep: int = 3
    migrations: Migrations | None = None
    fresh: timedelta = timedelta(0)

    @property
    def contract_digest(self) -> str:
        """The SHA-256 of what the contract says, whatever its spelling."""
        return hashlib.sha256(self.contract.model_dump_json().encode()).hexdigest()


@dataclass(frozen=True)
class Made:
    """A golden and what was attested of it; whether it was built now, and the older ones that went for it."""

    golden: Golden
    attestation: Attestation
    is_new: bool = True
    dropped: tuple[str, ...] = ()


class UncoveredError(InvalidInputError):
    """The contract does not cover the schema; `proposal` is what could be added to it."""

    def __init__(self, problems: list[Problem], proposal: str) -> None:
        super().__init__(problems)
        self.proposal = proposal

    def __str__(self) -> str:
        if not self.proposal:
            return super().__str__()
        return f"{super().__str__()}\n\nWhat is not listed could become, once somebody has judged it:\n{self.proposal}"


def subkey(key: str, purpose: str) -> bytes:
    """Return the key for one purpose that follows from the key of the database."""
    return hmac.digest(key.encode(), purpose.encode(), "sha256")


def build(wish: Wish, now: datetime, tell: Tell, dry_run: bool = False) -> Made | None:
    """Build, verify and publish a golden, and drop the oldest ones that nobody uses; a dry run returns None.

    Raises:
        UncoveredError: the contract does not cover the schema.
        DatabaseError: a server refuses something, or the golden fails a check. Nothing is left that anyone can use.
    """
    with wish.engine.open_server() as server, wish.engine.open_source() as source:
        cover(wish, source)
        tell(f"the contract covers {len(source.schema.relations)} relations")
        if (enough := _fresh(wish, server, now)) is not None:
            return enough
        if dry_run:
            return None
        for name in server.clean():
            tell(f"dropped {name}, which a build that was stopped has left")
        draft = server.fill(source, wish.contract)
        try:
            tell(f"brought {draft.rows} masked rows")
            found = server.verify(draft.name, source, wish.contract)
            golden, attestation = _publish(wish, source, server, draft, found, now)
        except BaseException:
            with suppress(LayersiteError):
                server.drop(draft.name)
            raise
        tell(f"published {golden.name}")
        return Made(golden, attestation, dropped=_keep(wish, server, golden.name))


def _fresh(wish: Wish, server: Server, now: datetime) -> Made | None:
    for golden, attestation in server.goldens():
        age = now - datetime.fromisoformat(golden.built)
        if attestation and golden.contract == wish.contract_digest and age <= wish.fresh:
            return Made(golden, attestation, is_new=False)
    return None


def cover(wish: Wish, source: Source) -> None:
    """Stop where the contract does not say all that it must. Raises UncoveredError."""
    if problems := check(source.schema, wish.contract, wish.document):
        missing = unlisted(source.schema, wish.contract)
        proposed = {name: listed for name, listed in propose(source.schema, source.samples).items() if name in missing}
        some = {
            name: {key: listed[key] for key in missing[name]} if isinstance(listed, dict) and missing[name] else listed
            for name, listed in proposed.items()
        }
        raise UncoveredError(problems, dump({"relations": as_data(some)}) if some else "")


def _publish(
    wish: Wish, source: Source, server: Server, draft: Draft, checks: tuple[Check, ...], now: datetime
) -> tuple[Golden, Attestation]:
    attestation = Attestation(
        database=wish.database,
        engine=wish.engine.name,
        built=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        layersite=__version__,
        source_server=source.version,
        snapshot=source.snapshot,
        server=server.version,
        contract=wish.contract_digest,
        rows=draft.rows,
        subset=wish.contract.subset is not None,
        left_out=draft.left_out,
        checks=checks,
        key=hashlib.sha256(subkey(wish.key, "fingerprint")).hexdigest(),
    )
    if attestation.problems:
        raise DatabaseError("the golden failed its checks and was dropped:\n" + "\n".join(attestation.problems))
    signed = sign(attestation, subkey(wish.key, "sign"))
    golden = Golden(
        name=golden_name(wish.database, digest(signed)),
        database=wish.database,
        engine=wish.engine.name,
        built=signed.built,
        contract=signed.contract,
        attestation=digest(signed),
        server=signed.server,
        migrations=source.applied(wish.migrations.tool, wish.migrations.table) if wish.migrations else (),
        bytes=server.size(draft.name),
        rows=draft.rows,
    )
    server.publish(draft.name, golden, signed)
    return golden, signed


def _keep(wish: Wish, server: Server, newest: str) -> tuple[str, ...]:
    """Drop all but the newest goldens, never one that a clone rests on."""
    older = [golden.name for golden, _ in server.goldens() if golden.name != newest]
    used = server.used()
    gone = tuple(name for name in older[wish.keep - 1 :] if name not in used)
    for name in gone:
        server.drop(name)
    return gone


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a golden, and what could not be looked at."""

    problems: tuple[str, ...] = ()
    remark: str = ""


def verify(wish: Wish, name: str | None = None) -> dict[str, Verdict]:
    """Judge each golden of the database, or `name`: its attestation, and what it holds now.

    Raises:
        UnknownNameError: there is no golden `name`.
        DatabaseError: the server refuses something.
    """
    with wish.engine.open_server() as server:
        server.clean()
        goldens = [(golden, said) for golden, said in server.goldens() if name in (None, golden.name)]
        if name is not None and not goldens:
            raise UnknownNameError(f"there is no golden {name} of {wish.database}; `layersite golden list` shows all")
        return {golden.name: _judge(wish, server, golden, said) for golden, said in goldens}


def _judge(wish: Wish, server: Server, golden: Golden, attestation: Attestation | None) -> Verdict:
    if attestation is None:
        return Verdict(("it has no attestation",))
    if digest(attestation) != golden.attestation:
        return Verdict(("its attestation is not the one that it names",))
    if not is_signed(attestation, subkey(wish.key, "sign")):
        return Verdict(("its attestation is not signed by the key of this database",))
    if golden.contract != wish.contract_digest:
        return Verdict(remark="its rows, for it was built by another contract than the present one")
    checks = server.verify_again(golden.name, wish.contract)
    return Verdict(tuple(f"{check.name}: {each}" for check in checks for each in check.problems))
