"""The commands about environments that are not what the site says now, and about what their history costs."""

from pathlib import Path

import click

from layersite.cli_options import dry_run_option, finish, output_option
from layersite.model.errors import DriftError
from layersite.place import Place
from layersite.renew import renew as renew_wave
from layersite.renew import renew_all
from layersite.report import Console

__all__ = ["drift", "history", "renew"]


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

    Waits until each wave is healthy, and stops where one is not; smoke tests that failed are run once more first. With
    --dry-run it shows the first wave, and for all of them a diff. `reconcile` does the same, one wave in each run.
    """
    console = Console(output == "json")
    bot = place.bot(console.tell)
    outcome = renew_wave(bot, dry_run=True) if dry_run else renew_all(bot)
    names = [action.name for action in outcome.plan.actions]
    for each in place.inspector(online=False).look(names, with_diff=True) if dry_run and names else ():
        console.line(f"{each.name}:\n{each.diff}")
    finish(console, outcome)


@click.command()
@click.option("--squash", is_flag=True, help="Let one commit take the place of the whole history.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --squash: write all history to this file first, and drop what earlier runs left on the host.",
)
@output_option
@click.pass_obj
def history(place: Place, squash: bool, bundle: Path | None, output: str) -> None:
    """Say what the history of the environments repository costs; with --squash, let one commit take its place.

    The files stay as they are and no commit of others is lost: the branch moves only if nobody else moved it. The old
    line stays on the host as refs/layersite/archive/<commit>. The account needs the right to force a push.
    """
    if bundle is not None and (bundle.exists() or not squash):
        raise click.UsageError("--bundle goes with --squash, and names a file that is not there yet")
    console = Console(output == "json")
    site, _ = place.load()
    store = place.store(site)
    replaced = store.squash(bundle) if squash else None
    costs = store.costs()
    rows = [
        ("commits", f"{costs.commits:,}"),
        ("commits of the last 7 days", f"{costs.last_week:,}"),
        ("a whole clone", f"{costs.whole_bytes / 1e6:,.1f} MB"),
        ("a clone without history, as the bot has it", f"{costs.shallow_bytes / 1e6:,.1f} MB"),
        ("replaced histories on the host", str(costs.archives)),
    ]
    old, new = replaced or (None, None)
    console.data({**vars(costs), "replaced": old, "by": new}, ("what", "how much"), rows)
    if squash:
        console.line(f"{old} is replaced by {new}" if replaced else "there is one commit only, nothing to replace")
