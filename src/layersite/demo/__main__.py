"""Play the demo: `python -m layersite.demo`."""

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from layersite.demo.changes import BOUTIQUE, EXAMPLE, ONLINE_BOUTIQUE, Changes, Shop
from layersite.demo.data import Data, database_server
from layersite.demo.stage import Stage


def play(stage: Stage, shop: Shop) -> None:
    """Run all steps."""
    with database_server() as server:
        changes, data = Changes(stage, shop), Data(stage, server)
        changes.generate()
        changes.adopt()
        data.make_golden((shop.alone, shop.together[0]))
        changes.open_changes()
        changes.reconcile("reconcile: every change becomes a committed environment")
        changes.show_commit()
        data.clone()
        data.refuse()
        changes.reconcile("reconcile again: nothing changed, so no commit")
        changes.move_and_close()
        changes.reconcile("reconcile: one environment moves, one leaves a tombstone")
        changes.tear_down()
        stage.summary()


def main() -> None:
    """Run the demo in a temporary folder, or in the folder given by `--keep`, which must not exist."""
    parser = argparse.ArgumentParser(prog="demo", description=main.__doc__)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave everything in this new folder")
    parser.add_argument(
        "--example", action="store_true", help="show the shipped example even where samples are at hand"
    )
    options = parser.parse_args()
    shop = ONLINE_BOUTIQUE if BOUTIQUE.is_dir() and not options.example else EXAMPLE
    console = Console(highlight=False)
    if options.keep is None:
        with tempfile.TemporaryDirectory(prefix="layersite-demo-") as folder:
            play(Stage(Path(folder), console), shop)
        return
    options.keep.mkdir(parents=True)
    play(Stage(options.keep.resolve(), console), shop)
    console.print(f"everything is in {options.keep}")


if __name__ == "__main__":
    main()
