"""What the environments repository refuses is told on the change and by the exit code, until a later run succeeds."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from layersite.forge._pulls import PullForge
from layersite.model.environment import to_yaml
from layersite.place import Place
from layersite.report import read_mark
from layersite.store import Store, Write
from layersite.writer import Outcome

from .forge.fake_forge import BOT, MONA, TOKEN
from .forge.fake_gitea import FakeGitea
from .test_commands import environment, site
from .test_reconcile import committed, freeze

__all__ = ["site"]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitea]:
    monkeypatch.setenv("LAYERSITE_FORGE_TOKEN", TOKEN)
    server = FakeGitea()
    yield server
    server.stop()


def command(site: Path) -> tuple[int, str]:
    """Run the command as a person or a CI job does; return its exit code and what it printed."""
    argv = [str(Path(sys.executable).with_name("layersite")), "--site", str(site), "reconcile"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def reconcile(site: Path) -> Outcome:
    bot = Place(site).bot(lambda step: None)
    assert isinstance(bot.forge, PullForge)
    with closing(bot.forge):
        return bot.reconcile()


def comment(fake: FakeGitea) -> str:
    (body,) = [str(each["body"]) for each in fake.comments if each["user"]["id"] == BOT]
    return body


def told(fake: FakeGitea) -> tuple[object, object]:
    """Return the state that the comment tells, and the one that the newest commit status does."""
    return read_mark(comment(fake))["state"], fake.statuses[-1]["status"]


def test_who_waits_for_an_environment_hears_why_until_it_is_there(site: Path, fake: FakeGitea) -> None:
    fake.open(1)
    hook = freeze(site)
    code, output = command(site)
    assert (code, told(fake)) == (6, ("refused", "error"))
    assert "error: shop-1: could not be committed: cannot push to `main` of" in output
    assert "could not be committed: cannot push to `main` of" in comment(fake)
    assert "frozen until Monday" in comment(fake)
    assert fake.statuses[-1]["description"].startswith("shop-1: could not be committed: cannot push")
    assert "s3cret" not in f"{output} {fake.comments} {fake.statuses}"
    hook.unlink()
    assert (command(site)[0], told(fake)) == (0, ("ready", "success"))
    assert "could not be committed" not in comment(fake)


def test_what_is_there_already_stays_and_says_what_it_lacks(site: Path, fake: FakeGitea) -> None:
    pull = fake.open(1)
    reconcile(site)
    before, hook = committed(site), freeze(site)
    pull["head"]["sha"] = "a" * 40
    reconcile(site)
    assert told(fake) == ("refused", "error")
    fake.close(1)
    reconcile(site)
    assert (committed(site), told(fake)) == (before, ("refused", "error"))
    hook.unlink()
    reconcile(site)
    assert told(fake) == ("leaving", "pending")


def test_the_same_trouble_is_told_once(site: Path, fake: FakeGitea) -> None:
    fake.open(1)
    freeze(site).write_text("#!/bin/sh\ncat\nexit 1\n")  # it quotes the commit, which is another at each run
    reconcile(site)
    told_once = [*fake.writes]
    reconcile(site)
    assert fake.writes == told_once


def test_what_is_asked_for_waits_until_it_can_be_committed(site: Path, fake: FakeGitea) -> None:
    fake.open(1)
    fake.say(1, "/layersite pin because demo", MONA)
    hook = freeze(site)
    reconcile(site)
    assert fake.reactions.get(1, []) == []
    hook.unlink()
    reconcile(site)
    reconcile(site)
    assert [thumb["content"] for thumb in fake.reactions[1]] == ["+1"]
    assert environment(site)["lease"]["pinned"]


def test_nobody_hears_of_a_tombstone_that_could_not_go_yet(site: Path, fake: FakeGitea, tmp_path: Path) -> None:
    fake.open(1)
    reconcile(site)
    fake.close(1)
    reconcile(site)
    store = Store(str(tmp_path / "environments.git"), "main", tmp_path / "cache")
    entry = store.read().entries["shop-1"]
    assert entry.tombstone is not None
    bare = to_yaml(entry.tombstone.model_copy(update={"reap": ()}))
    store.commit([Write("shop-1", {"tombstone.yaml": bare.encode()}, entry.tree, "")], "all is reaped")
    hook, before = freeze(site), told(fake)
    assert reconcile(site).unwritten is not None
    assert told(fake) == before
    hook.unlink()
    reconcile(site)
    assert committed(site) == {}
