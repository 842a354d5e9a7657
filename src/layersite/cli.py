"""The command line: one command per verb, each thin around one call; errors become exit codes here and only here."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import click

from layersite import __version__
from layersite.adopt import adopt as read_adoption
from layersite.adopt import write as write_adoption
from layersite.check import check_site, render_offline
from layersite.forge import GitForge
from layersite.model.catalog import Catalog, load_catalog
from layersite.model.errors import LayersiteError, PartialError
from layersite.model.site import Site, load_site
from layersite.reconcile import Bot, Outcome
from layersite.render import Renderer
from layersite.report import Console
from layersite.store import Store

__all__ = ["main"]


@dataclass(frozen=True)
class Place:
    """Where a command works: the site's folder, and the folder for caches below it."""

    root: Path

    @property
    def cache(self) -> Path:
        """The folder of everything that can be made again."""
        return self.root / ".layersite"

    def load(self) -> tuple[Site, Catalog]:
        """Read the site and its catalog, with repository paths made absolute. Raises InvalidInputError."""
        site, _ = load_site(self.root)
        catalog = load_catalog(self.root, site)
        return _with_absolute_urls(site, self.root), catalog

    def bot(self, console: Console) -> Bot:
        """Return the bot with everything real behind it."""
        site, catalog = self.load()
        return Bot(
            site=site,
            catalog=catalog,
            forge=GitForge(site.repositories, site.forge.branch_prefix, self.cache / "forge"),
            store=Store(site.environments.url, site.environments.branch, self.cache / "store", random=Random()),  # noqa: S311  it spreads retries, it keeps no secret
            renderer=Renderer(site, catalog, self.cache / "bases"),
            now=lambda: datetime.now(UTC).replace(microsecond=0),
            tell=console.tell,
        )


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


