"""How a clone comes to be, in steps that may be interrupted anywhere and begun again: the same for every engine.

It is made under a private name and gets its own only when it is complete, so a database with a clone's name is one.
"""

import secrets
import string
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta

from layersite.database.clone.api import Engine, Order, Taken, private_name
from layersite.model.contract import Quiet
from layersite.model.database import Clone, Golden
from layersite.model.errors import DatabaseError

__all__ = ["admit", "doomed", "provide", "reap"]

_LETTERS = string.ascii_letters + string.digits
_LENGTH = 32


def provide(
    engine: Engine, order: Order, *, fetch: Callable[[], None] | None = None, dry_run: bool = False
) -> tuple[Clone, bool]:
    """Make the clone of `order` unless it is there; return it, and whether anything had to be done.

    A golden that is not on the server is brought by `fetch`, if there is one.

    Raises:
        DatabaseError: there is no such golden, the name is taken by something else, or the server refuses.
    """
    with engine.locked(order.name):
        records = engine.records()
        found = records.get(order.name)
        is_here = order.golden is None or isinstance(records.get(order.golden), Golden)
        _refuse_foreign(order, found, is_there=engine.has(order.name) and not engine.has_begun(order.name))
        is_right = isinstance(found, Clone) and (found.golden, found.again) == (order.golden, order.again)
        if isinstance(found, Clone) and is_right and not order.reset:
            return found, _mend(engine, order, dry_run=dry_run)
        if not is_here and fetch is None:
            text = f"there is no golden `{order.golden}` of `{order.database}` on its server"
            raise DatabaseError(f"{text}; `clone {order.environment} --reset` takes the newest")
        if dry_run:
            return _planned(order), True
        if is_here or fetch is None:
            return _make(engine, order), True
        fetch()
        return _make(engine, order, "parallel restore of the golden, then "), True


def admit(engine: Engine, name: str, password: str | None, *, dry_run: bool = False) -> str:
    """Return the password with which the clone's role signs in: `password` if that works, else a new one."""
    if password is not None and engine.can_sign_in(name, password):
        return password
    chosen = password or "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    if not dry_run:
        engine.set_password(name, chosen)
    return chosen


def doomed(
    taken: Iterable[Taken], going: Collection[str], living: Collection[str] | None, now: datetime, grace: timedelta
) -> list[Taken]:
    """Return what is to be removed: all of the environments in `going`; with `living`, also what no living one has.

    What is younger than `grace` is left alone then, for its environment may be newer than the list of the living.
    """

    def is_orphan(found: Taken) -> bool:
        if living is None or found.environment in living:
            return False
        return found.built is None or now - datetime.fromisoformat(found.built) > grace

    return [found for found in taken if found.environment in going or is_orphan(found)]


def reap(engine: Engine, found: Taken) -> None:
    """Remove the databases and the role of one clone, unless another run has made it anew since it was found."""
    with engine.locked(found.name):
        record = engine.records().get(found.name)
        if isinstance(record, Clone) and record.built != found.built:
            return
        for name in found.databases:
            engine.drop(name)
        engine.drop_role(found.name)


def _refuse_foreign(order: Order, found: object, *, is_there: bool) -> None:
    if isinstance(found, Clone) and (found.site, found.environment) != (order.site, order.environment):
        text = f"the database `{order.name}` is that of {found.environment} of the site {found.site}"
        raise DatabaseError(f"{text}; give this site a `namespace_prefix` of its own in layersite.yaml")
    if is_there and not isinstance(found, Clone):
        text = f"there is a database `{order.name}` that layersite did not make; it was not touched"
        raise DatabaseError(f"{text}: rename it, or give the site another `namespace_prefix`")


def _mend(engine: Engine, order: Order, *, dry_run: bool) -> bool:
    """Take away what a killed run left beside the clone, give it role and server back; return whether it was so."""
    private = private_name(order.name, order.prefix)
    is_littered = engine.has(private)
    if is_littered and not dry_run:
        engine.drop(private)
    is_lacking = not dry_run and engine.ensure_role(order)
    return engine.revive(order.name, dry_run=dry_run) or is_littered or is_lacking


def _make(engine: Engine, order: Order, first: str = "") -> Clone:
    private = private_name(order.name, order.prefix)
    engine.drop(private)
    engine.ensure_role(order)
    copied = engine.copy(order.golden, private, order.name)
    engine.hand_over(private, order.name, order.quiet if order.golden else Quiet())
    method = first + copied.method
    update = {"method": method, "seconds": copied.seconds, "instance": copied.instance}
    clone = _planned(order).model_copy(update=update)
    engine.publish(private, clone)
    return clone


def _planned(order: Order) -> Clone:
    return Clone(
        name=order.name,
        site=order.site,
        environment=order.environment,
        database=order.database,
        golden=order.golden,
        method="",
        seconds=0.0,
        again=order.again,
        built=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    )
