"""A bot at a rim of its own; in a process of its own it does one thing, at which it may be killed."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from layersite import by_name
from layersite.follow import Follower, Stores
from layersite.follow.bring import deliver
from layersite.forge.gitea import GiteaForge
from layersite.gate import Gate
from layersite.keep import Keeper
from layersite.model.app import App
from layersite.model.site import Images, Site
from layersite.reap import Reaper
from layersite.reconcile import Bot
from layersite.store import FoldingStore, Store

from ..forge.fake_gitea import TOKEN
from ..plan.conftest import make_catalog, make_site
from ..test_latest_wins import Renders
from .rim import Argo, Books, Cluster, Fate

NAME = "shop-1"
WEB = App.model_validate(
    {"repository": "shop", "base": {"directory": "base"}, "needs": [{"database": "stock", "as": "DATABASE_URL"}]}
)


def make_shop(folder: Path, **settings: Any) -> Site:
    """Return a site with everything that is spoken to: a forge, an Argo CD, a database server."""
    return make_site(
        environments={"url": str(folder / "environments.git")},
        repositories={"shop": {"url": "https://git.example.com/acme/shop.git"}},
        databases={"stock": {"host": "postgres.databases.svc"}},
        argocd={"url": "https://argocd.example.com"},
        lease={"change_hours": 72},
        **settings,
    )


def make_bot(site: Site, url: str, store: Stores, argocd: Argo, now: Callable[[], datetime]) -> Bot:
    """Return a bot of `site` as after a start, whose forge is at `url`."""
    forge = GiteaForge(site.repositories, url, TOKEN, files_of=(), timeout=300)
    follower = Follower(
        site=site,
        store=store,
        is_open=lambda change: forge.find(change) is not None,
        argocd=argocd,
        conversation=forge,
        playbooks=Books(argocd.cluster),
    )
    gate = Gate(Images(by_digest=False), lambda references: {}, follower, now, lambda step: None)
    return Bot(site, make_catalog(web=WEB), forge, store, Renders(), gate, follower, now)


def work(folder: Path, url: str, kind: str, verb: str) -> None:
    """Do what `verb` says in the site of `folder`, whose forge is at `url`."""
    fate = Fate(folder.parent / "fate")
    fate.meet()
    site, now = make_shop(folder), datetime(2026, 1, 2, tzinfo=UTC)
    store_of = {kind.__name__: kind for kind in (Store, FoldingStore)}[kind]
    store = store_of(site.environments.url, "main", folder / "cache", sleep=lambda seconds: None)
    cluster = Cluster(folder / "cluster", fate.step)
    argocd = Argo(cluster, folder / "environments.git")
    bot = make_bot(site, url, store, argocd, lambda: now)
    namespaces = {namespace: namespace.removeprefix("env-") for namespace in cluster.held("namespaces")}
    look, books = {"in-cluster": lambda: namespaces}, Books(cluster)
    make = partial(deliver, store, bring=books.databases, drop=books.drop)
    reaper = Reaper(site, store.read, argocd.applications, look, books.reap, cluster, make)
    verbs: dict[str, Callable[[], object]] = {
        "reconcile": bot.reconcile,
        "teardown": lambda: by_name.teardown(bot, NAME),
        "sleep": lambda: by_name.call(bot, NAME, "asleep", None, "qa"),
        "pin": lambda: Keeper(site, store, lambda: now).pin(NAME, "qa", "demo"),
        "reap": reaper.reap,
    }
    verbs[verb]()
