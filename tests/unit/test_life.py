"""Whatever happens in whatever order, nothing alive is removed, and after quiet all that is asked agrees."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import RLock
from typing import Any

import pygit2
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from layersite import by_name
from layersite.forge.gitea import GiteaForge
from layersite.keep import Keeper
from layersite.model.change import Change
from layersite.model.environment import Environment, Tombstone
from layersite.model.errors import LayersiteError
from layersite.observe import Seen
from layersite.reap import Reaper
from layersite.reconcile import Bot
from layersite.report import read_mark
from layersite.store import Committed, Entry, Snapshot, Write
from layersite.store.graft import graft, message, write_commit, write_tree
from layersite.store.parsed import Parsed
from layersite.store.snapshot import read_snapshot
from layersite.store.store import compare

from .crash.rim import Argo, Books, Cluster
from .crash.worker import make_bot, make_shop
from .forge.fake_gitea import Answer, FakeGitea, sha
from .test_latest_wins import Slow

CAP, LEASE, REMOVALS = 3, timedelta(hours=72), 2
WELL = "all is well"
TROUBLES = [WELL] * 8 + ["no forge", "no comments", "a page is missing", "a page is missing unnoticed"]
TROUBLES += ["nothing is listed", "the listing is late", "the listing is late", "no Argo CD"]
Judge = Callable[[Mapping[str, Entry], Mapping[str, Entry]], None]
numbers = st.integers(1, 5)


@dataclass
class Shelf:
    """The environments repository itself, without a clone and a host between; `judge` sees what each commit did."""

    path: Path
    judge: Judge

    def __post_init__(self) -> None:
        pygit2.init_repository(str(self.path), bare=True, initial_head="main")
        self._lock, self._last = RLock(), dict[str, Entry]()
        self._parsed = Parsed(self.path.with_suffix(".parsed"))

    def read(self) -> Snapshot:
        repository = pygit2.Repository(str(self.path))
        tip = repository.references.get("refs/heads/main")
        snapshot = read_snapshot(repository, tip and tip.peel(pygit2.Commit).id, self._last, self._parsed)
        self._last = dict(snapshot.entries)
        return snapshot

    def known(self) -> Snapshot:
        return self.read()

    def commit(self, writes: Sequence[Write], subject: str) -> Committed:
        with self._lock:
            before, repository = self.read(), pygit2.Repository(str(self.path))
            tip = None if before.commit is None else repository[before.commit].peel(pygit2.Commit)
            trees = {w.name: write_tree(repository, w.files, w.manifests) if w.files else None for w in writes}
            states = {w.name: compare(tip and tip.tree, w, trees[w.name]) for w in writes}
            todo = [write for write in writes if states[write.name] == "open"]
            if todo:
                root = graft(repository, tip and tip.tree, {write.name: trees[write.name] for write in todo})
                text = message(subject, (write.trailer for write in todo))
                made = write_commit(repository, root, tip and tip.id, text, 1)
                repository.references.create("refs/heads/main", made, force=True)
                self.judge(before.entries, self.read().entries)
            changed = tuple(name for name, state in states.items() if state == "changed")
            return Committed(str(made) if todo else None, tuple(write.name for write in todo), changed)

    def contains(self, revision: str, commit: str) -> bool:
        repository = pygit2.Repository(str(self.path))
        return revision == commit or repository.descendant_of(revision, commit)


@dataclass
class Behind(Slow):
    """The store of a bot that has not asked the host since it saw `snapshot`."""

    snapshot: Snapshot

    def known(self) -> Snapshot:
        return self.snapshot


class Life(RuleBasedStateMachine):
    """Changes of one repository over their lives, and beside each rule what must hold; `folder` is its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.now, self.serial = datetime(2026, 1, 5, tzinfo=UTC), 0
        self.site = make_shop(folder, capacity={"environments": CAP}, safety={"removals": REMOVALS, "percent": 0})
        self.gitea, self.is_argocd_up = FakeGitea(), True
        self.shelf = Shelf(folder / "environments.git", self.judge)
        self.cluster = Cluster(folder / "cluster", self.step)
        self.argocd = Argo(self.cluster, folder / "environments.git", lambda: self.is_argocd_up)
        self.history: list[list[Any]] = [[]]
        self.until: dict[str, datetime] = {}
        self.pinned, self.asleep, self.torn = set[str](), set[str](), set[str]()
        self.closed_meanwhile, self.heads_meanwhile = set[str](), set[tuple[str, str]]()
        self.is_yes, self.happened = False, 0
        self.before_databases: Callable[[], None] | None = None
        self.bots: list[Bot] = []
        self.seen: Seen | None = None

    def teardown(self) -> None:
        """See the four truths agree in the end."""
        try:
            self.fall_quiet()
        finally:
            self.gitea.stop()
            for bot in self.bots:
                assert isinstance(bot.forge, GiteaForge)
                bot.forge.close()

    # What happens

    @rule(number=numbers)
    def open(self, number: int) -> None:
        """Open a change or open it again."""
        if (pull := self.pull(number)) is None:
            pull = self.gitea.open(number)
        pull["state"] = "open"
        self.remember()

    @rule(number=numbers)
    def push(self, number: int) -> None:
        if (pull := self.pull(number)) is not None:
            self.serial += 1
            pull["head"]["sha"] = sha(f"{number} {self.serial}")
            self.remember()

    @rule(number=numbers)
    def close(self, number: int) -> None:
        if (pull := self.pull(number)) is not None:
            pull["state"] = "closed"
            self.remember()

    @rule(hours=st.sampled_from([1, 10, 40, 73]))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(trouble=st.sampled_from(TROUBLES), is_followed=st.booleans(), is_restarted=st.booleans(), data=st.data())
    def run(self, trouble: str, is_followed: bool, is_restarted: bool, data: st.DataObject) -> None:
        """Run the bot, which perhaps ends right after its commit."""
        with self.in_trouble(trouble, data):
            bot = self.bot(is_restarted)
            decided = bot.decide()
            self.seen = decided.seen
            if is_followed:
                bot.follow(decided)

    @precondition(lambda self: self.seen is not None)
    @rule(trouble=st.sampled_from(TROUBLES), told=st.sets(numbers), data=st.data())
    def run_on_news(self, trouble: str, told: set[int], data: st.DataObject) -> None:
        """Run the bot on what it saw before, and perhaps too few, too many or too late events."""
        assert self.seen is not None
        moved = [Change("shop", number, "", "") for number in sorted(told)]
        store = Behind(self.shelf, lambda: None, self.seen.snapshot)
        with self.in_trouble(trouble, data):
            bot = replace(self.bot(False), store=store)
            decided = bot.decide_again(self.seen, moved)
            self.seen = decided.seen
            bot.follow(decided)

    @rule(number=numbers, event=st.sampled_from(["open", "push", "close"]))
    def run_while_another_does(self, number: int, event: str) -> None:
        """Run the bot, and before its commit let something happen of which another bot makes a commit first."""
        slow, other = self.bot(True), self.bot(True)

        def meanwhile() -> None:
            getattr(self, event)(number)
            other.reconcile()

        with self.in_trouble(WELL):
            slow.follow(replace(slow, store=Slow(self.shelf, meanwhile)).decide())

    @rule(number=numbers, event=st.sampled_from(["push", "close"]))
    def run_while_another_does_before_databases_are_made(self, number: int, event: str) -> None:
        """Run the bot, and before it makes a database let something happen that another bot sees to its end."""

        def meanwhile() -> None:
            getattr(self, event)(number)
            self.bot(True).reconcile()

        self.open(number)
        self.push(number)
        self.before_databases = meanwhile
        with self.in_trouble(WELL):
            self.bot(True).reconcile()
        self.before_databases = None

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), verb=st.sampled_from(["pin", "unpin", "extend", "sleep", "wake", "teardown"]))
    def ask(self, data: st.DataObject, verb: str) -> None:
        """Let a person decide about one living environment."""
        name = data.draw(st.sampled_from(sorted(self.alive())))
        keeper = Keeper(self.site, self.shelf, lambda: self.now)
        with self.in_trouble(WELL):
            if verb == "pin":
                keeper.pin(name, "qa", "demo")
                self.pinned.add(name)
            elif verb == "unpin":
                keeper.unpin(name, "qa")
                self.pinned.discard(name)
                self.until[name] = self.now + LEASE
            elif verb == "extend" and name not in self.pinned:
                keeper.extend(name, 24, "qa", "demo")
                self.until[name] = max(self.until[name], self.now) + timedelta(hours=24)
            elif verb == "sleep":
                self.asleep.add(name)
                by_name.call(self.bot(True), name, "asleep", None, "qa")
            elif verb == "wake":
                self.asleep.discard(name)
                by_name.call(self.bot(True), name, "active", None, "qa")
            elif verb == "teardown":
                self.torn.add(name)
                by_name.teardown(self.bot(True), name)

    def reap(self) -> None:
        """See that there is nothing to reap, whatever a slower run made for what another removed meanwhile."""
        books, namespaces = Books(self.cluster), self.cluster.held("namespaces")
        listed = {namespace: namespace.removeprefix("env-") for namespace in namespaces}
        look = {"in-cluster": lambda: listed}
        reaper = Reaper(
            self.site, self.shelf.read, self.argocd.applications, look, books.reap, self.cluster, lambda names: {}
        )
        assert reaper.reap(yes=True) == []

    @precondition(lambda self: self.happened > 5)
    @rule()
    def fall_quiet(self) -> None:
        """Let the bot run while nothing happens, and compare changes, directories, cluster and database server."""
        self.is_yes, self.happened = True, 0
        with self.in_trouble(WELL):
            for _ in range(4):
                self.bot(False).reconcile(yes=True)
            before = self.shelf.read().commit
            self.bot(True).reconcile(yes=True)
            assert self.shelf.read().commit == before
            self.reap()
        self.is_yes = False
        entries = self.shelf.read().entries
        alive = self.alive()
        stones = {name: each.tombstone for name, each in entries.items() if each.tombstone}
        wanted = {f"shop-{n}": pull["head"]["sha"] for n in range(1, 6) if (pull := self.pull(n)) and is_open(pull)}
        assert stones.keys() <= wanted.keys()
        assert not [name for name, stone in stones.items() if stone.reap]
        ended = {n for n, each in stones.items() if each.cause != "closed" and each.members[0].sha == wanted[n]}
        assert alive.keys() <= wanted.keys() - ended
        assert len(alive) == min(CAP, len(wanted.keys() - ended))
        assert {name: each.members[0].sha for name, each in alive.items()} == {name: wanted[name] for name in alive}
        assert {name for name, each in alive.items() if each.state == "asleep"} == self.asleep & alive.keys()
        assert not [name for name in alive if name not in self.pinned and self.until[name] <= self.now]
        for kind in ("applications", "namespaces", "databases", "secrets"):
            assert self.cluster.held(kind) == {each.namespace for each in alive.values()}, kind
        for name, each in alive.items():
            mark = read_mark(self.comments(name)[-1])
            assert (mark["state"], mark["generation"]) == (
                "asleep" if name in self.asleep else "ready",
                each.generation,
            )

    # What always holds

    @invariant()
    def there_is_one_comment_each(self) -> None:
        keys = Counter((each["pull_request_url"], each["body"].partition("\n")[0]) for each in self.gitea.comments)
        assert not [key for key, count in keys.items() if count > 1]

    @invariant()
    def the_cap_holds(self) -> None:
        assert len(self.alive()) <= CAP

    def judge(self, before: Mapping[str, Entry], after: Mapping[str, Entry]) -> None:
        """Compare what a commit did with what may be done, and learn from it when leases end."""
        gone = [n for n, each in before.items() if each.environment and not (n in after and after[n].environment)]
        assert len(gone) <= REMOVALS or self.is_yes
        for name in gone:
            stone = after[name].tombstone
            assert stone is not None
            assert self.may_go(name, stone), stone.reason
            self.pinned.discard(name)
            self.asleep.discard(name)
            self.torn.discard(name)
            del self.until[name]
        for name, each in after.items():
            old = before[name].environment if name in before else None
            if each.environment and (old is None or old.members != each.environment.members):
                assert (name, each.environment.members[0].sha) in self.heads_meanwhile
                self.until[name] = max(self.until.get(name, self.now), self.now + LEASE)
                self.asleep.discard(name)

    def may_go(self, name: str, stone: Tombstone) -> bool:
        is_over = name not in self.pinned and self.until[name] <= self.now
        return {"closed": name in self.closed_meanwhile, "expired": is_over, "teardown": name in self.torn}[stone.cause]

    def step(self, what: str) -> bool:
        """Let happen what is to, and see that nothing is taken from an environment that is committed."""
        if what.startswith("before databases") and (meanwhile := self.before_databases):
            self.before_databases = None
            meanwhile()
        if what.startswith("before removing"):
            assert what.split()[-1].removeprefix("env-") not in self.alive(), what
        return True

    # What it is made of

    def pull(self, number: int) -> Any:
        return next((pull for pull in self.gitea.pulls["acme/shop"] if pull["number"] == number), None)

    def remember(self) -> None:
        """Keep what the forge shows, now and for as long as the run goes on."""
        self.see_heads()
        self.history.append(copy.deepcopy(self.gitea.pulls["acme/shop"]))

    def see_heads(self) -> None:
        self.happened += 1
        pulls = self.gitea.pulls["acme/shop"]
        self.closed_meanwhile |= {f"shop-{pull['number']}" for pull in pulls if not is_open(pull)}
        self.heads_meanwhile |= {(f"shop-{pull['number']}", pull["head"]["sha"]) for pull in pulls if is_open(pull)}

    def alive(self) -> dict[str, Environment]:
        entries = self.shelf.read().entries
        return {name: entry.environment for name, entry in entries.items() if entry.environment}

    def comments(self, name: str) -> list[str]:
        return [each["body"] for each in self.gitea.comments if f"<!-- layersite: {name} -->" in each["body"]]

    def bot(self, is_restarted: bool) -> Bot:
        if is_restarted or not self.bots:
            self.bots.append(make_bot(self.site, self.gitea.url, self.shelf, self.argocd, lambda: self.now))
        return self.bots[-1]

    @contextmanager
    def in_trouble(self, trouble: str, data: st.DataObject | None = None) -> Iterator[None]:
        """Have what is asked answer falsely or not at all; an error of the bot is right then, and only then."""
        pulls = self.gitea.pulls["acme/shop"]
        self.closed_meanwhile.clear()
        self.heads_meanwhile.clear()
        self.see_heads()
        if trouble == "no forge":
            self.gitea.instead = {"*": Answer(500)}
        elif trouble == "no comments":
            self.gitea.instead = {f"/repos/acme/shop/issues/{number}/comments": Answer(502) for number in range(1, 6)}
        elif trouble == "the listing is late" and data:
            self.gitea.listed = data.draw(st.sampled_from(self.history[-4:]))
        elif trouble == "nothing is listed":
            self.gitea.listed = []
        elif trouble.startswith("a page is missing") and data:
            self.gitea.listed = pulls[: data.draw(st.integers(0, len(pulls)))]
        if self.gitea.listed is not None:
            listed = pulls if trouble == "a page is missing" else self.gitea.listed
            self.gitea.counted = sum(map(is_open, listed))
        self.is_argocd_up = trouble != "no Argo CD"
        try:
            yield
        except LayersiteError:
            if trouble == WELL:
                raise
        self.gitea.instead, self.gitea.listed, self.gitea.counted, self.is_argocd_up = {}, None, None, True


