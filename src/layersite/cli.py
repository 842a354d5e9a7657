"""The command line: one command per verb, each thin around one call; errors become exit codes here and only here."""

import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from layersite import __version__, by_name
from layersite.cli_catalog import adopt, check, render
from layersite.cli_cluster import bootstrap, doctor
from layersite.cli_data import clone, golden
from layersite.cli_drift import drift, history, renew
from layersite.cli_fixtures import fixtures
from layersite.cli_life import extend, pin, reap, sleep, unpin, wake
from layersite.cli_options import by_option, dry_run_option, finish, output_option
from layersite.model.errors import LayersiteError
from layersite.place import Place
from layersite.report import Console

__all__ = ["main"]


class _Commands(click.Group):
    """A group whose commands end with the exit code of the error that stopped them."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's own signature
        """Run the command; print a LayersiteError and exit with its code."""
        try:
            return super().invoke(ctx)
        except LayersiteError as error:
            Console(as_json=False).error(str(error))
            ctx.exit(error.exit_code)


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

    Exit codes: 0 done; 2 wrong usage; 3 wrong input; 4 refused by policy; 5 forge; 6 the environments repository could
    not be read, or nothing could be committed, of which the changes were told; 7 git, kustomize or helm; 8 some
    environments failed, were held back or could not be told of, the others are done; 9 unknown name; 10 Argo CD;
    11 image registry; 12 `doctor` found something wrong; 13 database server; 14 `drift` found some.
    """
    ctx.obj = Place(root.resolve())


@main.command()
@click.option("--yes", is_flag=True, help="Remove environments even beyond the cap (`safety` in layersite.yaml).")
@dry_run_option
@output_option
@click.pass_obj
def reconcile(place: Place, yes: bool, dry_run: bool, output: str) -> None:
    """Bring every environment where the open changes say."""
    console = Console(output == "json")
    finish(console, place.bot(console.tell).reconcile(dry_run=dry_run, yes=yes))


@main.command()
@click.argument("what", nargs=-1, required=True, metavar="CHANGE… | APP@REF…")
@click.option("--name", help="Make an environment of this name without a change, from APP@REF pairs.")
@click.option("--hours", type=click.IntRange(1), help="How long it lives; default: `lease.hours` of the site.")
@by_option
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
        finish(console, place.bot(console.tell).reconcile(dry_run=dry_run, only=what))
        return
    pairs = dict(pair.partition("@")[::2] for pair in what)
    if wrong := [app for app, ref in pairs.items() if not ref]:
        raise click.UsageError(f"{', '.join(wrong)}: with --name, give each app as APP@REF, such as web@main")
    finish(console, by_name.preview(place.bot(console.tell), name, pairs, hours, by, dry_run=dry_run))


@main.command()
@click.argument("name")
@dry_run_option
@output_option
@click.pass_obj
def teardown(place: Place, name: str, dry_run: bool, output: str) -> None:
    """Replace the environment NAME by its tombstone; a new commit of its change brings it back."""
    console = Console(output == "json")
    finish(console, by_name.teardown(place.bot(console.tell), name, dry_run=dry_run))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on for webhooks.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="The port.")
@click.option(
    "--every",
    type=click.IntRange(5, 3600),
    default=60,
    show_default=True,
    help="Seconds between runs without a webhook.",
)
@click.pass_obj
def serve(place: Place, host: str, port: int, every: int) -> None:
    """Run the bot as a service that webhooks wake, until it is interrupted.

    The forge posts to /webhook, signed with the secret in the variable LAYERSITE_WEBHOOK_SECRET.
    """
    from layersite.serve import Service  # brings an HTTP client along, which no other command needs

    console = Console(as_json=False)
    secret = os.environ.get("LAYERSITE_WEBHOOK_SECRET", "")
    service = Service(lambda: place.bot(console.tell), secret, every, console.tell)
    server = service.listen(host, port)
    console.tell(f"listening on {host}:{server.server_port}")

    def stop(*_: object) -> None:
        service.stop.set()
        service.wake.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        service.run()
    finally:
        server.shutdown()


@main.command()
@output_option
@click.pass_obj
def status(place: Place, output: str) -> None:
    """List the environments that are committed, those that are going away, and the databases that they have."""
    console = Console(output == "json")
    site, _ = place.load()
    entries = place.store(site).read().entries
    found = {name: each for name, e in entries.items() if (each := e.document)}
    console.entries(found, place.clones(site, console.tell), datetime.now(UTC))


for _command in (
    adopt,
    bootstrap,
    check,
    clone,
    doctor,
    drift,
    extend,
    fixtures,
    golden,
    history,
    pin,
    reap,
    render,
    renew,
    sleep,
    unpin,
    wake,
):
    main.add_command(_command)
