"""Where a command works: the site's folder, with everything real that the bot of that site speaks to.

Imports stand in functions where they bring a client along: most commands need none, and start faster.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from layersite import __version__
from layersite.access import ARGOCD_TOKEN, WEBHOOK_SECRET, connect, digests, take_token, variable
from layersite.drift import Inspector
from layersite.follow import Follower
from layersite.follow.bring import deliver
from layersite.forge import Conversation, Forge, GitForge
from layersite.forge.tree import GitTrees
from layersite.gate import Gate
from layersite.keep import Keeper
from layersite.model.catalog import Catalog, load_catalog
from layersite.model.database import Brought
from layersite.model.errors import LayersiteError, ToolError
from layersite.model.site import Site, load_site
from layersite.plan import World
from layersite.playbooks import IN_CLUSTER, Playbooks
from layersite.process import FORGE_TOKEN, CommandError, let_git_sign_in, run
from layersite.reap import Reaper
from layersite.reconcile import Bot
from layersite.render import Renderer
from layersite.rollout import Rollout
from layersite.store import FoldingStore, Store

if TYPE_CHECKING:
    from layersite.argocd import ArgoCD
    from layersite.data.choose import Chooser

__all__ = ["Place"]

_SMOKE_SECONDS = 600
_GIT_USERS = {"github": "x-access-token"}
"""With which name git signs in where not every name will do: GitHub wants this one with an app's token."""


