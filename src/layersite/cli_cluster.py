"""The commands that speak to the cluster itself, not to the environments: `bootstrap` and `doctor`."""

import os

import click

from layersite.bootstrap import FOLDER, files, stale, states, write
from layersite.model.errors import InvalidInputError
from layersite.model.site import Site, load_site
from layersite.model.yaml import Yaml
from layersite.place import Place
from layersite.report import Console

__all__ = ["bootstrap"]

_REPOSITORY = ("LAYERSITE_REPOSITORY_USERNAME", "LAYERSITE_REPOSITORY_PASSWORD")

_output_option = click.option(
    "--output", type=click.Choice(["table", "json"]), default="table", help="A table for people, or JSON."
)


@click.command()
@click.option("--check", "only_check", is_flag=True, help="Fail if what is committed is not current; change nothing.")
@click.option("--apply", "to_cluster", is_flag=True, help="Also bring the objects to the cluster of kubectl's context.")
@click.option("--dry-run", is_flag=True, help="Print the plan and change nothing.")
@_output_option
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
