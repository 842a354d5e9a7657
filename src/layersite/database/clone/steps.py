"""How a clone comes to be, in steps that may be interrupted anywhere and begun again: the same for every engine.

It is made under a private name and gets its own only when it is complete, so a database with a clone's name is one.
"""

import secrets
import string
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta

from layersite.database.clone.api import Engine, Order, Taken, private_name
from layersite.model.database import Clone, Golden
from layersite.model.errors import DatabaseError

__all__ = ["admit", "doomed", "provide", "reap"]

_LETTERS = string.ascii_letters + string.digits
_LENGTH = 32


def provide(engine: Engine, order: Order, *, dry_run: bool = False) -> tuple[Clone, bool]:
    """Make the clone of `order` unless it is there; return it, and whether anything had to be done.

    Raises:
        DatabaseError: there is no such golden, the name is taken by something else, or the server refuses.
    """
    with engine.locked(order.name):
        records = engine.records()
        found, golden = records.get(order.name), records.get(order.golden)
        _refuse_foreign(order, found, is_there=engine.has(order.name))
        if isinstance(found, Clone) and found.golden == order.golden and not order.reset:
            return found, _mend(engine, order, dry_run=dry_run)
        if not isinstance(golden, Golden):
            text = f"there is no golden `{order.golden}` of `{order.database}` on its server"
            raise DatabaseError(f"{text}; `clone {order.environment} --reset` takes the newest")
        return (_planned(order) if dry_run else _make(engine, order)), True


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
    """Remove the databases and the role of one clone."""
    with engine.locked(found.name):
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
    """Take away what a killed run left beside the clone, and give it its role back; return whether it was so."""
    private = private_name(order.name, order.prefix)
    is_littered = engine.has(private)
    if is_littered and not dry_run:
        engine.drop(private)
    return is_littered or (not dry_run and engine.ensure_role(order))


def _make(engine: Engine, order: Order) -> Clone:
    private = private_name(order.name, order.prefix)
    engine.drop(private)
    engine.ensure_role(order)
    copied = engine.copy(order.golden, private, order.name)
    engine.hand_over(private, order.name, order.quiet)
    clone = _planned(order).model_copy(update={"method": copied.method, "seconds": copied.seconds})
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
        built=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
