"""Measure a change's whole way, from the forge to running pods and back to nothing, beside Argo CD's own generators.

It runs in a test bed, where Argo CD, the forge and the nodes are the same for both: `nox -s bench -- e2e`.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.e2e.many import TINY, argo_cd_alone, layersite_alone, measure_many
from benchmarks.e2e.measure import Bench
from benchmarks.e2e.seen import Seen, committing, listening, watching
from benchmarks.e2e.sides import Generator, Side, github_shaped, same_objects
from benchmarks.e2e.table import SIDES, machine, table
from layersite.model.yaml import dump
from layersite.place import Place
from layersite.process import let_git_sign_in
from tests.e2e.team import Team, make_team
from tests.testbed import Bed

__all__ = ["main"]


def main() -> None:
    """Measure, print the tables and write the results."""
    parser = argparse.ArgumentParser(prog="nox -s bench -- e2e", description=__doc__)
    parser.add_argument("--changes", type=int, default=10, help="changes one after the other")
    parser.add_argument("--polled", type=int, default=5, help="changes for the generator that polls every 30 s")
    parser.add_argument("--at-once", type=int, default=16, help="changes at once")
    parser.add_argument("--rounds", type=int, default=3, help="how often that many at once")
    parser.add_argument("--many", type=int, default=200, help="environments in one push")
    parser.add_argument("--output", type=Path, help="write the results here as JSON")
    options = parser.parse_args()
    if "LAYERSITE_BED" not in os.environ:
        sys.exit("this needs a bed around it: python -m tests.testbed run -- python -m benchmarks e2e")
    bed = Bed.from_state(json.loads(Path(os.environ["LAYERSITE_BED"]).read_bytes()))
    facts, bench = machine(bed), Bench(Seen())
    left: dict[str, int] = {}
    try:
        with tempfile.TemporaryDirectory() as name, watching(bed, bench.seen), _team(bed, Path(name)) as team:
            left |= _measure(bench, team, Path(name), options)
    finally:  # what was measured before something failed is worth seeing
        _report(bench, facts, left, options.output)


def _report(bench: Bench, facts: Mapping[str, str], left: Mapping[str, int], output: Path | None) -> None:
    if output:
        seconds = [{"what": what, "side": side, "seconds": each} for (what, side), each in bench.seconds.items()]
        results = {"machine": facts, "measured": seconds, "namespaces_left": left}
        output.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    print(f"\np50 / p95 from the event; Argo CD's own generators in the same run\n\n{table(bench.seconds)}\n")
    print("namespaces left after close: " + ", ".join(f"{side} {count}" for side, count in left.items()))


@contextmanager
def _team(bed: Bed, folder: Path) -> Iterator[Team]:
    """Make a team whose bot may do what the peer does; remove what is its own from the cluster in the end."""
    team = make_team(bed, folder)
    os.environ.update(team.environment, GIT_CONFIG_GLOBAL=os.devnull)
    let_git_sign_in(bed.gitea_url)
    try:
        shutil.rmtree(team.site / "tests" / "smoke")  # the peer runs none
        settings = team.site / "layersite.yaml"
        settings.write_text(settings.read_text().replace("removals: 10", "removals: 100"))
        team.layersite("bootstrap", "--apply")
        yield team
    finally:
        if sets := [each for each in _names(bed, "applicationsets", "-nargocd") if each.startswith(team.name)]:
            bed.kubectl("delete", "applicationsets", "-nargocd", *sets)
        bed.kubectl("delete", "namespaces", "--wait=false", f"stage-{team.name}", *_left(team, team.name))


def _names(bed: Bed, *what: str) -> list[str]:
    return [line.partition("/")[2] for line in bed.kubectl("get", *what, "-oname").split()]


def _left(team: Team, prefix: str) -> list[str]:
    return [name for name in _names(team.bed, "namespaces") if name.startswith(prefix)]


def _measure(bench: Bench, team: Team, folder: Path, options: argparse.Namespace) -> dict[str, int]:
    """Measure everything; return how many namespaces each side has left behind."""
    clones = folder / "clones"
    repository = Path(team.bed.directory, "gitea", "data", "gitea-repositories", team.name, "environments.git")
    with committing(bench.seen, repository, f"{team.name}-"), listening(github_shaped(team)) as github:
        ours = Side(team, "web", clones / "web")
        twin = Generator(team, "twin", clones / "twin", SIDES[1], github=github, twin=True)
        hooked = Generator(team, "hook", clones / "hook", SIDES[2], github=github)
        polled = Generator(team, "poll", clones / "poll", SIDES[3])
        tiny_twin = Generator(team, "tiny", clones / "tiny", SIDES[1])
        tiny = Generator(team, "dirs", clones / "dirs", SIDES[2])
        sides = (ours, twin, hooked, polled, tiny_twin, tiny)
        for side in sides:
            side.clone()
        _measure_changes(bench, (ours, twin, hooked), options)
        _measure_polled(bench, polled, options.polled)
        if options.many:
            argocd = Place(team.site).argocd(Place(team.site).load()[0])
            assert argocd is not None
            pushes = (
                (ours, layersite_alone(team)),
                (tiny_twin, argo_cd_alone(tiny_twin, argocd, same_objects(team, "tiny"))),
                (tiny, argo_cd_alone(tiny, argocd, dump(TINY))),
            )
            for side, push in pushes:
                _say(f"{options.many} in one push, {side.name}")
                measure_many(bench, side, options.many, push)
        return {f"{each.name} ({each.repository})": len(_left(team, each.prefix)) for each in sides}


def _measure_changes(bench: Bench, sides: tuple[Side, Generator, Generator], options: argparse.Namespace) -> None:
    ours, *peers = sides
    with ours.team.serving():
        for peer in peers:
            peer.start()
        for number in range(options.changes):  # in turn, so that what else the machine does hits all
            for side in sides:
                _say(f"change {number + 1} of {options.changes}, {side.name}")
                bench.live(side, f"one-{number}")
        for number in range(options.rounds):
            for side in sides:
                _say(f"{options.at_once} at once, round {number + 1} of {options.rounds}, {side.name}")
                bench.together(side, [f"round-{number}-{each}" for each in range(options.at_once)])


def _measure_polled(bench: Bench, polled: Generator, count: int) -> None:
    if count:
        polled.start()
    for number in range(count):
        _say(f"polled change {number + 1} of {count}")
        time.sleep(random.uniform(0, 30))  # noqa: S311  the phase of the poll
        bench.open(polled, f"one-{number}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
