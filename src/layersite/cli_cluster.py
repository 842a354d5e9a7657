"""The commands that speak to the cluster itself, not to the environments: `bootstrap` and `doctor`."""

import os

import click

from layersite.access import ARGOCD_TOKEN, WEBHOOK_SECRET, connect, digests
from layersite.bootstrap import FOLDER, files, stale, states, write
from layersite.bootstrap.finding import Area, Finding, examine, skipped, wrong
from layersite.cli_options import dry_run_option, output_option
from layersite.model.errors import InvalidInputError, LayersiteError, SetupError
from layersite.model.site import Site, load_site
from layersite.model.yaml import Yaml
from layersite.place import Place
from layersite.report import Console

__all__ = ["bootstrap", "doctor"]

_REPOSITORY = ("LAYERSITE_REPOSITORY_USERNAME", "LAYERSITE_REPOSITORY_PASSWORD")


@click.command()
@click.option("--check", "only_check", is_flag=True, help="Fail if what is committed is not current; change nothing.")
@click.option("--apply", "to_cluster", is_flag=True, help="Also bring the objects to the cluster of kubectl's context.")
@dry_run_option
@output_option
@click.pass_obj
def bootstrap(place: Place, only_check: bool, to_cluster: bool, dry_run: bool, output: str) -> None:
    """Render Argo CD's project and ApplicationSet of this site to bootstrap/, and with --apply set Argo CD up.

    If Argo CD needs a password to read the repository, put it into LAYERSITE_REPOSITORY_USERNAME and
    LAYERSITE_REPOSITORY_PASSWORD for --apply, or name an entry of a secret store in layersite.yaml.
    """
    if only_check and to_cluster:
        raise click.UsageError("--check changes nothing and --apply does; give one of them")
    console = Console(output == "json")
    site, _ = load_site(place.root)
    wanted = files(site)
    if only_check and (problems := stale(place.root, wanted)):
        raise InvalidInputError(problems)
    rows: list[tuple[str, str]] = [(f"{FOLDER}/{name}", state) for name, state in states(place.root, wanted).items()]
    if not dry_run and not only_check:
        write(place.root, wanted)
    if to_cluster:
        rows += _apply(site, console, dry_run)
    data = [{"what": what, "state": state} for what, state in rows]
    console.data(data, ("what", "state"), rows)
    if dry_run:
        console.line("dry run: nothing was changed")
    elif to_cluster:
        console.line("`layersite doctor` says whether it works, and `doctor --probe` tries it")


def _apply(site: Site, console: Console, dry_run: bool) -> list[tuple[str, str]]:
    from layersite.bootstrap.kubectl import Kubectl

    items, cluster = _items(site), Kubectl()
    console.tell(f"applying to the cluster of kubectl's context `{cluster.context()}`")
    return [(f"{item['kind']} {item['metadata']['name']}", cluster.apply(item, dry_run=dry_run)) for item in items]


def _items(site: Site) -> list[Yaml]:
    """Return what the cluster shall hold, in the order in which one needs the other."""
    from layersite.bootstrap import objects

    credentials = objects.settings(site).credentials
    given = [os.environ.get(name, "") for name in _REPOSITORY]
    if any(given) and not all(given):
        raise click.UsageError(f"{' and '.join(_REPOSITORY)} belong together; set both, or none")
    between = []
    if credentials is not None:
        between = [objects.external_secret(site, credentials)]
    elif all(given):
        between = [objects.repository_secret(site, *given)]
    return [objects.project(site), *between, objects.application_set(site)]


@click.command()
@click.option("--probe", "with_probe", is_flag=True, help="Also try it with an environment that comes and goes again.")
@output_option
@click.pass_obj
def doctor(place: Place, with_probe: bool, output: str) -> None:
    """Say what is wrong with what this site rests on, and how to mend it: git, forge, registries, Argo CD, cluster.

    It signs in as the bot would, and to the cluster as kubectl does. Nothing is changed without --probe, which commits
    an empty environment, sees it run, sees Argo CD refuse what it must not contain, and removes it.
    """
    console = Console(output == "json")
    found = examine(_areas(place))
    if with_probe:
        try:
            found |= _probe(place, console, found)
        except LayersiteError as error:
            found["probe"] = wrong(str(error))
    rows = [(each.state, name, f"{each.text}\n{each.mend}".strip()) for name, each in found.items()]
    data = [{"what": name, "state": each.state, "text": each.text, "mend": each.mend} for name, each in found.items()]
    console.data(data, ("state", "what", "found, and how to mend it"), rows)
    if bad := [name for name, each in found.items() if each.state == "wrong"]:
        raise SetupError(f"{len(bad)} of {len(found)} are wrong: {', '.join(bad)}")


def _areas(place: Place) -> list[Area]:
    from layersite.bootstrap.argocd import argocd_area
    from layersite.bootstrap.cluster import cluster_area
    from layersite.bootstrap.kubectl import Kubectl
    from layersite.bootstrap.outside import environments_area, forge_areas, registry_areas

    site, catalog = place.load()
    areas = [
        environments_area(site, place.store(site)),
        *forge_areas(site, lambda: place.forge(site, catalog)),
        *registry_areas(catalog, digests(site), site.images.by_digest),
    ]
    if (argocd := site.argocd) is None:
        return [*areas, {"Argo CD": lambda: skipped("layersite.yaml names none", "add `argocd` to it")}]
    token, secret = (os.environ.get(name, "") for name in (ARGOCD_TOKEN, WEBHOOK_SECRET))
    return [
        *areas,
        argocd_area(site, lambda *signed: connect(argocd, *signed), token, secret),
        cluster_area(Kubectl(), site, catalog),
    ]


def _probe(place: Place, console: Console, found: dict[str, Finding]) -> dict[str, Finding]:
    if any(each.state == "wrong" for each in found.values()):
        return {"probe": skipped("what is wrong comes first")}
    from layersite.bootstrap.kubectl import Kubectl
    from layersite.bootstrap.probe import Probe

    bot = place.bot(console.tell)
    probe = Probe(
        site=bot.site,
        catalog=bot.catalog,
        store=bot.store,
        cluster=Kubectl(),
        render=bot.renderer.render,
        nudge=bot.follower.nudge,
        now=bot.now,
        tell=console.tell,
    )
    return probe.run()
