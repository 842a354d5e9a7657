"""What `history` says, and that the other commands go on after a squash."""

import json
from pathlib import Path

from . import test_reconcile
from .test_reconcile import Run, commits, committed, push

site, run = test_reconcile.site, test_reconcile.run


def test_the_commands_go_on_after_a_squash(site: Path, run: Run, tmp_path: Path) -> None:
    push(site, "cart", "1")
    run("reconcile")
    push(site, "cart", "2")
    run("reconcile")
    before = committed(site)
    assert json.loads(run("history", "--output", "json").stdout)["commits"] == 2
    file = tmp_path / "old.bundle"
    assert "is replaced by" in run("history", "--squash", "--bundle", str(file)).output
    assert (commits(site), committed(site)) == (1, before)
    assert "nothing to write" in run("reconcile").output
    run("drift")
    run("teardown", "cart-1")
    assert commits(site) == 2
    run("history", "--squash", "--bundle", str(file), code=2)
    assert "replaced histories on the host" in run("history").output
