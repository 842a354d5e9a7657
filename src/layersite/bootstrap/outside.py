"""Do git, the forge and the image registries answer, and may the bot do there what it has to?"""

import tempfile
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from layersite.bootstrap.finding import Area, Check, Finding, ok, skipped, wrong
from layersite.model.catalog import Catalog
from layersite.model.site import EnvironmentsRepository, Site
from layersite.process import CommandError, git
from layersite.store import Snapshot
from layersite.store.refusal import explain

__all__ = ["environments_area", "forge_areas", "registry_areas"]


class Reads(Protocol):
    """The environments repository, as far as it is looked at here."""

    def read(self) -> Snapshot:
        """Return what is committed now. Raises StoreError."""


class Resolves(Protocol):
    """Where changes come from."""

    def resolve(self, repository: str, ref: str) -> str:
        """Return the commit that `ref` names in `repository`. Raises ForgeError."""


class Admits(Protocol):
    """Where the bot speaks."""

    def may_write(self, repository: str) -> bool:
        """Return whether the bot's account may set statuses there. Raises ForgeError."""


Connect = Callable[[], tuple[Resolves, Admits | None]]


def environments_area(site: Site, store: Reads) -> Area:
    """Return the checks of the repository that the bot writes to; nothing is written."""
    return {
        "environments repository": lambda: _readable(site.environments, store),
        "right to push": lambda: _writable(site.environments),
    }


def _readable(repository: EnvironmentsRepository, store: Reads) -> Finding:
    found = store.read()
    if found.commit is None:
        return wrong(f"it has no branch `{repository.branch}`", "push the site there, or name another branch")
    return ok(f"`{repository.branch}` is at {found.commit[:7]} and has {len(found.entries)} environments")


def _writable(repository: EnvironmentsRepository) -> Finding:
    """Have git begin a push and send nothing: the host checks who asks, but not yet what the branch's rules say."""
    with tempfile.TemporaryDirectory() as folder:
        git("init", "--quiet", "--bare", "--", folder)
        try:
            push = ("push", "--quiet", "--dry-run", "--", repository.url, "refs/heads/*:refs/heads/*")
            git(f"--git-dir={folder}", *push, timeout=30)
        except CommandError as error:
            return wrong(f"it takes no push from here: {explain(error.stderr).message}")
    return ok("it takes pushes from here; rules for the branch are seen at the first real one")


def forge_areas(site: Site, connect: Connect) -> list[Area]:
    """Return the checks of each repository that changes are made in, and of the bot's rights there."""
    return [
        {
            f"repository {name}": _resolves(connect, name, repository.branch),
            f"right to speak in {name}": _may_speak(connect, name),
        }
        for name, repository in site.repositories.items()
    ]


def _resolves(connect: Connect, name: str, branch: str) -> Check:
    return lambda: ok(f"`{branch}` is at {connect()[0].resolve(name, branch)[:7]}")


def _may_speak(connect: Connect, name: str) -> Check:
    def check() -> Finding:
        _, forge = connect()
        if forge is None:
            return skipped("plain git has no comments and statuses")
        if not forge.may_write(name):
            mend = "let its account, or the app or token itself, write there, or the bot can set no statuses"
            return wrong("the account of LAYERSITE_FORGE_TOKEN may read only", mend)
        return ok("the token's account may comment and set statuses")

    return check


def registry_areas(
    catalog: Catalog, digests: Callable[[Collection[str]], Mapping[str, str | None]], by_digest: bool
) -> list[Area]:
    """Return one check for each image repository that a tag pattern names: does its registry answer about it?"""
    images = [image for app in catalog.apps.values() for image in app.images if image.tag is not None]
    named = sorted({image.repository or image.name for image in images})
    return [{f"image {name}": _answers(name, digests, by_digest)} for name in named]


def _answers(name: str, digests: Callable[[Collection[str]], Mapping[str, str | None]], by_digest: bool) -> Check:
    """Return the check that asks for a tag that nobody has: `no` is a whole answer, from who may be asked."""

    def check() -> Finding:
        if not by_digest:
            return skipped("`images.by_digest` is off, so no registry is asked")
        digests([f"{name}:layersite-doctor"])
        return ok("its registry answers")

    return check
