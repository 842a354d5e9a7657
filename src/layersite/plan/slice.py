"""How each app that an environment touches is provided, and the evidence for it."""

from collections import deque
from collections.abc import Iterable, Mapping

from pathspec import GitIgnoreSpec

from layersite.model.catalog import Catalog
from layersite.model.change import Change
from layersite.model.environment import Slot
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.site import Provision, Site

__all__ = ["decide_slice", "touched_apps"]


def touched_apps(change: Change, catalog: Catalog) -> tuple[str, ...]:
    """Return the apps of the change's repository whose `paths` match a changed file, sorted.

    An app without `paths` owns its whole repository; a change whose files are not known touches all its apps.
    """
    touched = []
    for name, app in catalog.of_repository(change.repository).items():
        if not app.paths or change.files is None or _match(app.paths, change.files):
            touched.append(name)
    return tuple(sorted(touched))


def _match(paths: Iterable[str], files: Iterable[str]) -> bool:
    spec = GitIgnoreSpec.from_lines(paths)
    return any(spec.match_file(file) for file in files)


def decide_slice(changed: Mapping[str, str], site: Site, catalog: Catalog) -> dict[str, Slot]:
    """Return the slot of every app that the environment touches.

    `changed` maps each changed app to the change's own name, for the evidence. Changed apps are isolated, and so is
    every app that calls one, up to the exposed ones. What isolated apps need is provided by the needed app's policy,
    else by the site's. Cycles are legal.

    Raises:
        InvalidInputError: an app would have to be mocked, which this version cannot do.
    """
    slots = {
        app: Slot(provision="isolated", reason=_chain_reason(chain, changed))
        for app, chain in _callers_up_to_exposed(changed, catalog).items()
    }
    waiting = deque(sorted(slots))
    while waiting:
        user = waiting.popleft()
        for needed in sorted(catalog.apps[user].calls - slots.keys()):
            slots[needed] = _needed_slot(needed, user, site, catalog)
            if slots[needed].provision == "isolated":
                waiting.append(needed)
    return slots


def _callers_up_to_exposed(changed: Iterable[str], catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Return for each app that must be isolated the shortest chain of calls from it to a changed app."""
    callers: dict[str, set[str]] = {name: set() for name in catalog.apps}
    for caller, app in catalog.apps.items():
        for called in app.calls:
            callers[called].add(caller)
    chains: dict[str, tuple[str, ...]] = {app: (app,) for app in sorted(changed)}
    waiting = deque(chains)
    while waiting:
        called = waiting.popleft()
        if catalog.apps[called].expose is not None:
            continue
        for caller in sorted(callers[called] - chains.keys()):
            chains[caller] = (caller, *chains[called])
            waiting.append(caller)
    return chains


def _chain_reason(chain: tuple[str, ...], changed: Mapping[str, str]) -> str:
    end = f"changed in {changed[chain[-1]]}"
    if len(chain) == 1:
        return f"it {end}"
    calls = ", which calls ".join(f"`{app}`" for app in chain[1:])
    return f"it calls {calls}, which {end}"


def _needed_slot(needed: str, user: str, site: Site, catalog: Catalog) -> Slot:
    app = catalog.apps[needed]
    provision: Provision = "external" if app.external is not None else app.provide or site.dependencies
    if provision == "mock":
        text = f"`{user}` needs `{needed}` as a mock, which this version cannot make; use `shared` or `isolated`"
        raise InvalidInputError([Problem(f"apps/{needed}/app.yaml", 0, "provide", text)])
    policy = "the site's policy" if app.provide is None and app.external is None else "its policy"
    return Slot(provision=provision, reason=f"`{user}` needs it, and {policy} is {provision}")
