"""A site whose changes are merge requests of GitLab, from the first to the last run."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from layersite.forge.gitlab import GitLabForge
from layersite.model.yaml import dump, load_all
from layersite.place import Place
from layersite.process import git

from .forge.fake_forge import BOT, MONA, TOKEN, sha
from .forge.fake_gitlab import FakeGitLab
from .test_reconcile import DEPLOYMENT, committed, write


@pytest.fixture
def gitlab(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitLab]:
    monkeypatch.setenv("LAYERSITE_FORGE_TOKEN", TOKEN)
    server = FakeGitLab()
    yield server
    server.stop()


@pytest.fixture
def site(tmp_path: Path, gitlab: FakeGitLab) -> Path:
    root = tmp_path / "site"
    settings = {
        "organization": "acme",
        "environments": {"url": "../environments.git"},
        "forge": {"kind": "gitlab", "url": gitlab.url},
        "repositories": {"shop": {"url": "https://git.example.com/acme/shop.git"}},
        "cluster": {"baseline": {"namespace": "staging"}},
        "exposure": {"domain": "preview.example.com"},
        "images": {"by_digest": False},
        "lease": {"change_hours": 48},
    }
    write(root / "layersite.yaml", dump(settings))
    write(root / "apps/web/app.yaml", dump({"base": {"directory": "base"}, "repository": "shop", "paths": ["web/**"]}))
    write(root / "apps/web/base/all.yaml", DEPLOYMENT.replace("APP", "web"))
    git("init", "-q", "--bare", "-b", "main", str(tmp_path / "environments.git"))
    return root


def reconcile(site: Path, failed: int = 0) -> None:
    bot = Place(site).bot(lambda step: None)
    assert isinstance(bot.forge, GitLabForge)
    with closing(bot.forge):
        assert len(bot.reconcile().failed) == failed


def environment(site: Path) -> Any:
    return load_all(committed(site)["shop-1/environment.yaml"], "x")[0]


def told(gitlab: FakeGitLab) -> tuple[list[str], dict[str, str]]:
    """Return the titles of the bot's notes, and each commit's last status."""
    notes = [note["body"].splitlines()[1] for note in gitlab.comments if note["author"]["id"] == BOT]
    return notes, {each["sha"]: each["status"] for each in gitlab.statuses}


def test_a_merge_request_has_an_environment_until_it_is_closed(site: Path, gitlab: FakeGitLab) -> None:
    pull = gitlab.open(1)
    gitlab.files["acme/shop", 1] = [{**gitlab.files["acme/shop", 1][0], "old_path": "web/a", "new_path": "web/a"}]
    reconcile(site)
    assert [(member["number"], member["sha"]) for member in environment(site)["members"]] == [(1, pull["sha"])]
    assert told(gitlab) == (["### ✅ Environment `shop-1` is ready"], {pull["sha"]: "success"})

    pull["sha"] = sha("newer")
    gitlab.say(1, "/layersite extend 24h because demo", MONA)
    reconcile(site)
    assert (environment(site)["members"][0]["sha"], environment(site)["lease"]["by"]) == (sha("newer"), "mona")
    assert [award["name"] for awards in gitlab.reactions.values() for award in awards] == ["thumbsup"]
    assert told(gitlab)[1] == {sha("branch-1"): "success", sha("newer"): "success"}

    gitlab.listed, gitlab.counted = [], 0  # well-formed, and wrong
    reconcile(site, failed=1)
    assert "shop-1/environment.yaml" in committed(site)

    gitlab.listed = gitlab.counted = None
    gitlab.close(1)
    reconcile(site)
    assert [*committed(site)] == ["shop-1/tombstone.yaml"]
    assert told(gitlab)[0] == ["### 🧹 Environment `shop-1` is going away"]
