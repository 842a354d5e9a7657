"""What is there without an environment, what an environment lacks, and whether the listings can be believed: pure."""

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass

from layersite.model.database import Data
from layersite.model.environment import Environment, Tombstone
from layersite.model.site import Site

__all__ = ["Orphan", "doubts", "doubts_of_clones", "find_lacking", "find_orphans", "too_many"]


@dataclass(frozen=True)
class Orphan:
    """What does not agree, and why; `stone` says what is to be reaped, None if nothing is, or not yet."""

    name: str
    reason: str
    stone: Tombstone | None = None


def find_orphans(
    site: Site,
    current: Mapping[str, Environment | Tombstone],
    namespaces: Mapping[str, str],
    applications: Collection[str],
    cluster: str,
) -> list[Orphan]:
    """Compare the repository with a cluster's `namespaces` (each with its environment's name) and all `applications`.

    Only a namespace that bears the environment's label and the name that the site gives it is ever reaped.
    """
    found = []
    ours = {name: namespace for namespace, name in namespaces.items() if namespace == site.namespace(name)}
    for name in sorted(ours.keys() - current.keys()):
        if site.application(name) in applications:
            text = "its directory is gone, and Argo CD still has its Application, which its ApplicationSet removes"
            found.append(Orphan(name, text))
            continue
        reason = "its namespace is there, and neither its directory nor its Application"
        stone = Tombstone(name=name, cluster=cluster, namespace=ours[name], generation=1, cause="closed", reason=reason)
        found.append(Orphan(name, reason, stone))
    for name, each in sorted(current.items()):
        is_here = isinstance(each, Environment) and each.cluster == cluster
        if is_here and site.application(name) not in applications:
            found.append(
                Orphan(name, "it is committed and Argo CD has no Application for it; `reconcile` tells Argo CD")
            )
    return found


def find_lacking(
    current: Mapping[str, Environment | Tombstone], databases: Collection[str], there: Collection[tuple[str, str]]
) -> dict[str, list[Data]]:
    """Return by environment what is committed of the `databases` and not `there`, as (environment, database)."""
    alive = {name: each.data or {} for name, each in current.items() if isinstance(each, Environment)}
    found = {
        name: [data[database] for database in sorted(data.keys() & databases) if (name, database) not in there]
        for name, data in alive.items()
    }
    return {name: lacking for name, lacking in found.items() if lacking}


def doubts(
    site: Site,
    current: Mapping[str, Environment | Tombstone],
    namespaces: Mapping[str, str],
    applications: Collection[str],
    orphans: Collection[Orphan],
    cluster: str,
    yes: bool,
) -> str:
    """Say why nothing may be removed, nothing if all is well: a listing that lost half cannot be believed.

    `yes` believes the repository, which people can look at, never a listing of the cluster.
    """
    alive = [name for name, each in current.items() if isinstance(each, Environment) and each.cluster == cluster]
    seen = {
        "namespaces": sum(site.namespace(name) in namespaces for name in alive),
        "Applications": sum(site.application(name) in applications for name in alive),
    }
    going = any(orphan.stone for orphan in orphans)
    for what, count in seen.items():
        if (going or len(alive) > 1) and _is_halved(count, len(alive)):
            return f"the cluster shows {what} of {count} of {len(alive)} environments, so its listing is not believed"
    if going and not alive and not yes:
        return "the environments repository holds no environment, which may be a mistake; `--yes` believes it"
    return ""


def doubts_of_clones(owners: Collection[str], known: Container[str], yes: bool) -> str:
    """Say why no clone may be removed, nothing if all is well: a repository that lost half cannot be believed.

    `owners` are the environments of all clones, `known` those that the repository holds. `yes` believes it, as someone
    who looked at the repository can.
    """
    count = sum(owner in known for owner in owners)
    if yes or not _is_halved(count, len(owners)):
        return ""
    text = f"the environments repository knows the environments of {count} of {len(owners)} clones"
    return f"{text}, which may be a mistake; `reap --yes` believes it"


def too_many(
    site: Site, current: Mapping[str, Environment | Tombstone], going: Collection[str], lacking: Collection[str]
) -> str:
    """Say why one run may not remove what is left of `going` or make clones for `lacking`, nothing if it may."""
    alive = sum(isinstance(each, Environment) for each in current.values())
    cap = max(site.safety.removals, alive * site.safety.percent // 100)
    counts = {"what is left of {} environments would go": going, "clones of {} environments would be made": lacking}
    beyond = [text.format(len(names)) for text, names in counts.items() if len(names) > cap]
    return f"{beyond[0]} in one run, more than the cap of {cap}; `--yes` does it" if beyond else ""


def _is_halved(shown: int, known: int) -> bool:
    """Whether a listing shows so little of what another one knows that it is not believed."""
    return shown * 2 < known
