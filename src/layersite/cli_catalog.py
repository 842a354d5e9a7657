"""The commands about what a site says, which ask nobody: its catalog, and what would be rendered from it."""

from pathlib import Path

import click

from layersite.adopt import adopt as read_adoption
from layersite.adopt import write as write_adoption
from layersite.check import check_site, render_offline
from layersite.cli_options import dry_run_option, output_option
from layersite.place import Place
from layersite.report import Console

__all__ = ["adopt", "check", "render"]


@click.command()
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


@click.command()
@output_option
@click.pass_obj
def check(place: Place, output: str) -> None:
    """Validate the site, its catalog with every app rendered, and that committed environments are as rendered."""
    site, catalog = place.load()
    checked = check_site(site, catalog, place.root, place.cache / "bases")
    Console(output == "json").data(checked, ("checked", "count"), [(key, str(count)) for key, count in checked.items()])


@click.command()
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