@dataclass(frozen=True)
class Place:
    """The folder of a site, which holds `layersite.yaml`."""

    root: Path

    @property
    def cache(self) -> Path:
        """The folder of everything that can be made again."""
        return self.root / ".layersite"

    def load(self) -> tuple[Site, Catalog]:
        """Read the site and its catalog, with repository paths made absolute. Raises InvalidInputError."""
        site, _ = load_site(self.root)
        take_token(site.forge)
        catalog = load_catalog(self.root, site)
        return _with_absolute_urls(site, self.root), catalog

    def store(self, site: Site) -> Store:
        """Return the environments repository, at which git signs in with the forge's token."""
        if site.forge.url is not None:
            let_git_sign_in(site.forge.url, _GIT_USERS.get(site.forge.kind, "layersite"))
        kind = FoldingStore if site.environments.fold else Store
        return kind(site.environments.url, site.environments.branch, self.cache / "store")

    def argocd(self, site: Site) -> "ArgoCD | None":
        """Return the Argo CD that syncs the site, if it names one. Raises LayersiteError if a variable is not set."""
        if site.argocd is None:
            return None
        token = variable(ARGOCD_TOKEN, f"a token of {site.argocd.url}")
        return connect(site.argocd, token, os.environ.get(WEBHOOK_SECRET, ""))

    def forge(self, site: Site, catalog: Catalog) -> tuple[Forge, Conversation | None]:
        """Return where changes come from, and where they are talked about, if anywhere. Raises LayersiteError."""
        parted = {app.repository for app in catalog.apps.values() if app.repository and app.paths}
        if site.forge.url is None:
            return GitForge(site.repositories, site.forge.branch_prefix, self.cache / "forge", parted), None
        from layersite.forge.hosts import HOSTS

        token = variable(FORGE_TOKEN, f"a token of {site.forge.url}")
        forge = HOSTS[site.forge.kind](site.repositories, site.forge.url, token, files_of=parted)
        return forge, forge

    def bot(self, tell: Callable[[str], None]) -> Bot:
        """Return the bot with everything real behind it. Raises LayersiteError."""
        site, catalog = self.load()
        forge, conversation = self.forge(site, catalog)
        store = self.store(site)
        argocd = self.argocd(site)
        has_smoke = argocd is not None and (self.root / "tests" / "smoke").is_dir()
        follower = Follower(
            site=site,
            store=store,
            is_open=lambda change: forge.find(change) is not None,
            argocd=argocd,
            conversation=conversation,
            playbooks=Playbooks(self.root, catalog) if argocd else None,
            smoke=self.smoke if has_smoke else None,
            complete=self.complete if argocd and site.databases else None,
            tell=tell,
        )
        return Bot(
            site=site,
            catalog=catalog,
            forge=forge,
            store=store,
            renderer=Renderer(site, catalog, self.cache / "bases"),
            gate=Gate(site.images, digests(site), follower, _now, tell),
            follower=follower,
            now=_now,
            choose=self.chooser(site) if site.databases else None,
            hold=Rollout(site, argocd, store.manifests_at, has_smoke).hold,
            tell=tell,
        )

    def inspector(self, *, online: bool) -> Inspector:
        """Return what looks for drift, in the cluster too if `online`. Raises LayersiteError."""
        site, catalog = self.load()
        if online and site.argocd is None:
            raise LayersiteError("`argocd` in layersite.yaml names no Argo CD that could be asked; leave out --online")
        world = World(site, catalog, __version__)
        renderer = Renderer(site, catalog, self.cache / "bases")
        return Inspector(world, self.store(site), renderer, self.argocd(site) if online else None)

    def keeper(self) -> Keeper:
        """Return what people decide with how long environments live. Raises LayersiteError."""
        site, _ = self.load()
        return Keeper(site, self.store(site), _now)

    def reaper(self) -> Reaper:
        """Return what compares environments with database servers and, where an Argo CD tells of them, with clusters.

        Raises LayersiteError.
        """
        site, catalog = self.load()
        argocd, store, playbooks = self.argocd(site), self.store(site), Playbooks(self.root, catalog)

        from layersite.cluster.listing import environments_in
        from layersite.data.sweep import Servers

        clusters = sorted(site.clusters) if argocd else []
        return Reaper(
            site=site,
            read=store.read,
            applications=argocd.applications if argocd else list,
            namespaces={each: partial(environments_in, None if each == IN_CLUSTER else each) for each in clusters},
            remove=playbooks.reap,
            servers=Servers(load_site(self.root)[0]),
            make=partial(deliver, store, bring=playbooks.databases, drop=playbooks.drop),
        )

    def chooser(self, site: Site) -> "Chooser":
        """Return what finds the goldens that environments get clones of."""
        from layersite.data.choose import Chooser

        return Chooser(site, GitTrees(site.repositories, self.cache / "trees"))

    def clones(self, site: Site, tell: Callable[[str], None]) -> Mapping[str, Sequence[Brought]]:
        """Return by environment what it has on those database servers that can be asked."""
        if not site.databases:
            return {}
        from layersite.data.look import clones

        return clones(site, load_site(self.root)[0].environments.url, tell)

    def complete(self, brought: Brought) -> Brought:
        """Fill a database that was made empty; return it with its rows. Raises LayersiteError."""
        from layersite.data.fill import complete

        return complete(self.root, brought)

    def smoke(self, name: str) -> tuple[bool, str]:
        """Run the site's smoke tests against the environment `name`; return whether they passed and what they said."""
        argv = [sys.executable, "noxfile.py", "-s", "smoke", "--", name]
        try:
            # They read what is committed.
            token = {FORGE_TOKEN: os.environ[FORGE_TOKEN]} if FORGE_TOKEN in os.environ else {}
            said = run(argv, cwd=self.root, timeout=_SMOKE_SECONDS, env=token).decode("utf-8", "replace")
        except CommandError as error:
            return False, error.stdout[-2000:]
        except ToolError as error:
            return False, str(error)
        return True, next((line for line in reversed(said.splitlines()) if " passed" in line), "")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _with_absolute_urls(site: Site, root: Path) -> Site:
    """Resolve local paths against the site's folder; git itself runs elsewhere."""

    def absolute(url: str) -> str:
        is_remote = "://" in url or re.match(r"[^/]+:", url)
        return url if is_remote else str((root / url).resolve())

    environments = site.environments.model_copy(update={"url": absolute(site.environments.url)})
    repositories = {
        name: repository.model_copy(update={"url": absolute(repository.url)})
        for name, repository in site.repositories.items()
    }
    return site.model_copy(update={"environments": environments, "repositories": repositories})
