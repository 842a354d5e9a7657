"""The commands about environments that are not what the site says now."""

import click

from layersite.cli_options import dry_run_option, finish, output_option
from layersite.model.errors import DriftError
from layersite.place import Place
from layersite.renew import renew_all
from layersite.report import Console

__all__ = ["drift", "renew"]


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option("--diff", "with_diff", is_flag=True, help="Show the way to what would be rendered now as a diff.")
@click.option("--online", is_flag=True, help="Ask Argo CD too what in the cluster is not as it was committed.")
@output_option
@click.pass_obj
def drift(place: Place, names: tuple[str, ...], with_diff: bool, online: bool, output: str) -> None:
    """Say which environments, of all or of those named, are not what the site says now, and why.

    Which were rendered by another layersite or from another site, app or overlay; which files somebody edited by hand,
    and in which commit. Nothing is asked but the environments repository. Ends with 14 if anything differs.
    """
    found = place.inspector(online=online).look(names, with_diff=with_diff)
    console = Console(output == "json")
    data = [
        {"environment": each.name, "findings": [vars(finding) for finding in each.findings], "diff": each.diff}
        for each in found
    ]
    rows = [(each.name, finding.kind, finding.text) for each in found for finding in each.findings]
    console.data(data, ("environment", "what", "why"), rows)
    for each in found:
        console.line(each.diff)
    if found:
        raise DriftError(f"not what the site says now: {', '.join(each.name for each in found)}; see above")


@click.command()
@dry_run_option
@output_option
@click.pass_obj
def renew(place: Place, dry_run: bool, output: str) -> None:
    """Render environments again where only the site, an app or layersite changed, in waves (`waves` in layersite.yaml).

    Waits until each wave is healthy, and stops where one is not. With --dry-run it shows the first wave, and for all of
    them a diff. `reconcile` does the same, one wave in each run.
    """
    console = Console(output == "json")
    bot = place.bot(console.tell)
    outcome = bot.renew(dry_run=True) if dry_run else renew_all(bot)
    names = [action.name for action in outcome.plan.actions]
    for each in place.inspector(online=False).look(names, with_diff=True) if dry_run and names else ():
        console.line(f"{each.name}:\n{each.diff}")
    finish(console, outcome)
