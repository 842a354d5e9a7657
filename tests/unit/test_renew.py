"""A change of the site reaches its environments in waves, by whichever command, and stops where a wave fails."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from layersite import __version__
from layersite.argocd.model import Result
from layersite.argocd.received import Application
from layersite.model.catalog import load_catalog
from layersite.model.environment import Environment
from layersite.model.errors import ArgoCDError
from layersite.model.site import load_site
from layersite.place import Place
from layersite.plan import Plan, World, plan_renewals
from layersite.process import git
from layersite.reconcile import Bot
from layersite.render import Renderer
from layersite.renew import renew_all
from layersite.rollout import Rollout
from layersite.store import Snapshot, Store, Write

from . import test_reconcile
from .test_drift import edit
from .test_reconcile import Run, committed, push, write

site, run = test_reconcile.site, test_reconcile.run

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def five(site: Path, run: Run) -> Path:
    """Five environments, of which two go at once, and a base that changed."""
    with (site / "layersite.yaml").open("a") as file:
        file.write("waves: {environments: 2, percent: 0}\n")
    for number in range(1, 6):
        push(site, "cart", str(number))
    run("reconcile")
    base = site / "apps/cart/base/all.yaml"
    write(base, base.read_text().replace("containerPort: 8080", "containerPort: 9090"))
    return site


def renewed(site: Path) -> list[str]:
    """The environments whose committed manifests have what changed."""
    return sorted({path.split("/")[0] for path, text in committed(site).items() if "containerPort: 9090" in text})


def test_each_reconcile_brings_one_wave(five: Path, run: Run) -> None:
    said = run("reconcile").output
    assert "apps/cart changed" in said
    assert "waits for its wave: apps/cart changed" in said
    assert renewed(five) == ["cart-1", "cart-2"]
    run("reconcile")
    assert renewed(five) == ["cart-1", "cart-2", "cart-3", "cart-4"]
    run("reconcile")
    assert len(renewed(five)) == 5
    assert "nothing to write" in run("reconcile").output


def test_a_change_that_is_asked_for_does_not_wait(five: Path, run: Run) -> None:
    run("preview", "cart#5")
    assert renewed(five) == ["cart-5"]


def test_renew_shows_a_diff_for_each_and_changes_nothing(five: Path, run: Run) -> None:
    said = run("renew", "--dry-run").stdout
    assert said.count("+            - containerPort: 9090") == 5
    assert said.count("waits for its wave") == 3
    assert renewed(five) == []


def test_renew_brings_all_waves(five: Path, run: Run) -> None:
    run("renew")
    assert len(renewed(five)) == 5
    subjects = git("log", "--format=%s", "main", cwd=five.parent / "environments.git").splitlines()
    assert subjects[:-1] == ["update cart-5", "environments: 2 update", "environments: 2 update"]
    run("drift")


@dataclass
class Argo:
    """An Argo CD that shows each environment at a commit, healthy or not."""

    revisions: dict[str, str] = field(default_factory=dict)
    unwell: set[str] = field(default_factory=set)
    is_away: bool = False

    def applications(self) -> dict[str, Application]:
        if self.is_away:
            raise ArgoCDError("it is away")

        def status(name: str, revision: str) -> dict[str, dict[str, str]]:
            health = "Degraded" if name in self.unwell else "Healthy"
            return {"sync": {"status": "Synced", "revision": revision}, "health": {"status": health}}

        data = {
            f"env-{n}": {"metadata": {"name": f"env-{n}"}, "status": status(n, r)} for n, r in self.revisions.items()
        }
        return {name: Application.model_validate(each) for name, each in data.items()}


@dataclass
class Team:
    """A site whose waves an Argo CD judges."""

    root: Path
    argo: Argo

    def world(self) -> tuple[World, Snapshot, Store]:
        settings, _ = load_site(self.root)
        store = Store(str(self.root.parent / "environments.git"), "main", self.root / "cache")
        snapshot = store.read()
        current = {name: e for name, entry in snapshot.entries.items() if (e := entry.environment)}
        heads = dict.fromkeys(settings.repositories, "a" * 40)
        return World(settings, load_catalog(self.root, settings), __version__, heads, current), snapshot, store

    def wave(self) -> Plan:
        """Commit the next wave, if it may go, and return the plan."""
        world, snapshot, store = self.world()
        plan = Rollout(world.site, self.argo, store.manifests_at).hold(plan_renewals(world), world, snapshot)
        renderer = Renderer(world.site, world.catalog, self.root / "bases")
        writes = [
            Write(a.name, renderer.render(a.result), snapshot.entries[a.name].tree, "")
            for a in plan.having("update")
            if isinstance(a.result, Environment)
        ]
        store.commit(writes, "wave")
        return plan

    def tip(self) -> str:
        return git("rev-parse", "main", cwd=self.root.parent / "environments.git").strip()


@pytest.fixture
def team(five: Path) -> Team:
    team = Team(five, Argo())
    team.argo.revisions = {f"cart-{number}": team.tip() for number in range(1, 6)}
    return team


def test_a_wave_waits_until_argo_cd_shows_the_last_one_as_committed(team: Team) -> None:
    team.wave()
    assert renewed(team.root) == ["cart-1", "cart-2"]
    assert team.wave().having("update") == ()
    assert renewed(team.root) == ["cart-1", "cart-2"]
    team.argo.revisions |= {"cart-1": team.tip(), "cart-2": team.tip()}
    team.wave()
    assert renewed(team.root) == ["cart-1", "cart-2", "cart-3", "cart-4"]


def test_a_later_commit_of_others_holds_no_wave_back(team: Team) -> None:
    team.wave()
    team.argo.revisions |= {"cart-1": team.tip(), "cart-2": team.tip()}
    edit(team.root, {"docs/a/b.md": "of somebody else"})
    (team.root / "cache").rename(team.root / "lost")
    team.wave()
    assert len(renewed(team.root)) == 4


def test_while_argo_cd_is_away_no_wave_goes(team: Team) -> None:
    team.argo.is_away = True
    plan = team.wave()
    assert {action.reason for action in plan.actions} == {"waits for its wave until Argo CD can be asked: it is away"}
    assert renewed(team.root) == []


@dataclass
class Fast(Argo):
    """An Argo CD that has everything healthy as soon as it hears of it."""

    def nudge(self, repository: str, branch: str, before: str, after: str, paths: Sequence[str]) -> tuple[str, ...]:
        self.revisions = dict.fromkeys(self.revisions, after)
        return ()

    def await_synced(self, wanted: Mapping[str, str], **_: object) -> Iterator[Result]:
        yield from (Result(name, "healthy") for name in wanted)

    def await_gone(self, names: Iterable[str], **_: object) -> Iterator[Result]:
        yield from (Result(name, "gone") for name in names)


def smoking(root: Path, *failing: str) -> Bot:
    """A bot as after a start, of a site whose smoke tests of `failing` fail."""
    bot = Place(root).bot(lambda step: None)
    argo = Fast({f"cart-{number}": "" for number in range(1, 6)})
    argo.nudge("", "", "", str(bot.store.read().commit), ())
    assert isinstance(bot.store, Store)

    def smoke(name: str) -> tuple[bool, str]:
        return name not in failing, ""

    follower = replace(bot.follower, argocd=argo, smoke=smoke)
    return replace(bot, follower=follower, hold=Rollout(bot.site, argo, bot.store.manifests_at, has_smoke=True).hold)


def test_a_wave_whose_smoke_tests_failed_holds_back_that_of_the_next_run(five: Path) -> None:
    assert smoking(five, "cart-2").reconcile().failed == ("cart-2",)
    assert "smoke: failed" in committed(five)["cart-2/environment.yaml"]
    held = smoking(five).reconcile().plan.having("leave")
    assert "waits until cart-2 (its smoke tests failed), which" in " ".join(action.reason for action in held)
    assert renewed(five) == ["cart-1", "cart-2"]
    smoking(five).reconcile()
    assert len(renewed(five)) == 4


def test_renew_runs_smoke_tests_that_failed_once_more_and_goes_on_if_they_pass(five: Path) -> None:
    renew_all(smoking(five, "cart-2"))
    assert renewed(five) == ["cart-1", "cart-2"]
    assert set(renew_all(smoking(five, "cart-2")).failed) == {"cart-3", "cart-4", "cart-5"}
    assert renewed(five) == ["cart-1", "cart-2"]
    assert renew_all(smoking(five)).failed == ()
    assert len(renewed(five)) == 5
    assert "smoke:" not in "".join(committed(five).values())


def test_a_broken_template_breaks_one_wave_and_its_mend_goes_there_first(team: Team) -> None:
    team.wave()
    team.argo.revisions |= {"cart-1": team.tip(), "cart-2": team.tip()}
    team.argo.unwell = {"cart-2"}
    assert "waits until cart-2" in team.wave().having("leave")[0].reason
    assert renewed(team.root) == ["cart-1", "cart-2"]
    base = team.root / "apps/cart/base/all.yaml"
    write(base, base.read_text() + "# mended\n")
    settings = team.root / "layersite.yaml"
    write(settings, settings.read_text().replace("{environments: 2", "{environments: 1"))
    assert [action.name for action in team.wave().having("update")] == ["cart-2"]
