"""What people ask for in comments on a pull request, from the comment to the commit and the answer."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from layersite.forge.gitea import GiteaForge
from layersite.model.yaml import dump, load_all
from layersite.place import Place
from layersite.process import git

from .forge.fake_gitea import BOT, MONA, TOKEN, FakeGitea
from .test_reconcile import DEPLOYMENT, committed, write


@pytest.fixture
def gitea(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitea]:
    monkeypatch.setenv("LAYERSITE_FORGE_TOKEN", TOKEN)
    server = FakeGitea(rights={"mona": "write"})
    yield server
    server.stop()


@pytest.fixture
def site(tmp_path: Path, gitea: FakeGitea) -> Path:
    root = tmp_path / "site"
    settings = {
        "organization": "acme",
        "environments": {"url": "../environments.git"},
        "forge": {"kind": "gitea", "url": gitea.url},
        "repositories": {"shop": {"url": "https://git.example.com/acme/shop.git"}},
        "cluster": {"baseline": {"namespace": "staging"}},
        "exposure": {"domain": "preview.example.com"},
        "images": {"by_digest": False},
        "lease": {"change_hours": 48},
    }
    write(root / "layersite.yaml", dump(settings))
    write(root / "apps/web/app.yaml", dump({"base": {"directory": "base"}, "repository": "shop"}))
    write(root / "apps/web/base/all.yaml", DEPLOYMENT.replace("APP", "web"))
    git("init", "-q", "--bare", "-b", "main", str(tmp_path / "environments.git"))
    return root


def reconcile(site: Path, *, dry_run: bool = False) -> None:
    bot = Place(site).bot(lambda step: None)
    assert isinstance(bot.forge, GiteaForge)
    with closing(bot.forge):
        assert bot.reconcile(dry_run=dry_run).failed == ()


def environment(site: Path) -> Any:
    return load_all(committed(site)["shop-1/environment.yaml"], "x")[0]


def answer(gitea: FakeGitea) -> list[str]:
    (body,) = [each["body"] for each in gitea.comments if each["user"]["id"] == BOT]
    return [line for line in body.splitlines() if line.startswith(("- 👍", "- 👎"))]


def test_who_may_write_is_obeyed_once_and_answered(site: Path, gitea: FakeGitea) -> None:
    gitea.open(1)
    reconcile(site)
    until = environment(site)["lease"]["until"]
    gitea.say(1, "/layersite extend 24h because demo", MONA)
    reconcile(site, dry_run=True)
    assert environment(site)["lease"]["until"] == until
    reconcile(site)
    lease, generation = environment(site)["lease"], environment(site)["generation"]
    assert (lease["by"], lease["reason"], lease["until"] > until) == ("mona", "demo", True)
    assert answer(gitea) == [f"- 👍 `/layersite extend 24h because demo` by `mona`: it lives until {lease['until']}"]
    reconcile(site)
    assert environment(site)["generation"] == generation
    assert [given["content"] for each in gitea.reactions.values() for given in each] == ["+1"]


def test_a_run_that_died_before_it_answered_is_made_up_for(site: Path, gitea: FakeGitea) -> None:
    gitea.open(1)
    reconcile(site)
    gitea.say(1, "/layersite extend 24h because demo", MONA)
    reconcile(site)
    before = environment(site)
    gitea.reactions.clear()
    reconcile(site)
    assert environment(site) == before
    assert [given["content"] for each in gitea.reactions.values() for given in each] == ["+1"]


def test_who_may_only_read_changes_nothing(site: Path, gitea: FakeGitea) -> None:
    gitea.open(1)
    gitea.rights = {"mona": "read"}
    reconcile(site)
    before = environment(site)
    gitea.say(1, "/layersite teardown", MONA)
    reconcile(site)
    assert environment(site) == before
    (line,) = answer(gitea)
    assert "only who may write to the repository may ask" in line


def test_a_change_is_put_to_sleep_woken_and_taken_away_by_comments(site: Path, gitea: FakeGitea) -> None:
    gitea.open(1)
    reconcile(site)
    gitea.say(1, "/layersite sleep", MONA)
    reconcile(site)
    assert environment(site)["state"] == "asleep"
    gitea.say(1, "/layersite wake 2h", MONA)
    reconcile(site)
    assert (environment(site)["state"], environment(site)["call"]["by"]) == ("active", "mona")
    gitea.say(1, "/layersite teardown", MONA)
    reconcile(site)
    assert [*committed(site)] == ["shop-1/tombstone.yaml"]