def is_open(pull: Any) -> bool:
    return bool(pull["state"] == "open")


def live(folder: Path, examples: int, steps: int, **more: Any) -> None:
    serial = iter(range(1_000_000))

    class Here(Life):
        def __init__(self) -> None:
            super().__init__(folder / str(next(serial)))

    chosen = settings(
        max_examples=examples, stateful_step_count=steps, database=None, report_multiple_bugs=False, **more
    )
    run_state_machine_as_test(Here, settings=settings(chosen, suppress_health_check=list(HealthCheck)))


@dataclass
class Late(Slow):
    """A store in which all is there already, by a run that died before it told anybody."""

    def commit(self, writes: list[Write], subject: str) -> Committed:
        self.store.commit(writes, subject)
        return self.store.commit(writes, subject)


def test_argo_cd_hears_of_what_a_run_committed_that_died_since(tmp_path: Path) -> None:
    gitea, steps = FakeGitea(), list[str]()

    def step(what: str) -> bool:
        steps.append(what)
        return True

    shelf = Shelf(tmp_path / "environments.git", lambda before, after: None)
    argocd = Argo(Cluster(tmp_path / "cluster", step), shelf.path)
    bot = make_bot(make_shop(tmp_path), gitea.url, shelf, argocd, lambda: datetime(2026, 1, 5, tzinfo=UTC))
    gitea.open(1)
    bot.follow(replace(bot, store=Late(shelf, lambda: None)).decide())
    assert isinstance(bot.forge, GiteaForge)
    bot.forge.close()
    gitea.stop()
    assert steps.index("after telling Argo CD") < steps.index("before secrets env-shop-1")


def test_some_lives(tmp_path: Path) -> None:
    live(tmp_path, 8, 15, derandomize=True, phases=[Phase.generate])


@pytest.mark.stress
def test_many_lives(tmp_path: Path) -> None:
    live(tmp_path, 100, 40, print_blob=True)
