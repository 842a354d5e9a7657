"""A pull request from its opening to its end, and what people ask for in comments, on each forge."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from layersite.forge._pulls import PullForge
from layersite.model.errors import LayersiteError
from layersite.model.yaml import dump, load_all
from layersite.place import Place
from layersite.process import git

from .forge.fake_forge import BOT, MONA, TOKEN, sha
from .forge.fake_gitea import FakeGitea
from .forge.fake_github import FakeGitHub
from .forge.fake_gitlab import FakeGitLab
from .test_reconcile import DEPLOYMENT, committed, write

KINDS = {FakeGitea: "gitea", FakeGitHub: "github", FakeGitLab: "gitlab"}
Fake = FakeGitea | FakeGitLab


@pytest.fixture(params=[FakeGitea, FakeGitHub])
def fake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    monkeypatch.setenv("LAYERSITE_FORGE_TOKEN", TOKEN)
    server = request.param()
    yield server
    server.stop()


@pytest.fixture
def site(tmp_path: Path, fake: Fake) -> Path:
    root = tmp_path / "site"
    settings = {
        "organization": "acme",
        "environments": {"url": "../environments.git"},
        "forge": {"kind": KINDS[type(fake)], "url": fake.url},
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


def reconcile(site: Path, *, dry_run: bool = False, failed: int = 0) -> None:
    bot = Place(site).bot(lambda step: None)
    assert isinstance(bot.forge, PullForge)
    with closing(bot.forge):
        assert len(bot.reconcile(dry_run=dry_run).failed) == failed


def environment(site: Path) -> Any:
    return load_all(committed(site)["shop-1/environment.yaml"], "x")[0]


def answer(fake: FakeGitea) -> list[str]:
    (body,) = [each["body"] for each in fake.comments if each["user"]["id"] == BOT]
    return [line for line in body.splitlines() if line.startswith(("- 👍", "- 👎"))]


def test_who_may_write_is_obeyed_once_and_answered(site: Path, fake: FakeGitea) -> None:
    fake.open(1)
    reconcile(site)
    until = environment(site)["lease"]["until"]
    fake.say(1, "/layersite extend 24h because demo", MONA)
    reconcile(site, dry_run=True)
    assert environment(site)["lease"]["until"] == until
    reconcile(site)
    lease, generation = environment(site)["lease"], environment(site)["generation"]
    assert (lease["by"], lease["reason"], lease["until"] > until) == ("mona", "demo", True)
    assert answer(fake) == [f"- 👍 `/layersite extend 24h because demo` by `mona`: it lives until {lease['until']}"]
    reconcile(site)
    assert environment(site)["generation"] == generation
    assert thumbs(fake) == ["+1"]


def thumbs(fake: FakeGitea) -> list[str]:
    return [given["content"] for each in fake.reactions.values() for given in each]


def test_a_run_that_died_before_it_answered_is_made_up_for(site: Path, fake: FakeGitea) -> None:
    fake.open(1)
    reconcile(site)
    fake.say(1, "/layersite extend 24h because demo", MONA)
    reconcile(site)
    before = environment(site)
    fake.reactions.clear()
    reconcile(site)
    assert environment(site) == before
    assert thumbs(fake) == ["+1"]


def test_who_may_only_read_changes_nothing(site: Path, fake: FakeGitea) -> None:
    fake.open(1)
    fake.rights = {"mona": "read"}
    reconcile(site)
    before = environment(site)
    fake.say(1, "/layersite teardown", MONA)
    reconcile(site)
    assert environment(site) == before
    (line,) = answer(fake)
    assert "only who may write to the repository may ask" in line


def test_a_change_is_put_to_sleep_woken_pinned_and_taken_away_by_comments(site: Path, fake: FakeGitea) -> None:
    fake.open(1)
    reconcile(site)
    fake.say(1, "/layersite sleep", MONA)
    reconcile(site)
    assert environment(site)["state"] == "asleep"
    fake.say(1, "/layersite wake 2h", MONA)
    reconcile(site)
    assert (environment(site)["state"], environment(site)["call"]["by"]) == ("active", "mona")
    fake.say(1, "/layersite pin because pen test", MONA)
    reconcile(site)
    lease = environment(site)["lease"]
    assert (lease["pinned"], lease["by"], lease["reason"]) == (True, "mona", "pen test")
    fake.say(1, "/layersite teardown", MONA)
    reconcile(site)
    assert [*committed(site)] == ["shop-1/tombstone.yaml"]
    assert thumbs(fake) == ["+1"] * 4


def queued(fake: FakeGitea) -> dict[int, tuple[str, str]]:
    """Return by change the place in the queue that its comment tells, and what its newest commit status does."""
    bodies = {int(each["pull_request_url"].rpartition("/")[2]): each["body"] for each in fake.comments}
    statuses = {each["url"].rpartition("/")[2]: each for each in fake.statuses}
    found = {}
    for number, body in bodies.items():
        status = statuses[sha(f"branch-{number}")]
        text = f"{status.get('state', status.get('status'))}: {status['description']}"
        if place := re.search(r"^waits for room, place (\d) in the queue: ", body, re.MULTILINE):
            found[number] = place[1], text.partition(" in the queue")[0]
    return found


def test_who_waits_for_room_reads_the_place_in_the_queue_and_a_label_goes_first(site: Path, fake: FakeGitea) -> None:
    settings = load_all((site / "layersite.yaml").read_text(), "x")[0]
    write(site / "layersite.yaml", dump({**settings, "capacity": {"environments": 1}}))
    fake.open(1)
    reconcile(site)
    fake.open(2)
    urgent = fake.open(3)
    reconcile(site)
    text = "pending: shop-{}: waits for room, place {}"
    assert queued(fake) == {2: ("1", text.format(2, 1)), 3: ("2", text.format(3, 2))}
    urgent["labels"] = [fake.label("layersite/priority")]
    reconcile(site)
    assert queued(fake) == {2: ("2", text.format(2, 2)), 3: ("1", text.format(3, 1))}
    fake.close(1)
    reconcile(site)
    assert queued(fake) == {2: ("1", text.format(2, 1))}
    assert "shop-3/environment.yaml" in committed(site)


def test_a_pull_request_gets_an_environment_for_as_long_as_it_is_open(site: Path, fake: FakeGitea) -> None:
    pull = fake.open(1)
    reconcile(site)
    assert environment(site)["members"][0]["sha"] == pull["head"]["sha"]
    pull["head"]["sha"] = "a" * 40
    reconcile(site)
    assert environment(site)["members"][0]["sha"] == "a" * 40
    assert {each["url"].rpartition("/")[2] for each in fake.statuses} == {sha("branch-1"), "a" * 40}
    fake.close(1)
    reconcile(site)
    assert [*committed(site)] == ["shop-1/tombstone.yaml"]
    (comment,) = (each["body"] for each in fake.comments)
    assert comment.startswith("<!-- layersite: shop-1 -->")


@pytest.mark.parametrize(("server", "is_used"), [("here", True), ("https://github.com", False)])
def test_a_workflows_token_goes_to_its_own_github_alone(
    site: Path, fake: FakeGitea, monkeypatch: pytest.MonkeyPatch, server: str, is_used: bool
) -> None:
    monkeypatch.setenv("LAYERSITE_FORGE_TOKEN", "")
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("GITHUB_SERVER_URL", fake.url if server == "here" else server)
    fake.open(1)
    if is_used and isinstance(fake, FakeGitHub):
        reconcile(site)
        assert set(fake.tokens) == {f"Bearer {TOKEN}"}
    else:
        with pytest.raises(LayersiteError, match="LAYERSITE_FORGE_TOKEN is not set"):
            reconcile(site)


def told(fake: FakeGitLab) -> tuple[list[str], dict[str, str]]:
    """Return the titles of the bot's notes, and each commit's last status."""
    notes = [note["body"].splitlines()[1] for note in fake.comments if note["author"]["id"] == BOT]
    return notes, {each["sha"]: each["status"] for each in fake.statuses}


@pytest.mark.parametrize("fake", [FakeGitLab], indirect=True)
def test_a_merge_request_has_an_environment_until_it_is_closed(site: Path, fake: FakeGitLab) -> None:
    write(site / "apps/web/app.yaml", dump({"base": {"directory": "base"}, "repository": "shop", "paths": ["web/**"]}))
    pull = fake.open(1)
    fake.files["acme/shop", 1] = [fake.changed("web/a")]
    reconcile(site)
    assert [(member["number"], member["sha"]) for member in environment(site)["members"]] == [(1, pull["sha"])]
    assert told(fake) == (["### ✅ Environment `shop-1` is ready"], {pull["sha"]: "success"})

    pull["sha"] = sha("newer")
    fake.say(1, "/layersite extend 24h because demo", MONA)
    reconcile(site)
    assert (environment(site)["members"][0]["sha"], environment(site)["lease"]["by"]) == (sha("newer"), "mona")
    assert [award["name"] for awards in fake.reactions.values() for award in awards] == ["thumbsup"]
    assert told(fake)[1] == {sha("branch-1"): "success", sha("newer"): "success"}

    fake.listed, fake.counted = [], 0  # well-formed, and wrong
    reconcile(site, failed=1)
    assert "shop-1/environment.yaml" in committed(site)

    fake.listed = fake.counted = None
    fake.close(1)
    reconcile(site)
    assert [*committed(site)] == ["shop-1/tombstone.yaml"]
    assert told(fake)[0] == ["### 🧹 Environment `shop-1` is going away"]
