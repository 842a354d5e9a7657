"""What an environment should be: its members, its slice with commits and images, its hosts, and its render lock."""

from collections.abc import Iterable, Mapping

from layersite.model.catalog import Catalog
from layersite.model.change import Change
from layersite.model.database import Data, clone_name
from layersite.model.environment import Environment, Lease, Member, Slot
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.names import BASELINE, fit
from layersite.model.site import Site
from layersite.plan.images import choose_images
from layersite.plan.lock import lock
from layersite.plan.rest import AWAKE, Rest
from layersite.plan.slice import decide_slice, touched_apps
from layersite.plan.world import World

__all__ = [
    "baseline_members",
    "build_environment",
    "change_members",
    "host",
    "relock",
]


def change_members(changes: Iterable[Change], catalog: Catalog) -> tuple[Member, ...]:
    """Return one member for each change that touches an app.

    Raises:
        InvalidInputError: two changes touch one app, of which an environment can show only one commit.
    """
    owner: dict[str, Change] = {}
    members = []
    for change in changes:
        apps = touched_apps(change, catalog)
        for app in apps:
            if app in owner:
                text = f"{owner[app]} and {change} both change `{app}`; an environment can show only one of them"
                raise InvalidInputError([Problem(str(change), 0, "", text)])
            owner[app] = change
        if apps:
            members.append(
                Member(
                    repository=change.repository,
                    number=change.number,
                    branch=change.branch,
                    sha=change.sha,
                    url=change.url,
                    apps=apps,
                    author=change.author,
                )
            )
    return tuple(members)


def baseline_members(world: World) -> tuple[Member, ...]:
    """Return the default branch of every repository that has an app."""
    members = []
    for name, repository in sorted(world.site.repositories.items()):
        if apps := tuple(sorted(world.catalog.of_repository(name))):
            sha = world.heads[name]
            members.append(Member(repository=name, branch=repository.branch, sha=sha, apps=apps, change=False))
    return tuple(members)


def build_environment(
    world: World,
    name: str,
    members: tuple[Member, ...],
    current: Environment | None,
    lease: Lease | None,
    rest: Rest = AWAKE,
    heard: int | None = None,
) -> Environment:
    """Return the environment that `members` ask for, as generation 1 and with the manifests' hash still empty.

    The commit of an isolated app that no member changed stays as it is in `current` while the members do not move:
    a merge to a default branch does not restart every environment.

    Raises:
        InvalidInputError: the slice cannot be made.
    """
    by_app = {app: member for member in members for app in member.apps}
    slots = _baseline_slots(world, by_app) if name == BASELINE else _slots(world, by_app)
    kept = current.slice if current is not None and current.members == members else {}
    before = current.slice if current is not None else {}
    filled = {
        app: _fill(world, app, slot, by_app.get(app), kept.get(app), before.get(app)) for app, slot in slots.items()
    }
    exposed = [app for app, slot in filled.items() if slot.provision == "isolated" and world.catalog.apps[app].expose]
    wanted = Environment(
        name=name,
        cluster=current.cluster if current and current.cluster in world.site.clusters else world.site.cluster.name,
        namespace=world.site.namespace(name),
        members=members,
        slice=filled,
        urls={app: f"{world.site.exposure.scheme}://{host(world.site, name, app)}" for app in sorted(exposed)},
        data=_data(world, name, members, filled, current) or None,
        lease=lease,
        state=rest.state,
        call=rest.call,
        heard=heard,
    )
    return relock(world, wanted)


def relock(world: World, wanted: Environment) -> Environment:
    """Return `wanted` with the lock of all that its manifests are made from, which a generation does not change."""
    made_from = wanted.model_copy(update={"render": None, "generation": 1})
    return wanted.model_copy(update={"render": lock(world.site, world.catalog, world.version, made_from)})


def _data(
    world: World, name: str, members: tuple[Member, ...], slots: Mapping[str, Slot], current: Environment | None
) -> dict[str, Data]:
    """Return what its isolated apps need of databases, and what they needed before: it goes with the environment.

    A golden once chosen stays, unless the environment is being reset or its commits no longer suit it.
    """
    isolated = [app for app, slot in slots.items() if slot.provision == "isolated"]
    before = (current.data if current else None) or {}
    needed = {database for app in isolated for database in world.catalog.apps[app].databases} | set(before)
    kept = {} if name in world.resetting else before
    known = sorted(needed & set(world.site.databases))
    shown = current.members if current else ()
    return {database: _chosen(world, name, members, database, kept.get(database), shown) for database in known}


def _chosen(
    world: World, name: str, members: tuple[Member, ...], database: str, kept: Data | None, shown: tuple[Member, ...]
) -> Data:
    bare = Data(name=clone_name(world.site.cluster.namespace_prefix, name, database))
    if world.choose is None or (kept and shown == members):
        return kept or bare
    suited = world.choose(database, members, kept, shown)
    if suited is None:
        return kept or bare
    golden, again = suited.golden, kept.again if kept else None
    return Data(
        name=bare.name,
        golden=golden.name if golden else None,
        attestation=golden.attestation if golden else None,
        migration=golden.migrations[-1] if golden and golden.migrations else None,
        again=(again or 0) + 1 if suited.is_anew else again,
        notes=suited.notes or None,
    )


def host(site: Site, environment: str, app: str) -> str:
    """Return the host name of `app` in `environment`; its first label has at most 63 characters."""
    return f"{fit(f'{environment}--{app}', 63)}.{site.exposure.domain}"


def _slots(world: World, by_app: Mapping[str, Member]) -> dict[str, Slot]:
    changed = {app: str(member) for app, member in by_app.items() if app in world.catalog.apps}
    return decide_slice(changed, world.site, world.catalog)


def _baseline_slots(world: World, by_app: Mapping[str, Member]) -> dict[str, Slot]:
    return {
        name: Slot(provision="isolated" if app.external is None else "external", reason="the baseline runs every app")
        for name, app in world.catalog.apps.items()
    }


def _fill(world: World, name: str, slot: Slot, member: Member | None, kept: Slot | None, before: Slot | None) -> Slot:
    """Add the commit and the images of an isolated app; `before` is its slot until now, whose digests still hold."""
    app = world.catalog.apps[name]
    if slot.provision != "isolated":
        return slot
    sha = member.sha if member else (kept and kept.sha) or world.heads.get(app.repository or "")
    branch = member.branch if member else world.site.repositories[app.repository].branch if app.repository else ""
    number = member.number if member else None
    images = choose_images(world, app, sha, branch, number, before.images if before else {})
    return slot.model_copy(update={"sha": sha, "images": images})
