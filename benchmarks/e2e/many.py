"""Many small environments in one push: those that layersite renders and commits, and those that Argo CD alone needs."""

import shutil
import time
from collections.abc import Callable

from benchmarks.e2e.measure import Bench
from benchmarks.e2e.sides import Side, application_set
from layersite import __version__
from layersite.argocd import ArgoCD
from layersite.model.environment import Member
from layersite.model.yaml import dump
from layersite.place import Place
from layersite.plan import World, build_environment
from layersite.store import Write, directory_of
from tests.e2e.team import Team
from tests.template.helpers import git

__all__ = ["TINY", "argo_cd_alone", "layersite_alone", "measure_many"]

TINY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tiny"}, "data": {"text": "hello"}}
Push = Callable[[list[str], list[str]], float]
"""Adds and removes the environments of these names and tells Argo CD; returns when the push was done."""


def measure_many(bench: Bench, side: Side, count: int, push: Push) -> None:
    """Add and remove `count` environments, each in one push."""
    names = [f"many-{number}" for number in range(count)]
    start = time.monotonic()
    pushed = push(names, [])
    bench.seconds[f"{count} environments: write, commit and push", side.name] += [pushed - start]
    since = {f"{side.prefix}{name}": pushed for name in names}
    healthy = bench.follow(side, f"{count} in one push", since, {"Application": "Application", "Healthy": "Healthy"})
    bench.seconds[f"{count} in one push -> all Healthy", side.name] += [max(healthy.values()) - pushed]
    removed = dict.fromkeys(since, push([], names))
    gone = {"Application gone": "Application gone", **({"namespace gone": "namespace gone"} if side.commits else {})}
    bench.follow(side, f"{count} removed in one push", removed, gone)


def layersite_alone(team: Team) -> Push:
    """Return what has the bot's renderer, store and nudge do it; each environment gets its quota and policies too."""
    base = team.site / "apps" / "tiny" / "base"
    base.mkdir(parents=True)
    (base / "all.yaml").write_text(dump(TINY), encoding="utf-8")
    (base.parent / "app.yaml").write_text(dump({"base": {"directory": "base"}}), encoding="utf-8")
    bot = Place(team.site).bot(lambda step: None)
    world = World(bot.site, bot.catalog, __version__)
    member = Member(repository="tiny", branch="main", sha="a" * 40, apps=("tiny",))

    def push(added: list[str], removed: list[str]) -> float:
        before = bot.store.read()
        trees = {name: entry.tree for name, entry in before.entries.items()}
        files = {name: bot.renderer.render(build_environment(world, name, (member,), None, None)) for name in added}
        writes = [Write(name, files.get(name), trees.get(name), name) for name in (*added, *removed)]
        done = bot.store.commit(writes, f"{len(writes)} environments")
        moment = time.monotonic()
        assert done.commit is not None
        bot.follower.nudge(before.commit, done.commit, done.written)
        return moment

    return push


def argo_cd_alone(side: Side, argocd: ArgoCD, manifests: str) -> Push:
    """Return what writes `manifests` with git, for a git files generator; Argo CD makes the namespaces."""
    files = [{"path": "environments/*/*/environment.yaml"}]
    generator = {"git": {"repoURL": side.url, "revision": "refs/heads/main", "files": files}}
    source = {"repoURL": side.url, "targetRevision": "refs/heads/main", "path": "{{ .path.path }}/manifests"}
    made = application_set(generator, f"{side.prefix}{{{{ .path.basename }}}}", source)
    side.team.bed.kubectl("apply", "-f-", stdin=made)

    def push(added: list[str], removed: list[str]) -> float:
        before = git(side.folder, "rev-parse", "HEAD").strip()
        if removed:
            shutil.rmtree(side.folder / "environments")
        contents = {f"{directory_of(name)}/environment.yaml": dump({"name": name}) for name in added}
        contents |= {f"{directory_of(name)}/manifests/all.yaml": manifests for name in added}
        after = side.commit("main", "main", contents)
        moment = side.push("main")
        paths = [f"{directory_of(name)}/environment.yaml" for name in (*added, *removed)]
        assert argocd.nudge(side.url, "main", before, after, paths) == ()
        return moment

    return push