class _Commands(click.Group):
    """A group whose commands end with the exit code of the error that stopped them."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's own signature
        """Run the command; print a LayersiteError and exit with its code."""
        try:
            return super().invoke(ctx)
        except LayersiteError as error:
            Console(as_json=False).error(str(error))
            ctx.exit(error.exit_code)


output_option = click.option(
    "--output", type=click.Choice(["table", "json"]), default="table", help="A table for people, or JSON."
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Print the plan and change nothing.")


@click.group(cls=_Commands, context_settings={"max_content_width": 100})
@click.option(
    "--site",
    "root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=".",
    help="The site's folder, which holds layersite.yaml.",
)
@click.version_option(__version__)
@click.pass_context
def main(ctx: click.Context, root: Path) -> None:
    """Give every change an environment: rendered, validated, and committed for Argo CD.

    Exit codes: 0 done; 2 wrong usage; 3 wrong input; 4 refused by policy; 5 forge; 6 environments repository;
    7 git, kustomize or helm; 8 some environments failed or were held back, the others are done; 9 unknown name.
    """
    ctx.obj = Place(root.resolve())


def _finish(console: Console, outcome: Outcome) -> None:
    console.plan(outcome.plan, outcome.commit, outcome.dry_run)
    if outcome.has_failed:
        raise PartialError("some environments are not where they should be; the reasons stand above")


@main.command()
@click.option("--yes", is_flag=True, help="Remove environments even beyond the cap (`safety` in layersite.yaml).")
@dry_run_option
@output_option
@click.pass_obj
def reconcile(place: Place, yes: bool, dry_run: bool, output: str) -> None:
    """Bring every environment where the open changes say."""
    console = Console(output == "json")
    _finish(console, place.bot(console).reconcile(dry_run=dry_run, yes=yes))


@main.command()
@click.argument("what", nargs=-1, required=True, metavar="CHANGE… | APP@REF…")
@click.option("--name", help="Make an environment of this name without a change, from APP@REF pairs.")
@click.option("--hours", type=click.IntRange(1, 8760), help="How long it lives; default: the site's lease_hours.")
@click.option("--by", default="", help="Who asks for it, for the lease.")
@dry_run_option
@output_option
@click.pass_obj
def preview(
    place: Place, what: tuple[str, ...], name: str | None, hours: int | None, by: str, dry_run: bool, output: str
) -> None:
    """Bring the environments of single changes (`shop#42`) up to date now, or make one without a change.

    Without a change: `preview --name friday-demo web@release-7 api@main`.
    """
    console = Console(output == "json")
    if name is None:
        _finish(console, place.bot(console).reconcile(dry_run=dry_run, only=what))
        return
    pairs = dict(pair.partition("@")[::2] for pair in what)
    if wrong := [app for app, ref in pairs.items() if not ref]:
        raise click.UsageError(f"{', '.join(wrong)}: with --name, give each app as APP@REF, such as web@main")
    bot = place.bot(console)
    lease = timedelta(hours=hours or bot.site.lease_hours)
    _finish(console, bot.preview(name, pairs, lease, by, dry_run=dry_run))


@main.command()
@click.argument("name")
@dry_run_option
@output_option
@click.pass_obj
def teardown(place: Place, name: str, dry_run: bool, output: str) -> None:
    """Replace the environment NAME by its tombstone; a new commit of its change brings it back."""
    console = Console(output == "json")
    _finish(console, place.bot(console).teardown(name, dry_run=dry_run))


@main.command()
@output_option
@click.pass_obj
def status(place: Place, output: str) -> None:
    """List the environments that are committed, and those that are going away."""
    console = Console(output == "json")
    entries = place.bot(console).status().entries
    console.entries({name: found for name, e in entries.items() if (found := e.environment or e.tombstone)})


@main.command()
@click.argument("name", required=False)
@click.option("--app", "apps", multiple=True, help="Render an environment that isolates this app; may be repeated.")
@click.option("--directory", type=click.Path(path_type=Path, file_okay=False), help="Write the files there.")
@click.pass_obj
def render(place: Place, name: str | None, apps: tuple[str, ...], directory: Path | None) -> None:
    """Print the manifests of the committed environment NAME, or of one that isolates the given apps; offline."""
    if bool(name) == bool(apps):
        raise click.UsageError("give the NAME of a committed environment, or --app")
    site, catalog = place.load()
    files = render_offline(site, catalog, place.root, place.cache / "bases", name, apps)
    for path, content in files.items():
        if directory is None:
            click.echo(f"# {path}\n{content.decode()}", nl=False)
        else:
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(content)


@main.command()
@output_option
@click.pass_obj
def check(place: Place, output: str) -> None:
    """Validate the site, its catalog with every app rendered, and that committed environments are as rendered."""
    site, catalog = place.load()
    checked = check_site(site, catalog, place.root, place.cache / "bases")
    Console(output == "json").data(checked, ("checked", "count"), [(key, str(count)) for key, count in checked.items()])


@main.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option("--repository", help="The repository (of layersite.yaml) that these apps are built from.")
@click.option("--values", type=click.Path(path_type=Path, exists=True), multiple=True, help="Values for a Helm chart.")
@click.option("--env-file", type=click.Path(path_type=Path, exists=True), help="Variables for a compose file.")
@dry_run_option
@output_option
@click.pass_obj
def adopt(
    place: Place,
    source: Path,
    repository: str | None,
    values: tuple[Path, ...],
    env_file: Path | None,
    dry_run: bool,
    output: str,
) -> None:
    """Make the catalog from manifests, a kustomization, a Helm chart or a compose file at SOURCE."""
    adoption = read_adoption(source, repository=repository, values=values, env_file=env_file)
    written = write_adoption(adoption, place.root, dry_run=dry_run)
    console = Console(output == "json")
    console.sections(
        {
            "apps": [app.name for app in adoption.apps],
            "files": [{"path": str(file.path), "state": file.state} for file in written],
            "needs": [
                {"app": edge.app, "needs": edge.needs, "evidence": str(evidence)}
                for edge in adoption.edges
                for evidence in edge.evidence
            ],
            **{
                name: [{"app": r.app, "host": r.host, "reason": r.reason, "evidence": str(r.evidence)} for r in found]
                for name, found in (("unresolved", adoption.unresolved), ("ambiguous", adoption.ambiguous))
            },
            "secrets": [{"app": s.app, "name": s.name, "keys": ", ".join(s.keys)} for s in adoption.secrets],
            "left_out": [{"file": o.file, "what": o.what, "reason": o.reason} for o in adoption.left_out],
            "notes": list(adoption.notes),
        }
    )
    console.line("dry run: nothing was written" if dry_run else f"the catalog is in {place.root / 'apps'}")
