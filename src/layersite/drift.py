"""What of the committed environments is not what the site says now, by the render lock, and of the running ones.

Nothing is asked for it but the environments repository, and for what runs Argo CD: no forge, no registry.
"""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

from layersite.model.document import near_miss
from layersite.model.environment import Environment, RenderLock
from layersite.model.errors import InvalidInputError, UnknownNameError
from layersite.plan import World, build_environment, changed_parts, is_untouched
from layersite.plan.rest import Rest
from layersite.store import Edit, Entry, Store
from layersite.writer import Renders

if TYPE_CHECKING:
    from layersite.argocd.model import Difference
    from layersite.argocd.received import Application

__all__ = ["Drift", "Finding", "Inspector", "diff"]


@dataclass(frozen=True)
class Finding:
    """One thing that differs: rendered by another version or from other inputs, edited by hand, or running."""

    kind: Literal["version", "inputs", "edited", "live"]
    text: str


@dataclass(frozen=True)
class Drift:
    """One environment of which something differs, with the way from what is there to what should be as a diff."""

    name: str
    findings: tuple[Finding, ...]
    diff: str = ""


class Compares(Protocol):
    """Argo CD, as far as it knows what differs."""

    def applications(self) -> "Mapping[str, Application]":
        """Return every application of the project by name."""

    def differences(self, name: str) -> "tuple[Difference, ...]":
        """Return the objects of one application that are not in the cluster as they were committed."""


@dataclass(frozen=True)
class Inspector:
    """What looks for drift: `world` without what was observed, `argocd` only where the running objects count too."""

    world: World
    store: Store
    renderer: Renders
    argocd: Compares | None = None

    def look(self, names: Collection[str] = (), *, with_diff: bool = False) -> list[Drift]:
        """Return the environments that drifted, of all or of `names`.

        Raises:
            UnknownNameError: one of `names` is no environment.
            StoreError, ArgoCDError: the repository or Argo CD cannot be read.
        """
        entries = self.store.read().entries
        alive = {name: (entry, each) for name, entry in entries.items() if (each := entry.environment)}
        if unknown := [f"`{name}`{near_miss(name, alive)}" for name in names if name not in alive]:
            raise UnknownNameError(f"there is no environment {', '.join(unknown)}")
        applications = self.argocd.applications() if self.argocd else {}
        looked = (self._look(name, *alive[name], with_diff, applications) for name in names or alive)
        return [found for found in looked if found.findings]

    def _look(
        self, name: str, entry: Entry, current: Environment, with_diff: bool, applications: "Mapping[str, Application]"
    ) -> Drift:
        edits = [*self._edits(name, entry)]
        try:
            wanted = as_now(self.world, current)
        except InvalidInputError as error:
            return Drift(name, (Finding("inputs", f"it can no longer be planned: {error}"), *edits))
        found = [*_lock_findings(current.render, wanted.render), *edits]
        text = self._to_render(name, wanted) if found and with_diff else ""
        live = self._live(name, applications)
        found += [Finding("live", finding) for finding, _ in live]
        return Drift(name, tuple(found), text + "".join(each for _, each in live if with_diff))

    def _edits(self, name: str, entry: Entry) -> Iterable[Finding]:
        if _is_as_rendered(entry):
            return
        edits = self.store.edits(name, _is_as_rendered)
        for edit in edits:
            yield Finding("edited", _told(edit))
        if not edits:
            yield Finding("edited", "its files are not as rendered, and the history does not tell by whom")

    def _to_render(self, name: str, wanted: Environment) -> str:
        try:
            fresh = self.renderer.render(wanted)
        except InvalidInputError as error:
            return f"it cannot be rendered now: {error}\n"
        return diff(self.store.files(name), fresh)

    def _live(self, name: str, applications: "Mapping[str, Application]") -> list[tuple[str, str]]:
        """Return what differs in the cluster, each with its diff."""
        if self.argocd is None:
            return []
        application = applications.get(self.world.site.application(name))
        if application is None:
            return [("Argo CD has no Application of it", "")]
        if application.status.sync.status == "Synced":
            return []
        differing = self.argocd.differences(application.name)
        status = application.status.sync.status or "not compared yet"
        return [_shown(each) for each in differing] or [(f"its Application is {status}", "")]


def as_now(world: World, environment: Environment) -> Environment:
    """Return `environment` as the site says now, at the commits and with the images that it has."""
    pinned = [image.partition("@")[::2] for slot in environment.slice.values() for image in slot.images.values()]
    known = replace(world, images={reference: digest or None for reference, digest in pinned})
    rest = Rest(environment.state, environment.call, "")
    parts = environment.name, environment.members, environment, environment.lease, rest, environment.heard
    wanted = build_environment(known, *parts)
    return wanted.model_copy(update={"generation": environment.generation})


def diff(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
    """Return the unified diff between two sets of files."""
    lines: list[str] = []
    for path in sorted(before.keys() | after.keys()):
        old, new = (files.get(path, b"").decode("utf-8", "replace").splitlines() for files in (before, after))
        lines += difflib.unified_diff(old, new, f"committed/{path}", f"rendered/{path}", lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _is_as_rendered(entry: Entry) -> bool:
    return entry.environment is not None and is_untouched(entry.environment, entry.manifests)


def _lock_findings(before: RenderLock | None, after: RenderLock | None) -> Iterable[Finding]:
    if before is None or after is None:
        yield Finding("inputs", "it has no render lock, so nobody knows what it was rendered from")
        return
    if before.layersite != after.layersite:
        yield Finding("version", f"rendered by layersite {before.layersite}, this is {after.layersite}")
    for path in changed_parts(before, after):
        yield Finding("inputs", f"{path} changed since it was rendered")
    if before.parts is None:
        yield Finding("inputs", f"rendered by layersite {before.layersite}, whose lock does not tell from what")


def _told(edit: Edit) -> str:
    files = ", ".join(f"{how} {path}" for how, path in edit.files)
    return f"{files} by {edit.author} in {edit.commit[:12]}: {edit.subject}"


def _shown(difference: "Difference") -> tuple[str, str]:
    what = f"{difference.kind} {difference.name}"
    lines = difflib.unified_diff(
        difference.live.splitlines(),
        difference.wanted.splitlines(),
        f"live/{what}",
        f"committed/{what}",
        lineterm="",
    )
    return f"{what} {difference.how}", "".join(f"{line}\n" for line in lines)
